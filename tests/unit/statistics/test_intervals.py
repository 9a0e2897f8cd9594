"""The interval of a score: none, or one that can be."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.errors import DataError
from chmr_bench.metrics import METRICS
from chmr_bench.statistics import (
    ENOUGH,
    Runs,
    bootstrap,
    interval,
    mean_over_seeds,
    score_interval,
)
from chmr_bench.types import MetricName

NAN = float("nan")
ALL = list(METRICS)


def some(metric: MetricName, n_effective: float, score: float = 0.6) -> tuple[float, float]:
    replicates = np.random.default_rng(0).normal(score, 0.05, 1000)
    return interval(replicates, score=score, metric=metric, n_effective=n_effective)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("n_effective", [0.0, 1.0, 2.0])
def test_one_or_two_molecules_give_none(metric: MetricName, n_effective: float) -> None:
    assert np.isnan(some(metric, n_effective)).all()
    assert np.isfinite(some(metric, 2.5)).all()


@pytest.mark.parametrize("metric", ALL)
def test_many_molecules_give_percentiles_and_few_a_wider_interval(metric: MetricName) -> None:
    replicates = np.random.default_rng(0).normal(0.6, 0.05, 1000)
    expected = np.percentile(replicates, [2.5, 97.5])
    assert some(metric, ENOUGH) == pytest.approx(expected, abs=0)
    widths = [high - low for low, high in (some(metric, n) for n in (3, 6, 12, 29))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > expected[1] - expected[0]


@pytest.mark.parametrize("n", [3, 5, 12, 40, 300])
def test_a_perfect_order_is_not_certain(n: int) -> None:
    low, high = interval(np.ones(500), score=1.0, metric="roc_auc", n_effective=n)
    assert high == 1.0
    assert low == pytest.approx(n / (n + 1.959964**2))  # Wilson's, in closed form at the end


def test_a_model_that_says_the_same_of_all_is_certainly_no_better_than_chance() -> None:
    got = interval(np.full(500, 0.5), score=0.5, metric="roc_auc", n_effective=40)
    assert got == (0.5, 0.5)


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
@pytest.mark.parametrize("score", [0.0, 0.3])
def test_an_error_that_never_varies_has_none(metric: MetricName, score: float) -> None:
    got = interval(np.full(500, score), score=score, metric=metric, n_effective=100)
    assert np.isnan(got).all()


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("score", [0.01, 0.5, 0.99])
def test_ends_lie_where_the_metric_can_and_around_the_score(
    metric: MetricName, score: float
) -> None:
    for n in (3, 7, 29):
        low, high = some(metric, n, score)
        assert low < score < high
        assert low >= 0 or metric == "r2"
        assert high <= 1 or metric in ("mae", "rmse")


def test_a_score_lies_inside_its_own_interval_at_any_offset() -> None:
    rng = np.random.default_rng(1)
    y = 1e15 + rng.integers(0, 40, (60, 1)).astype(np.float64)
    for metric in ("mae", "rmse"):
        y_pred = np.full_like(y, 1e15)
        got = bootstrap(metric, y, y_pred, n_replicates=200)
        score = METRICS[metric].compute(y, y_pred)
        assert got.low[0] < score < got.high[0]
        assert got.high[0] < 40


def test_nothing_gives_none() -> None:
    assert np.isnan(interval(np.full(5, NAN), score=0.5, metric="mae")).all()
    assert np.isnan(interval(np.ones(5), score=NAN, metric="mae")).all()


def test_the_score_of_runs_is_their_mean_over_seeds() -> None:
    replicates = np.random.default_rng(3).normal(0.7, 0.02, (3, 400))
    runs = Runs(np.array([0.6, 0.7, 0.8]), replicates, (0, 1, 2), "roc_auc", 200, 60.0)
    expected = np.percentile(mean_over_seeds([*replicates]), [2.5, 97.5])
    assert score_interval(runs) == pytest.approx(expected)


def test_seeds_average_replicate_by_replicate() -> None:
    mean = mean_over_seeds([np.array([1.0, 2.0, NAN]), np.array([3.0, 2.0, NAN])])
    np.testing.assert_array_equal(mean, [2.0, 2.0, NAN])


def test_replicates_that_do_not_fit_are_named() -> None:
    with pytest.raises(DataError, match=r"\[3, 4\]"):
        mean_over_seeds([np.zeros(3), np.zeros(4)])
