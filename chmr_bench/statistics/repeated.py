"""Several models on the folds of one repeated cross-validation.

The protocol of Ash et al., Practically significant method comparison protocols for machine learning
in small molecule drug discovery (J. Chem. Inf. Model. 2025): 5 x 5 cross-validation, an analysis of
variance with repeated measures over the 25 folds, and Tukey's test of all pairs of models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import LEVEL
from chmr_bench.types import FloatArray


@dataclass(frozen=True)
class RepeatedMeasures:
    """Is the mean over folds the same for all k models?

    Attributes
    ----------
    f, p :
        Of the models against what is left beside folds and models.
    df_models, df_error :
        Degrees of freedom: k - 1 and (k - 1) (n - 1).
    error :
        Mean square that is left, in the metric's unit squared.
    """

    f: float
    p: float
    df_models: int
    df_error: int
    error: float


@dataclass(frozen=True)
class TukeyPair:
    """Model `a` minus model `b` (columns), with the interval and p that hold for all pairs."""

    a: int
    b: int
    mean: float
    low: float
    high: float
    p: float


def repeated_measures(scores: FloatArray) -> RepeatedMeasures:
    """Return the analysis of variance of (n, k) scores: n folds, k models, folds as blocks.

    Raises
    ------
    DataError
        Fewer than two folds or models, or a score that is not finite.
    """
    from scipy import stats

    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or min(scores.shape) < 2 or not np.isfinite(scores).all():
        raise DataError(
            f"scores {scores.shape}: expected finite (n, k), two folds and two models or more"
        )
    n, k = scores.shape
    of_folds = scores.mean(axis=1, keepdims=True)
    of_models = scores.mean(axis=0, keepdims=True)
    left = scores - of_folds - of_models + scores.mean()
    df_error = (k - 1) * (n - 1)
    error = float(np.square(left).sum()) / df_error
    between = n * float(np.square(of_models - scores.mean()).sum()) / (k - 1)
    if error <= 1e-24 * max(1.0, float(np.square(scores).max())):
        p = 1.0 if between <= error else 0.0
        return RepeatedMeasures(math.nan if p else math.inf, p, k - 1, df_error, 0.0)
    f = between / error
    return RepeatedMeasures(f, float(stats.f.sf(f, k - 1, df_error)), k - 1, df_error, error)


def tukey_pairs(scores: FloatArray) -> list[TukeyPair]:
    """Return every pair of models by Tukey's honestly significant difference.

    The error is that of `repeated_measures`: the folds' own difficulty is taken out of it.
    """
    from scipy import stats

    anova = repeated_measures(scores)
    n, k = scores.shape
    spread = math.sqrt(anova.error / n)
    widest = float(stats.studentized_range.ppf(LEVEL, k, anova.df_error)) * spread
    pairs = []
    for a in range(k):
        for b in range(a + 1, k):
            mean = float((scores[:, a] - scores[:, b]).mean())
            if spread == 0:
                p = 1.0 if mean == 0 else 0.0
            else:
                p = float(stats.studentized_range.sf(abs(mean) / spread, k, anova.df_error))
            pairs.append(TukeyPair(a, b, mean, mean - widest, mean + widest, p))
    return pairs
