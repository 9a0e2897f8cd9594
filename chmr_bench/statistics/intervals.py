"""The interval of a score: one rule for every table.

- Effective sample size 2 or less: none. One or two values show no spread.
- From `ENOUGH` on: the percentile interval of the bootstrap replicates.
- Between: few molecules lie in a resample, and percentiles are far too narrow (a ROC-AUC of 0.95 on
  ten molecules a class was in 78 % of them, not in 95 %). So

  - ROC-AUC and average precision get Wilson's interval of a share of so many molecules. The
    variance of a ROC-AUC t is at most t (1 - t) / m, m of the rarer class (Birnbaum and Klose, Ann.
    Math. Statist. 28, 1957), that of a share of m. So it is wide enough, lies from 0 to 1, and a
    perfect score of few molecules is not certain.
  - Errors get a t interval on the logarithmic scale, on which it stays above zero. Their spread is
    taken to be at least that of errors of the Laplace law: three small errors do not show that the
    fourth is small.

``tests/unit/statistics/test_coverage.py`` has the share of intervals that hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.effective import TOO_SMALL, variance_factor
from chmr_bench.types import FloatArray, MetricName

LEVEL = 0.95
"""Share of intervals that shall hold the truth."""
ENOUGH = 30.0
"""Effective sample size from which percentiles of the bootstrap are taken."""
SHARES: frozenset[MetricName] = frozenset({"roc_auc", "average_precision"})
"""Metrics from 0 to 1 that rest on the rarer class."""
LEAST_SPREAD: Mapping[MetricName, float] = MappingProxyType(
    {"mae": 1.0, "rmse": math.sqrt(5) / 2, "r2": math.sqrt(7)}
)
"""Least s.d. of the logarithm of a metric's error, times the root of the sample size.

Of errors of the Laplace law; for r2, of its mean square (5) and of the labels' normal variance (2).
"""
NONE = (math.nan, math.nan)


def interval(
    replicates: FloatArray,
    *,
    score: float,
    metric: MetricName,
    n_effective: float = math.inf,
    n_units: float = math.inf,
) -> tuple[float, float]:
    """Return (low, high) of a score, which lies between them; (NaN, NaN) where there is none.

    Parameters
    ----------
    replicates : (r,)
        The score on resamples of the test molecules; those that are not finite are left out.
    score : float
        On all test molecules.
    metric : MetricName
        What the score is.
    n_effective : float
        Effective sample size (`effective_sample_size`), infinite = many.
    n_units : float
        Molecules that were resampled, infinite = many.

    Examples
    --------
    >>> low, high = interval(np.ones(1000), score=1.0, metric="roc_auc", n_effective=3)
    >>> round(low, 2), high
    (0.44, 1.0)
    """
    finite = np.asarray(replicates, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if len(finite) == 0 or not math.isfinite(score) or n_effective <= TOO_SMALL:
        return NONE
    if not varies(finite):
        return _without_spread(score, metric, n_effective)
    if n_effective >= ENOUGH:
        low, high = _percentiles(finite)
    elif metric in SHARES:
        low, high = _wilson(score, n_effective)
    else:
        low, high = _of_error(finite, score, metric, n_units, n_effective)
    return min(low, score), max(high, score)


def varies(values: FloatArray) -> bool:
    """Return whether values differ by more than rounding."""
    return bool(np.ptp(values) > 1e-12 * float(np.abs(values).max()))


def _without_spread(score: float, metric: MetricName, n_effective: float) -> tuple[float, float]:
    """Return the interval of a score that is the same in every resample.

    Nobody knows how far an error that never varied would be from another. A perfect order is a
    share. Between 0 and 1 all predictions are equal, and no molecule could change the score.
    """
    if metric not in SHARES:
        return NONE
    if 0.0 < score < 1.0:
        return score, score
    low, high = _wilson(score, n_effective)
    return min(low, score), max(high, score)


def _percentiles(finite: FloatArray) -> tuple[float, float]:
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(finite, [tail, 100.0 - tail])
    return float(low), float(high)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Return the interval of a share of n (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    from scipy import special

    if math.isinf(n):
        return share, share
    z = float(special.ndtri((1 + LEVEL) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def _of_error(
    finite: FloatArray, score: float, metric: MetricName, n_units: float, n_effective: float
) -> tuple[float, float]:
    """Return the t interval of the logarithm of an error: of 1 - r2, or of the metric itself."""
    from scipy import special

    error, errors = (1.0 - score, 1.0 - finite) if metric == "r2" else (score, finite)
    logs = np.log(errors[errors > 0])
    if error <= 0 or len(logs) < 2:
        return NONE
    spread = float(logs.std(ddof=1)) * math.sqrt(variance_factor(n_units, n_effective))
    spread = max(spread, LEAST_SPREAD[metric] / math.sqrt(n_effective))
    half = float(special.stdtrit(n_effective - 1, (1 + LEVEL) / 2)) * spread
    factor = math.exp(min(half, 300.0))  # beyond, nothing is known
    low, high = error / factor, error * factor
    return (1.0 - high, 1.0 - low) if metric == "r2" else (low, high)


def mean_over_seeds(replicates: Sequence[FloatArray]) -> FloatArray:
    """Return the (n_replicates,) mean of runs that share their resamples: the mean over seeds."""
    if len({len(r) for r in replicates}) != 1:
        raise DataError(
            "runs can be averaged only where they hold the same number of replicates, not "
            f"{sorted(len(r) for r in replicates)}"
        )
    mean: FloatArray = np.asarray(replicates, dtype=np.float64).mean(axis=0)
    return mean
