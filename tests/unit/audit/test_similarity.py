"""Similarity to the nearest training row, and its tenths."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.audit import binned, to_training
from chmr_bench.contracts import Split


def rows(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def test_the_nearest_training_row_counts_and_not_validation() -> None:
    bits = np.array(
        [[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]],
        dtype=np.uint8,
    )
    split = Split(rows(0, 1), rows(2), rows(3, 4, 5))
    assert to_training(bits, split, n_jobs=1) == pytest.approx([0.25, 0.75, 0.0])


def test_tenths_hold_their_lower_end() -> None:
    # as the float32 of the neighbours says them: 0.7 is 0.69999999
    values = np.array([i / 10 for i in range(11)], dtype=np.float32).astype(np.float64)
    found = binned(values)
    assert found.counts == (1, 1, 1, 1, 1, 1, 1, 1, 1, 2)
    assert (found.identical, found.n) == (1, 11)
    assert found.median == pytest.approx(0.5)
