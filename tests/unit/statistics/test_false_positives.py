"""How often a difference is found where there is none, and where there is one.

Two models of the same expected score predict simulated test molecules, a few seeds each. Two seeds
differ by molecule (`inter`) and as a whole (`tau`). Rates of 5 % are wanted at a level of 95 %; the
`slow` tests measure them to half a percent, the others to a few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from chmr_bench.statistics import (
    Runs,
    corrected_resampled,
    effective_sample_size,
    molecule_counts,
    multiplicities,
    paired_difference,
    repeated_measures,
)
from chmr_bench.statistics.scorers import Drawn, prepared
from chmr_bench.types import FloatArray, IntArray, MetricName

LEVEL = 0.05
REPLICATES = 300


@dataclass(frozen=True)
class Case:
    """A simulated comparison.

    Attributes
    ----------
    tau, inter : seed noise of a model as a whole, and of single molecules.
    copies : rows a molecule has in the test set.
    gain : planted, in units of the models' separation (ROC-AUC) or error (MAE).
    fixed : the first model draws nothing.
    n_effective : molecules of the rarer class, or with a label; None = three in ten, or all.
    """

    metric: MetricName
    n: int
    n_seeds: int
    tau: float = 0.0
    inter: float = 0.0
    copies: int = 1
    gain: float = 0.0
    fixed: bool = False
    n_effective: int | None = None

    @property
    def clusters(self) -> IntArray:
        return np.repeat(np.arange(self.n // self.copies), self.copies)


@dataclass(frozen=True)
class Rates:
    """Of many trials: shares that reject zero, and what the mean difference did."""

    found: float
    by_bootstrap_alone: float
    mean: float
    sd: float
    quantile: float


def labels(case: Case, rng: np.random.Generator) -> FloatArray:
    n = case.n // case.copies
    if case.n_effective is not None:
        told = rng.permutation(n) < case.n_effective
        if case.metric == "mae":
            return np.where(told, rng.normal(size=n), np.nan)
        return told.astype(np.float64)
    if case.metric == "mae":
        return rng.normal(size=n)
    y = (rng.random(n) < 0.3).astype(np.float64)
    y[:2] = 0, 1
    return y


def predicted(case: Case, first: bool, rng: np.random.Generator, *noise: FloatArray) -> FloatArray:
    """Return one run's (n,) predictions from labels, shared and own errors of the molecules."""
    y, shared, own = noise
    drawn = case.inter * rng.normal(size=len(y))
    q = case.tau * rng.normal()
    gain = case.gain if first else 0.0
    if case.metric == "mae":
        return np.nan_to_num(y) + (1 - gain) * math.exp(q - case.tau**2 / 2) * (
            shared + own + drawn
        )
    return (1.2 + gain + q) * y + shared + own + drawn


def runs(
    case: Case, w: Drawn, rng: np.random.Generator, *, counted: bool = True
) -> tuple[Runs, Runs]:
    y = labels(case, rng)
    shared, once = 0.7 * rng.normal(size=len(y)), np.ones((case.n, 1), dtype=np.int32)
    made = []
    for first in (True, False):
        fixed = first and case.fixed
        own = math.hypot(0.6, case.inter if fixed else 0.0) * rng.normal(size=len(y))
        quiet = replace(case, tau=0.0, inter=0.0) if fixed else case
        scores, replicates = [], []
        for _ in range(1 if fixed else case.n_seeds):
            y_pred = predicted(quiet, first, rng, y, shared, own)
            score = prepared(case.metric, y[case.clusters], y_pred[case.clusters])
            scores.append(score(once)[0])
            replicates.append(score(w))
        seeds = (None,) if fixed else tuple(range(case.n_seeds))
        counts = molecule_counts(
            y[case.clusters, None], case.clusters, by_class=case.metric != "mae"
        )
        units = len(np.unique(case.clusters)), effective_sample_size(counts) if counted else None
        made.append(Runs(np.array(scores), np.array(replicates), seeds, case.metric, *units))
    return made[0], made[1]


