"""What is kept of the predictions of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import PredictionError
from chmr_bench.records import Molecules, Predictions
from chmr_bench.records.predictions import as_stored
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.types import FloatArray, IntArray


def stored_predictions(
    data: LoadedDataset, split: Split, y_pred: FloatArray, y_valid_pred: FloatArray | None
) -> Predictions:
    """Return predictions of the test rows, and of the validation rows, as they are stored.

    Raises
    ------
    PredictionError
        One does not fit the precision of its kind.
    """
    stored = _kept(data, y_pred, split.test)
    valid = None if y_valid_pred is None else _kept(data, y_valid_pred, split.valid)
    if np.isinf(stored.values).any():
        raise PredictionError(
            f"{int(np.isinf(stored.values).sum())} predictions do not fit "
            f"{stored.values.dtype}: the largest is {np.abs(y_pred).max():g}"
        )
    return replace(stored, valid=valid, molecules=_molecules(data.dataset, split.test))


def _kept(data: LoadedDataset, y_pred: FloatArray, rows: IntArray) -> Predictions:
    """Return predictions of labelled cells: no score rests on the others."""
    labelled = ~np.isnan(data.dataset.y[rows])
    return as_stored(y_pred, rows, data.dataset.task_names, data.spec.task_type, labelled)


def _molecules(dataset: Dataset, rows: IntArray) -> Molecules | None:
    """Return which lines of a user's table these rows are; None for other data."""
    if not dataset.row_numbers:
        return None
    return Molecules(
        file_rows=np.array(dataset.row_numbers, dtype=np.int64)[rows],
        smiles=tuple(dataset.smiles[i] for i in rows),
        ids=tuple(dataset.ids[i] if dataset.ids else "" for i in rows),
    )
