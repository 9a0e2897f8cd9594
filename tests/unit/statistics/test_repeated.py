"""Analysis of variance with repeated measures, and Tukey's test, against plain versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import DataError
from chmr_bench.statistics import repeated_measures, tukey_pairs
from chmr_bench.types import FloatArray


def scores(n: int = 25, k: int = 4) -> FloatArray:
    rng = np.random.default_rng(n + k)
    return rng.normal(0, 0.05, (n, 1)) + 0.01 * np.arange(k) + rng.normal(0, 0.02, (n, k)) + 0.7


def left_over(values: FloatArray, *, models: bool) -> float:
    """Return the squares that least squares on folds (and models) leaves."""
    fold, model = (index.ravel() for index in np.indices(values.shape))
    columns = [fold[:, None] == np.arange(len(values))]
    columns += [model[:, None] == np.arange(1, values.shape[1])] if models else []
    design = np.hstack(columns).astype(float)
    fit = np.linalg.lstsq(design, values.ravel(), rcond=None)[0]
    return float(np.square(values.ravel() - design @ fit).sum())


@pytest.mark.parametrize(("n", "k"), [(25, 4), (25, 2), (6, 3)])
def test_the_analysis_is_that_of_two_nested_models(n: int, k: int) -> None:
    values = scores(n, k)
    without, whole = (left_over(values, models=models) for models in (False, True))
    f = (without - whole) / (k - 1) / (whole / ((k - 1) * (n - 1)))
    got = repeated_measures(values)
    assert got.f == pytest.approx(f)
    assert got.p == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    assert (got.df_models, got.df_error) == (k - 1, (k - 1) * (n - 1))


def test_two_models_are_the_paired_t_test() -> None:
    values = scores(25, 2)
    expected = stats.ttest_rel(values[:, 0], values[:, 1])
    (pair,) = tukey_pairs(values)
    assert repeated_measures(values).p == pytest.approx(expected.pvalue)
    assert pair.p == pytest.approx(expected.pvalue, rel=1e-4)
    low, high = expected.confidence_interval(0.95)
    assert (pair.low, pair.high) == pytest.approx((low, high), rel=1e-4)


def test_without_differences_of_folds_it_is_the_test_of_tukey() -> None:
    # Folds that differ in nothing but noise: with the error of the plain analysis, scipy agrees.
    values = scores(25, 3)
    values -= values.mean(axis=1, keepdims=True)
    got, expected = tukey_pairs(values), stats.tukey_hsd(*values.T)
    ratio = math.sqrt(repeated_measures(values).error / (values.var(axis=0, ddof=1).mean()))
    for pair in got:
        q = abs(pair.mean) / math.sqrt(repeated_measures(values).error / 25)
        assert pair.p == pytest.approx(stats.studentized_range.sf(q, 3, 48), abs=1e-9)
        plain = stats.studentized_range.sf(q * ratio, 3, 72)
        assert expected.pvalue[pair.a, pair.b] == pytest.approx(plain, abs=1e-6)
        assert pair.low < pair.mean < pair.high


def test_scores_without_noise() -> None:
    same, apart = np.full((5, 2), 0.5), np.tile([0.5, 0.6], (5, 1))
    assert repeated_measures(same).p == 1
    assert repeated_measures(apart).p == 0
    assert [pair.p for pair in tukey_pairs(apart)] == [0]


@pytest.mark.parametrize("values", [np.zeros((1, 3)), np.zeros((3, 1)), np.full((3, 3), np.nan)])
def test_scores_that_cannot_be_analysed_are_an_error(values: FloatArray) -> None:
    with pytest.raises(DataError, match="two folds and two models"):
        repeated_measures(values)
