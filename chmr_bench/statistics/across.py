"""Models over several datasets: ranks, tests, and p-values of several tests at once.

After Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006); the
tests are those of scipy, statsmodels and scikit-posthocs.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import LEVEL
from chmr_bench.types import FloatArray

EXACT_UP_TO = 20
"""Datasets up to which the signed-rank test takes no normal approximation."""


@dataclass(frozen=True)
class Friedman:
    """Do k models rank alike over n datasets?

    Attributes
    ----------
    chi2 : float
        Friedman's statistic, corrected for ties.
    p : float
        By permutations; NaN for fewer than two models or datasets, or where all ranks are tied.
    """

    chi2: float
    p: float


def dataset_ranks(scores: FloatArray) -> FloatArray:
    """Return (n, k) ranks in each dataset, 1 = highest score, equal scores at their mean rank.

    Parameters
    ----------
    scores : (n, k)
        Of n datasets and k models, finite, greater = better.
    """
    from scipy import stats

    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise DataError(f"scores {scores.shape} must be finite (n, k): datasets, models")
    ranks: FloatArray = stats.rankdata(-scores, axis=1)
    return ranks


def friedman(scores: FloatArray) -> Friedman:
    """Return Friedman's test of (n, k) scores or ranks.

    Its p is by what a dataset's ranks would be in another order: all ways of n datasets together up
    to 9,999 of them, and as many random ones above. No approximation holds for few datasets.

    Examples
    --------
    >>> round(friedman(np.array([[1, 2, 3], [1, 2, 3]])).p, 3)  # one order of six, twice
    0.167
    """
    from scipy import stats

    n, k = scores.shape
    if n < 2 or k < 2 or (scores == scores[:, :1]).all():
        return Friedman(math.nan, math.nan)
    if k == 2:  # scipy wants three: of two it is the sign test's
        signs = np.sign(scores[:, 0] - scores[:, 1])
        chi2 = float(signs.sum() ** 2 / np.abs(signs).sum())
    else:
        chi2 = float(stats.friedmanchisquare(*scores.T).statistic)

    def of_rank_sums(*ranks: FloatArray, axis: int) -> FloatArray:
        return np.asarray(np.square([r.sum(axis=axis) for r in ranks]).sum(axis=0))

    test = stats.permutation_test(
        stats.rankdata(scores, axis=1).T,
        of_rank_sums,
        permutation_type="samples",
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return Friedman(chi2, float(test.pvalue))


def signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test over datasets.

    The test ranks the differences' sizes, so these must be in one unit: where metrics or labels
    differ between datasets, `Difference.in_errors`. Differences of zero are ranked and then left
    out (Pratt, 1959). Up to `EXACT_UP_TO` datasets it is exact; where differences are tied or zero,
    by all patterns of signs up to 13 of them, and by 9,999 random patterns above. NaN where every
    difference is zero.

    Examples
    --------
    >>> signed_rank_p([0.1, 0.2, 0.3, 0.4])
    0.125
    """
    from scipy import stats

    d = np.asarray(differences, dtype=np.float64)
    if not d.any():
        return math.nan
    tied = len(np.unique(np.abs(d))) < len(d) or not d.all()
    method: Any = "exact"
    if len(d) > EXACT_UP_TO:
        method = "asymptotic"
    elif tied:
        method = stats.PermutationMethod(rng=np.random.default_rng(0))
    return float(stats.wilcoxon(d, zero_method="pratt", method=method).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for being several (Holm, Scand. J. Statist. 1979).

    The chance that any true null is rejected at level a by an adjusted p <= a is at most a, however
    the tests depend on each other. NaN (no test was made) stays NaN and is not counted.

    Examples
    --------
    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    adjusted = np.asarray(p, dtype=np.float64)
    tested = ~np.isnan(adjusted)
    if tested.sum() > 1:  # one is as it was
        from statsmodels.stats.multitest import multipletests

        with _nothing_to_collect():
            adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    return [float(value) for value in adjusted]


@contextlib.contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Keep what is loaded from a collection of garbage, which statsmodels asks for at each call.

    Whether anything was frozen before is not asked: that counts all of it, for as long.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def smallest_p(n_datasets: int) -> float:
    """Return the least two-sided p that a signed-rank test of n datasets can give: all one way."""
    return min(1.0, 2.0 ** (1 - n_datasets))


def datasets_needed(n_tests: int) -> int:
    """Return how many datasets the signed-rank test needs to reject any of n Holm tests."""
    return max(1, math.ceil(1 + math.log2(max(1, n_tests) / (1 - LEVEL))))


def critical_difference(n_models: int, n_datasets: int) -> float:
    """Return how far two average ranks must lie apart (Nemenyi): all pairs of k models at once."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(LEVEL, n_models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))


def cliques(average_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of models whose average ranks lie within `difference`.

    Each is a tuple of indices, best rank first; groups of one, and groups inside another, are left
    out.
    """
    order = sorted(range(len(average_ranks)), key=lambda i: (average_ranks[i], i))
    groups: list[tuple[int, ...]] = []
    end = 0
    for start, first in enumerate(order):
        reach = [i for i in order[start:] if average_ranks[i] - average_ranks[first] < difference]
        if len(reach) > 1 and start + len(reach) > end:
            groups.append(tuple(reach))
            end = start + len(reach)
    return groups
