"""On how many test molecules a score rests: the degrees of freedom of its standard error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.types import FloatArray, IntArray


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
