"""Stored predictions: one Parquet file a run, and the hashes that pin it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chmr_bench.errors import RecordError
from chmr_bench.types import FloatArray, IntArray, TaskType

FILE_NAME = "predictions.parquet"
ROW_COLUMN = "row"
DTYPES: dict[TaskType, Literal["float16", "float32"]] = {
    "classification": "float16",
    "regression": "float32",
}
"""Half precision keeps a leaderboard small. Two probabilities closer than one part in 2000 may
become a tie; scores are made from the stored values, so score and predictions always agree."""


@dataclass(frozen=True)
class Predictions:
    """What a model predicted for the test rows, as stored; scores are made from these values.

    Attributes
    ----------
    rows : (n_test,) int32, rows of the dataset.
    values : (n_test, t) float16 for classification, float32 for regression.
    """

    rows: IntArray
    values: FloatArray
    task_names: tuple[str, ...]

    def digest(self) -> str:
        """Return the sha256 of rows, task names and values."""
        h = hashlib.sha256("\n".join(self.task_names).encode() + b"\0")
        h.update(np.ascontiguousarray(self.rows, dtype="<i4").tobytes())
        little = self.values.dtype.newbyteorder("<")
        h.update(str(self.values.dtype).encode() + b"\0")
        h.update(np.ascontiguousarray(self.values, dtype=little).tobytes())
        return h.hexdigest()


def as_stored(
    y_pred: FloatArray, rows: IntArray, task_names: Sequence[str], task_type: TaskType
) -> Predictions:
    """Return predictions (n_test, t) in the precision they are stored in."""
    values = np.ascontiguousarray(y_pred, dtype=DTYPES[task_type])
    return Predictions(np.asarray(rows, dtype=np.int32), values, tuple(task_names))


def write(path: Path, predictions: Predictions) -> None:
    """Write the Parquet file: column ``row``, then a column a task."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(predictions.rows)]
    columns += [pa.array(np.ascontiguousarray(column)) for column in predictions.values.T]
    table = pa.Table.from_arrays(columns, names=[ROW_COLUMN, *predictions.task_names])
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=9,
        use_dictionary=False,  # few values repeat: a dictionary a column makes the file half larger
        write_statistics=False,
    )


def read(path: Path) -> Predictions:
    """Read the Parquet file; RecordError where it is missing or not what `write` writes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(path)
        names = table.column_names
        if not names or names[0] != ROW_COLUMN:
            raise RecordError(f"{path}: the first column is {names[:1]}, expected 'row'")
        columns = [table.column(i).to_numpy() for i in range(1, len(names))]
        rows = table.column(0).to_numpy()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordError(f"{path}: cannot be read as predictions: {error}") from error
    if not columns:
        raise RecordError(f"{path}: holds no task")
    return Predictions(rows, np.column_stack(columns), tuple(names[1:]))


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
