"""How often the interval of a score holds the true score, at small effective sample sizes.

95 % are wanted at least; the `slow` tests measure to half a percent, the others to a few. What is
no interval is not counted, so a trial without one neither helps nor harms.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chmr_bench.statistics import bootstrap
from chmr_bench.types import MetricName

REPLICATES = 200
SEPARATIONS = (0.5, 0.7, 0.9, 0.97)
"""True ROC-AUC."""
ERRORS = {
    "normal": (stats.norm, 1.0),
    "Laplace": (stats.laplace, 1.0),
    "t of 5": (stats.t(5), 1.0),
}


def least(n_trials: int) -> float:
    """Return the rate that a true 95 % falls short of in one of 1000 measurements."""
    return float(stats.binom.ppf(0.001, n_trials, 0.95)) / n_trials


def of_classes(
    n_positive: int, n_negative: int, truth: float, n_trials: int, n_tasks: int = 1
) -> float:
    """Return the share of ROC-AUC intervals that hold the truth: two normal laws."""
    rng = np.random.default_rng([n_positive, n_negative, int(100 * truth)])
    y = np.repeat([1.0, 0.0], [n_positive, n_negative])[:, None].repeat(n_tasks, axis=1)
    shift = np.sqrt(2) * stats.norm.ppf(truth)
    held = []
    for _ in range(n_trials):
        y_pred = rng.normal(size=y.shape) + shift * y
        got = bootstrap("roc_auc", y, y_pred, n_replicates=REPLICATES)
        low, high = got.macro_interval
        if not np.isnan(low):
            held.append(low <= truth <= high)
    return float(np.mean(held)) if held else np.nan


def of_errors(metric: MetricName, law: str, n: int, n_trials: int) -> float:
    """Return the share of intervals of an error that hold the truth."""
    rng = np.random.default_rng([n, len(law), len(metric)])
    errors = ERRORS[law][0]
    spread = errors.std()
    truth = {"mae": errors.expect(abs), "rmse": spread, "r2": 0.75}[metric]
    held = []
    for _ in range(n_trials):
        y = 2 * spread * rng.normal(size=(n, 1))
        y_pred = y + errors.rvs(size=(n, 1), random_state=rng)
        got = bootstrap(metric, y, y_pred, n_replicates=REPLICATES)
        if not np.isnan(got.low[0]):
            held.append(got.low[0] <= truth <= got.high[0])
    return float(np.mean(held)) if held else np.nan


@pytest.mark.parametrize("sizes", [(3, 3), (4, 100), (6, 6), (10, 10), (10, 60)])
@pytest.mark.parametrize("truth", [0.7, 0.97])
def test_a_small_roc_auc_is_covered(sizes: tuple[int, int], truth: float) -> None:
    assert of_classes(*sizes, truth, 200) >= least(200)


def test_two_molecules_of_a_class_have_no_interval() -> None:
    assert np.isnan(of_classes(2, 3, 0.9, 20))
    assert np.isnan(of_errors("mae", "normal", 2, 20))


def test_a_mean_of_three_small_tasks_is_covered() -> None:
    assert of_classes(3, 20, 0.85, 200, n_tasks=3) >= least(200)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("law", ERRORS)
def test_a_small_mae_is_covered(law: str, n: int) -> None:
    assert of_errors("mae", law, n, 300) >= least(300)


def test_percentiles_alone_would_not_cover() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([1.0, 0.0], 6)[:, None]
    held = []
    for _ in range(200):
        scores = bootstrap("roc_auc", y, rng.normal(size=y.shape) + 2.3 * y, n_replicates=200).macro
        low, high = np.nanpercentile(scores, [2.5, 97.5])
        held.append(low <= stats.norm.cdf(2.3 / np.sqrt(2)) <= high)
    assert np.mean(held) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4, 5, 6, 8, 10, 15, 25])
@pytest.mark.parametrize("ratio", [1, 4, 20])
def test_roc_auc_at_every_size(n: int, ratio: int) -> None:
    rates = {truth: of_classes(n, ratio * n, truth, 2000) for truth in SEPARATIONS}
    print(n, ratio * n, rates)  # noqa: T201 - the figures, with pytest -s
    assert min(rates.values()) >= least(2000)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
@pytest.mark.parametrize("n", [3, 4, 5, 6, 8, 10, 15, 25])
def test_errors_at_every_size(metric: MetricName, n: int) -> None:
    laws = ERRORS if metric == "mae" else ("normal",)
    rates = {law: of_errors(metric, law, n, 2000) for law in laws}
    print(metric, n, rates)  # noqa: T201 - the figures, with pytest -s
    assert min(rates.values()) >= least(2000)
