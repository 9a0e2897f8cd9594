"""On how many test molecules a score rests: the degrees of freedom of its standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chmr_bench.types import FloatArray, IntArray

FEW = 5
"""Molecules that tell, below which their number in a resample matters to its variance."""


def telling_units(counts: Sequence[int]) -> float:
    """Return on how many test molecules a mean over tasks rests, 0 where there is no task.

    A ROC-AUC of three positives among two hundred molecules is known no better than a mean of three
    values, and one of a single positive not at all: every resample that has it has it alone.
    Several tasks are taken for independent estimates of one weight, T^2 / sum(1 / m) (Satterthwaite
    1946), but for no more than the best known of them: tasks share molecules.

    Parameters
    ----------
    counts : of every task that can be scored, as `counts_of` gives them.
    """
    if not counts or min(counts) < 1:
        return 0.0
    together = len(counts) ** 2 / float(np.sum(1.0 / np.asarray(counts, dtype=np.float64)))
    return min(together, float(max(counts)))


def shortfall(drawn: float, telling: float) -> float:
    """Return what the variance over resamples is to be multiplied by.

    The variance of a mean over n resampled units is (n - 1) / n of what it should be. Where m of
    them tell, a resample has K of these, of the binomial law without 0, and the factor is
    (m - 1) E[1 / K]: below (n - 1) / n for two, three or four, about 1 for more.

    Parameters
    ----------
    drawn : n, infinite = many. telling : m, at most n.
    """
    if drawn <= 1 or telling <= 1:
        return 1.0
    of_drawing = drawn / (drawn - 1) if math.isfinite(drawn) else 1.0
    if telling >= FEW:
        return of_drawing
    from scipy import stats

    law = stats.binom(drawn, telling / drawn) if math.isfinite(drawn) else stats.poisson(telling)
    k = np.arange(1, int(min(drawn, 60)) + 1)  # more than 60 of four are not drawn
    inverse = float((law.pmf(k) / k).sum() / law.pmf(k).sum())
    return max(of_drawing, 1 / ((telling - 1) * inverse))


def counts_of(y: FloatArray, clusters: IntArray, *, by_class: bool) -> list[int]:
    """Return, of every task that has labels (of both classes), the molecules its score rests on.

    Parameters
    ----------
    y : (n, t), NaN = not measured.
    clusters : (n,) rows of one number are one molecule.
    by_class : count those of the rarer class; else those with a label.
    """
    found = []
    for labels in y.T:
        known = ~np.isnan(labels)
        parts = [known & (labels == c) for c in (0, 1)] if by_class else [known]
        count = min(len(np.unique(clusters[part])) for part in parts)
        if count:
            found.append(count)
    return found
