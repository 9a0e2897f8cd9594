"""Columns are clipped and standardised as the training rows say; what is missing is 0."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from chmr_bench import Inputs, MatrixBlock
from chmr_bench.features.properties import ClippedScale, CountedColumns
from chmr_bench.types import FloatArray


def block_of(values: FloatArray) -> MatrixBlock:
    return MatrixBlock(values, np.isfinite(values))


def test_training_rows_have_mean_0_and_spread_1() -> None:
    train = block_of(np.random.default_rng(0).normal(5.0, 3.0, (500, 2)))
    scaled = ClippedScale.of(train).apply(train)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)


def test_an_outlier_counts_as_the_last_percentile() -> None:
    column = np.arange(101.0)[:, None]
    scale = ClippedScale.of(block_of(column))
    assert (scale.low[0], scale.high[0]) == (1.0, 99.0)
    found = scale.apply(block_of(np.array([[99.0], [1e30], [1.0], [-1e30]])))
    assert found[0] == found[1]
    assert found[2] == found[3]


@pytest.mark.parametrize("train", [[[np.nan], [np.nan]], [[0.1]] * 24])
def test_an_empty_or_constant_column_says_nothing(train: list[list[float]]) -> None:
    scale = ClippedScale.of(block_of(np.array(train)))
    found = scale.apply(block_of(np.array([[1e6], [np.nan]])))
    np.testing.assert_allclose(found, [[0.0], [0.0]], atol=1e-12)


def test_a_row_without_a_value_is_the_mean() -> None:
    scale = ClippedScale.of(block_of(np.array([[1.0, 0.0], [3.0, 1.0]])))
    found = scale.apply(MatrixBlock(np.full((1, 2), 9.0), np.array([False])))
    np.testing.assert_array_equal(found, [[0.0, 0.0]])


@pytest.mark.parametrize("descriptors", [False, True])
def test_log_counts_come_first_and_then_descriptors(descriptors: bool) -> None:
    counts = MatrixBlock(sparse.csr_array(np.array([[0, 1], [3, 0]])), np.ones(2, dtype=np.bool_))
    inputs = Inputs(
        ("C", "CC"), {"morgan": counts, "descriptors": block_of(np.array([[1.0], [3.0]]))}
    )
    found = CountedColumns.of(inputs, ["morgan"], descriptors).read(inputs)
    expected = np.array([[0, np.log(2), -1], [np.log(4), 0, 1]])
    np.testing.assert_allclose(found.toarray(), expected[:, : 2 + descriptors], atol=0.03)
    assert found.dtype == np.float32
