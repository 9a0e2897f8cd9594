"""The spot check: are predictions those of a molecule, or of its batch?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import Inputs
from chmr_bench.runner.fitting import spot_check
from chmr_bench.types import FloatArray

SMILES = tuple("C" * (i + 1) for i in range(12))


def own(inputs: Inputs) -> FloatArray:
    """Predict from each molecule alone."""
    sizes = np.array([len(smiles) for smiles in inputs.smiles], dtype=float)
    return np.stack([sizes / 12, np.full(len(sizes), 0.5)], axis=1)


def rounded(inputs: Inputs) -> FloatArray:
    """Differ as float32 does in batches of another size."""
    return own(inputs) * (1 + 1e-7 * len(inputs))


def normalised(inputs: Inputs) -> FloatArray:
    """Scale by the batch, as batch normalisation left in training does."""
    values = own(inputs)
    return np.asarray(values - values.mean(axis=0))


def by_place(inputs: Inputs) -> FloatArray:
    """Predict from the row's place."""
    return np.arange(2 * len(inputs), dtype=float).reshape(-1, 2)


def one_short(inputs: Inputs) -> FloatArray:
    """Lose a row of a small batch."""
    return own(inputs)[: max(1, len(inputs) - (len(inputs) < 12))]


def falls(inputs: Inputs) -> FloatArray:
    """Fail on a batch of one."""
    if len(inputs) < 12:
        raise ValueError("batch statistics need more molecules")
    return own(inputs)


@pytest.mark.parametrize("predict", [own, rounded])
def test_predictions_of_a_molecule_alone_pass(predict: Callable[[Inputs], Any]) -> None:
    inputs = Inputs(SMILES)
    assert list(spot_check(predict, inputs, predict(inputs))) == []


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        (normalised, "depend on which molecules are predicted together"),
        (by_place, "depend on which molecules are predicted together"),
        (one_short, "gives shape (4, 2) for 5 test rows alone"),
        (falls, "fails on a few test rows alone: ValueError: batch statistics"),
    ],
)
def test_predictions_of_a_batch_are_marked(predict: Callable[[Inputs], Any], words: str) -> None:
    inputs = Inputs(SMILES)
    (remark,) = spot_check(predict, inputs, predict(inputs))
    assert words in remark


def test_a_single_test_row_is_checked_too() -> None:
    inputs = Inputs(SMILES[:1])
    assert list(spot_check(own, inputs, own(inputs))) == []
