"""Effective sample size: on how many test molecules a score rests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chmr_bench.types import FloatArray, IntArray

TOO_SMALL = 2.0
"""Effective sample size up to which there is no interval: one or two values show no spread."""
FEW = 5
"""Effective sample size below which the number drawn into a resample matters to the variance."""


def molecule_counts(y: FloatArray, clusters: IntArray, *, by_class: bool) -> list[int]:
    """Return, of every task, the molecules its score rests on.

    Parameters
    ----------
    y : (n, t)
        Labels, NaN = not measured.
    clusters : (n,)
        Rows of one number are one molecule.
    by_class : bool
        Count those of the rarer class; else those with a label.

    Examples
    --------
    >>> molecule_counts(np.array([[1.0], [0.0], [0.0]]), np.array([0, 1, 1]), by_class=True)
    [1]
    """
    known = ~np.isnan(y)
    parts = [known & (y == c) for c in (0, 1)] if by_class else [known]
    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(clusters[order], return_index=True)
    molecules = [np.logical_or.reduceat(part[order], starts, axis=0) for part in parts]
    counts: list[int] = np.min([one.sum(axis=0) for one in molecules], axis=0).tolist()
    return counts


def effective_sample_size(counts: Sequence[float]) -> float:
    """Return on how many test molecules a mean over tasks rests, 0 where there is no task.

    A ROC-AUC of three positives among two hundred molecules is known no better than a mean of three
    values. Several tasks are taken for independent estimates of one weight and of one variance a
    molecule: T^2 / sum(1 / m) is the m of a single task whose variance is that of their mean. It is
    taken to be no more than that of the best known of them: tasks share molecules.

    It serves as degrees of freedom too. There it is an approximation, and a generous one where
    tasks are uneven: Satterthwaite's, (sum 1 / m)^2 / sum(1 / (m^2 (m - 1))), are fewer then.

    Parameters
    ----------
    counts : sequence of float
        Molecules of every task that can be scored, as `molecule_counts` gives them; or of datasets.

    Examples
    --------
    >>> effective_sample_size([10, 10])
    10.0
    """
    if not counts or min(counts) < 1:
        return 0.0
    together = len(counts) ** 2 / float(np.sum(1.0 / np.asarray(counts, dtype=np.float64)))
    return min(together, float(max(counts)))


def variance_factor(n_drawn: float, n_effective: float) -> float:
    """Return what the variance over resamples is to be multiplied by.

    The variance of a mean over n resampled units is (n - 1) / n of what it should be. Where m of
    them carry the score, a resample has K of these, of the binomial law without 0, and the factor
    is (m - 1) E[1 / K]: below (n - 1) / n for two, three or four, about 1 for more.

    Parameters
    ----------
    n_drawn : float
        n, infinite = many.
    n_effective : float
        m, at most n.
    """
    if n_drawn <= 1 or n_effective <= 1:
        return 1.0
    of_drawing = n_drawn / (n_drawn - 1) if math.isfinite(n_drawn) else 1.0
    if n_effective >= FEW:
        return of_drawing
    from scipy import special  # scipy.stats has both laws, and takes a second to import

    k = np.arange(1.0, int(min(n_drawn, 60)) + 1)  # more than 60 of four are not drawn
    if math.isfinite(n_drawn):  # the binomial law but for a factor, else Poisson's
        chance, others = n_effective / n_drawn, n_drawn - k
        log_law = special.xlogy(k, chance) + special.xlog1py(others, -chance)
        log_law -= special.gammaln(k + 1) + special.gammaln(others + 1)
    else:
        log_law = special.xlogy(k, n_effective) - special.gammaln(k + 1)
    law = np.exp(log_law - log_law.max())
    inverse = float((law / k).sum() / law.sum())
    return max(of_drawing, 1 / ((n_effective - 1) * inverse))
