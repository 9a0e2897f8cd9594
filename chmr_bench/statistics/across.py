"""Models over several datasets: ranks, and whether they differ by more than chance.

After Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.types import FloatArray

EXACT_UP_TO = 20
"""Datasets up to which all sign patterns of the signed-rank test are gone through (2^20)."""


@dataclass(frozen=True)
class Friedman:
    """Do k models rank alike over n datasets?

    Attributes
    ----------
    chi2 : Friedman's statistic, corrected for ties.
    f : Iman and Davenport's, which is less conservative.
    p : of `f`; NaN where there are fewer than two models or datasets, or all ranks are tied.
    """

    chi2: float
    f: float
    p: float


def dataset_ranks(scores: FloatArray) -> FloatArray:
    """Return (n, k) ranks in each dataset, 1 = highest score, equal scores at their mean rank.

    Parameters
    ----------
    scores : (n, k) of n datasets and k models, finite, greater = better.
    """
    from scipy import stats

    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise DataError(f"scores {scores.shape} must be finite (n, k): datasets, models")
    ranks: FloatArray = stats.rankdata(-scores, axis=1)
    return ranks


def friedman(ranks: FloatArray) -> Friedman:
    """Return Friedman's test of (n, k) ranks, with the F of Iman and Davenport (1980)."""
    from scipy import stats

    n, k = ranks.shape
    spread = float(np.square(ranks - (k + 1) / 2).sum())
    if n < 2 or k < 2 or spread == 0:
        return Friedman(math.nan, math.nan, math.nan)
    sums = ranks.sum(axis=0) - n * (k + 1) / 2
    chi2 = float((k - 1) * np.square(sums).sum() / spread)
    left = n * (k - 1) - chi2
    if left <= 1e-9:
        return Friedman(chi2, math.inf, 0.0)
    f = (n - 1) * chi2 / left
    return Friedman(chi2, f, float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))))


def signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test over datasets.

    The test ranks the differences' sizes, so these must be in one unit: where metrics or labels
    differ between datasets, `Difference.in_errors`. Infinite ones are the largest, and tied.

    Exact up to 20 datasets, ties and all: every sign pattern of the ranks is equally likely where
    nothing differs. Differences of zero are ranked and then left out (Pratt, 1959). Above, the
    normal approximation. NaN where every difference is zero.
    """
    from scipy import stats

    d = np.asarray(differences, dtype=np.float64)
    ranks = stats.rankdata(np.abs(d))[d != 0]
    signs = np.sign(d[d != 0])
    if len(ranks) == 0:
        return math.nan
    seen = abs(float((ranks * signs).sum()))
    if len(ranks) > EXACT_UP_TO:
        z = seen / math.sqrt(float(np.square(ranks).sum()))
        return 2.0 * float(stats.norm.sf(z))
    sums = np.zeros(1)
    for rank in ranks:
        sums = np.concatenate([sums - rank, sums + rank])
    return float((np.abs(sums) >= seen - 1e-9).mean())


def critical_difference(n_models: int, n_datasets: int, level: float = 0.95) -> float:
    """Return how far two average ranks must lie apart (Nemenyi): all pairs of k models at once."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(level, n_models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))


def cliques(average_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of models whose average ranks lie within `difference`.

    Each is a tuple of indices, best rank first; groups of one, and groups inside another, are left
    out.
    """
    order = sorted(range(len(average_ranks)), key=lambda i: (average_ranks[i], i))
    found: list[tuple[int, ...]] = []
    end = 0
    for start, first in enumerate(order):
        reach = [i for i in order[start:] if average_ranks[i] - average_ranks[first] < difference]
        if len(reach) > 1 and start + len(reach) > end:
            found.append(tuple(reach))
            end = start + len(reach)
    return found
