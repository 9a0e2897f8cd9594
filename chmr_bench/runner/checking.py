"""What a model predicted, held against what was asked of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from chmr_bench.errors import PredictionError
from chmr_bench.types import FloatArray

PROBABILITY_TOLERANCE = 1e-6
NUMBERS = "biufO"
"""Kinds of arrays: complex numbers, dates and text become floats too, and are none."""


def check_predictions(y_pred: Any, shape: tuple[int, int], probabilities: bool) -> FloatArray:
    """Return predictions as a finite float array of the expected shape.

    Raises
    ------
    PredictionError
        Another shape, not numbers, not finite, or no probabilities.
    """
    if y_pred is None:
        raise PredictionError("predict gave None, not numbers; does it return them?")
    try:
        values = np.asarray(y_pred)
        if values.dtype.kind not in NUMBERS or np.ma.is_masked(y_pred):
            raise TypeError
        values = values.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        kind = type(y_pred).__name__
        dtype = f" of {y_pred.dtype}" if hasattr(y_pred, "dtype") else ""
        raise PredictionError(f"predict gave {kind}{dtype}, not numbers throughout") from error
    if values.shape != shape:
        raise PredictionError(f"predict gave shape {values.shape}, expected (n_test, t) = {shape}")
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, task = np.argwhere(wrong)[0]
        raise PredictionError(
            f"{int(wrong.sum())} of {values.size} predictions are not finite; the first is "
            f"{values[row, task]} in test row {row}, task {task} (both from 0)"
        )
    if probabilities and (
        values.min() < -PROBABILITY_TOLERANCE or values.max() > 1 + PROBABILITY_TOLERANCE
    ):
        raise PredictionError(
            f"predictions of classes reach from {values.min():g} to {values.max():g}; "
            "expected probabilities of class 1 (apply the sigmoid inside the model)"
        )
    return values.clip(0, 1) if probabilities else values