def rates(
    case: Case, n_trials: int, *, clustered: bool = True, counted: bool = True, seed: int = 0
) -> Rates:
    """Compare two equal models many times.

    Parameters
    ----------
    clustered : copies of a molecule are drawn together.
    counted : the effective sample size gives the degrees of freedom; else all molecules do.
    """
    rng = np.random.default_rng(seed)
    (w,) = multiplicities(case.n, REPLICATES, 0, case.clusters if clustered else None)
    found, alone, means, quantiles = [], [], [], []
    for _ in range(n_trials):
        a, b = runs(case, w, rng, counted=counted)
        got = paired_difference(a, b)
        found.append(got.p < LEVEL)
        assert found[-1] == (got.low > 0 or got.high < 0)
        between = a.replicates.mean(axis=0) - b.replicates.mean(axis=0)
        low, high = np.nanpercentile(between, [2.5, 97.5])
        alone.append(low > 0 or high < 0)
        means.append(got.mean)
        quantiles.append((got.high - got.mean) / got.se if got.se else math.nan)
    return Rates(
        float(np.mean(found)),
        float(np.mean(alone)),
        float(np.mean(means)),
        float(np.std(means)),
        float(np.median(quantiles)),
    )


def most(n_trials: int) -> float:
    """Return the rate that a true 5 % exceeds in one of 1000 measurements."""
    return float(stats.binom.ppf(0.999, n_trials, LEVEL)) / n_trials


QUICK = [
    Case("roc_auc", 150, 1),
    Case("mae", 150, 5, tau=0.05, inter=0.5),
    Case("roc_auc", 300, 2, tau=0.15),
    Case("roc_auc", 200, 1, n_effective=3),
    Case("mae", 200, 1, n_effective=3),
    Case("mae", 6, 1),
]
MORE = [
    Case("roc_auc", 300, 3, tau=0.3, inter=0.3),
    Case("mae", 300, 2, tau=0.15, inter=0.5),
    Case("mae", 300, 3, tau=0.1, inter=0.5, fixed=True),
    Case("roc_auc", 400, 2, tau=0.15, copies=4),
    *(Case("roc_auc", 200, 1, n_effective=m) for m in (1, 2, 5, 12)),
    *(Case("mae", 200, 1, n_effective=m) for m in (1, 2, 5)),
    Case("roc_auc", 20, 1, n_effective=1),
    Case("roc_auc", 200, 3, tau=0.15, copies=4, n_effective=4),
]
NOISES = {
    "roc_auc": [(0.0, 0.0), (0.0, 0.5), (0.15, 0.0), (0.15, 0.5), (0.3, 0.3), (0.5, 0.5)],
    "mae": [(0.0, 0.0), (0.0, 0.5), (0.05, 0.0), (0.05, 0.5), (0.1, 0.3), (0.15, 0.5)],
}
METRICS: tuple[MetricName, ...] = ("roc_auc", "mae")


def told(case: Case, got: Rates) -> str:
    return f"{case}: {got.found:.3f} (bootstrap alone {got.by_bootstrap_alone:.3f})"


@pytest.mark.parametrize(
    "case", [*QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)], ids=str
)
def test_a_true_null_is_rejected_no_more_often_than_stated(case: Case) -> None:
    got = rates(case, 250)
    assert got.found <= most(250), told(case, got)


@pytest.mark.slow
def test_where_seeds_add_nothing_the_level_is_used_up() -> None:
    for metric in METRICS:
        got = rates(Case(metric, 200, 2), 400)
        assert 0.02 <= got.found <= most(400)


@pytest.mark.slow
def test_the_bootstrap_alone_does_not_see_the_seeds() -> None:
    case = Case("roc_auc", 300, 3, tau=0.3)
    got = rates(case, 200)
    assert got.by_bootstrap_alone > 0.2, told(case, got)


@pytest.mark.parametrize(
    "case", [c for c in QUICK if c.n_effective == 3 and c.metric == "mae"], ids=str
)
def test_without_the_effective_sample_size_it_is_too_sure(case: Case) -> None:
    got = rates(case, 250, counted=False)
    assert got.found > most(250), told(case, got)


@pytest.mark.slow
def test_copies_drawn_one_by_one_are_taken_for_molecules() -> None:
    case = Case("mae", 400, 1, copies=4)
    assert rates(case, 250).found <= most(250)
    assert rates(case, 250, clustered=False).found > 0.2


