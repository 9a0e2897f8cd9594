"""Predictions as they are stored: of labelled cells, in the precision that scores are made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chmr_bench.types import BoolArray, FloatArray, IntArray, TaskType

DTYPES: dict[TaskType, Literal["float16", "float64"]] = {
    "classification": "float16",
    "regression": "float64",
}
"""Half precision keeps a leaderboard small (float32 would make it 2.3 times as large): two
probabilities closer than one part in 2000 may become a tie. Scores are made from the stored values,
so score and predictions always agree. A target in a unit of its own may have any offset: float64.
"""


@dataclass(frozen=True)
class Molecules:
    """Which lines of a user's table the test rows are.

    Attributes
    ----------
    file_rows : (n_test,)
        row of the file, counted as the file's reader counts them.
    smiles : (n_test,)
        as they stand in the file.
    ids : (n_test,)
        of the id column; empty texts where there is none.
    """

    file_rows: IntArray
    smiles: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """What a model predicted for the test rows, as stored; scores are made from these values.

    Attributes
    ----------
    rows : (n_test,)
        int32, rows of the dataset.
    values : (n_test, t)
        float16 for classification, float64 for regression; NaN in cells that were not kept, which
        have no label.
    task_names : (t,)
        the columns of `values`.
    valid : optional
        the same for the validation rows, where the model gave them.
    molecules : optional
        what a user's table says of the test rows.
    """

    rows: IntArray
    values: FloatArray
    task_names: tuple[str, ...]
    valid: Predictions | None = None
    molecules: Molecules | None = None

    @property
    def cells(self) -> Literal["all", "labelled"]:
        """Return which cells are kept."""
        return "labelled" if np.isnan(self.values).any() else "all"

    def digest(self) -> str:
        """Return the sha256 of rows, task names, values, and of what else there is."""
        h = hashlib.sha256("\n".join(self.task_names).encode() + b"\0")
        h.update(np.ascontiguousarray(self.rows, dtype="<i4").tobytes())
        h.update(str(self.values.dtype).encode() + b"\0")
        h.update(_bytes(self.values))
        if self.valid is not None:
            h.update(self.valid.digest().encode())
        if self.molecules is not None:
            of = self.molecules
            h.update(np.asarray(of.file_rows, dtype="<i8").tobytes())
            h.update("\0".join([*of.smiles, *of.ids]).encode())
        return h.hexdigest()


def as_stored(
    y_pred: FloatArray,
    rows: IntArray,
    task_names: Sequence[str],
    task_type: TaskType,
    labelled: BoolArray | None = None,
) -> Predictions:
    """Return predictions (n, t) in the precision they are stored in.

    Parameters
    ----------
    labelled : (n, t)
        the other cells are not kept, for no score rests on them. None = keep all.
    """
    values = np.array(y_pred, dtype=DTYPES[task_type], order="C")
    if labelled is not None:
        values[~labelled] = np.nan
    return Predictions(np.asarray(rows, dtype=np.int32), values, tuple(task_names))


def replicates_digest(replicates: FloatArray) -> str:
    """Return the sha256 of bootstrap replicates: of their values, whatever the precision."""
    return hashlib.sha256(_bytes(np.asarray(replicates, dtype=np.float64))).hexdigest()


def _bytes(values: FloatArray) -> bytes:
    """Return the little-endian bytes, with one NaN for all that there are."""
    same: Any = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return bytes(np.ascontiguousarray(same, dtype=values.dtype.newbyteorder("<")).tobytes())
