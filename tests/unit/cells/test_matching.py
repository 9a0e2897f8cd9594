"""How alike a predicted and a measured profile are."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import MatrixBlock
from chmr_bench.cells.matching import ColumnScale, measured_values, profile_similarity
from chmr_bench.features.profiles import CLIP

FULL = MatrixBlock(np.array([[1.0, 5.0], [3.0, 5.0]]), np.ones(2, dtype=bool))


def test_the_scale_is_that_of_what_was_measured() -> None:
    values = np.array([[1.0, 7.0], [3.0, np.nan], [9.0, 9.0]])
    observed = np.array([[True, True], [True, False], [False, False]])
    scale = ColumnScale.of(MatrixBlock(values, observed))
    assert scale.mean.tolist() == [2.0, 7.0]
    assert scale.sd.tolist() == [1.0, 1.0]  # the second column has one number
    assert scale(np.array([[3.0, 1e6]])).tolist() == [[1.0, CLIP]]
    assert measured_values(MatrixBlock(values, observed)).tolist() == [[1, 7], [3, 0], [0, 0]]


def test_similarity_is_the_cosine_around_the_mean() -> None:
    scale = ColumnScale(np.array([2.0, 5.0]), np.array([1.0, 2.0]))
    found = profile_similarity(np.array([[3.0, 7.0], [2.0, 7.0]]), FULL, scale)
    assert found == pytest.approx(np.array([[-(0.5**0.5), 0.5**0.5], [0.0, 0.0]]))


def test_what_was_not_measured_is_not_compared() -> None:
    values = np.array([[3.0, np.nan], [np.nan, np.nan]])
    part = MatrixBlock(values, np.isfinite(values))
    scale = ColumnScale(np.array([2.0, 5.0]), np.ones(2))
    found = profile_similarity(np.array([[2.5, -100.0], [1.0, 100.0]]), part, scale)
    assert found == pytest.approx(np.array([[1.0, 0.0], [-1.0, 0.0]]))