@pytest.mark.parametrize(
    "case",
    [
        Case("roc_auc", 300, 1, gain=0.25),
        pytest.param(Case("mae", 300, 2, gain=0.12), marks=pytest.mark.slow),
        pytest.param(Case("mae", 300, 5, tau=0.05, gain=0.12), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_planted_gain_is_found_as_often_as_its_standard_error_says(case: Case) -> None:
    got = rates(case, 400)
    shift = abs(got.mean) / got.sd
    power = float(stats.norm.sf(got.quantile - shift) + stats.norm.sf(got.quantile + shift))
    assert 0.3 < power < 0.95
    assert got.found == pytest.approx(power, abs=0.08), told(case, got)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "n_seeds"), [(150, 2), (150, 3), (150, 5), (600, 2), (600, 5)])
def test_the_level_holds_at_every_seed_noise(metric: MetricName, n: int, n_seeds: int) -> None:
    wrong = []
    for tau, inter in NOISES[metric]:
        for copies in (1, 3):
            case = Case(metric, n, n_seeds, tau=tau, inter=inter, copies=copies)
            got = rates(case, 2000)
            print(told(case, got))  # noqa: T201 - the figures, with pytest -s
            if got.found > most(2000):
                wrong.append(told(case, got))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        *(Case("roc_auc", 200, 1, n_effective=m) for m in (1, 2, 3, 5, 8)),
        *(Case("mae", 200, 1, n_effective=m) for m in (2, 3, 5)),
        Case("mae", 20, 1, n_effective=2),
    ],
    ids=str,
)
def test_the_level_holds_at_small_effective_sample_sizes(case: Case) -> None:
    got, without = rates(case, 3000), rates(case, 3000, counted=False)
    print(told(case, got), told(case, without))  # noqa: T201 - the figures, with pytest -s
    assert got.found <= most(3000)
    assert without.found > got.found


# ------------------------------------------------------------------------------- splits and folds


def errors_on_splits(
    rng: np.random.Generator, tests: list[IntArray], n: int, n_models: int
) -> FloatArray:
    """Return (j, k) mean absolute errors of k least-squares models, each of features of its own.

    The models see exchangeable features, so none is better than another.
    """
    x = rng.normal(size=(n_models, n, 3))
    y = x.sum(axis=(0, 2)) + rng.normal(size=n)
    scores = np.empty((len(tests), n_models))
    for j, test in enumerate(tests):
        train = np.setdiff1d(np.arange(n), test)
        for m in range(n_models):
            fit = np.linalg.lstsq(x[m, train], y[train], rcond=None)[0]
            scores[j, m] = np.abs(y[test] - x[m, test] @ fit).mean()
    return scores


def random_tests(rng: np.random.Generator, n: int, n_splits: int) -> list[IntArray]:
    return [rng.permutation(n)[: n // 10] for _ in range(n_splits)]


def folds(rng: np.random.Generator, n: int) -> list[IntArray]:
    return [part for _ in range(5) for part in np.array_split(rng.permutation(n), 5)]


def test_overlapping_splits_are_corrected_for() -> None:
    rng = np.random.default_rng(3)
    naive, corrected = [], []
    for _ in range(300):
        scores = errors_on_splits(rng, random_tests(rng, 150, 10), 150, 2)
        d = scores[:, 0] - scores[:, 1]
        naive.append(stats.ttest_1samp(d, 0).pvalue < LEVEL)
        corrected.append(corrected_resampled(d, 135, 15).p < LEVEL)
    assert np.mean(corrected) <= most(300)
    assert np.mean(naive) > most(300)


def test_folds_taken_for_independent_are_too_sure_as_the_tables_say() -> None:
    rng = np.random.default_rng(4)
    anova, corrected = [], []
    for _ in range(200):
        scores = errors_on_splits(rng, folds(rng, 150), 150, 3)
        anova.append(repeated_measures(scores).p < LEVEL)
        corrected.append(corrected_resampled(scores[:, 0] - scores[:, 1], 120, 30).p < LEVEL)
    assert np.mean(corrected) <= most(200)
    assert np.mean(anova) > 0.4
