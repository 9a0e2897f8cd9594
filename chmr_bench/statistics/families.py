"""Several tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for being several (Holm, Scand. J. Statist. 1979).

    The chance that any true null is rejected at level a by an adjusted p <= a is at most a, however
    the tests depend on each other. NaN (no test was made) stays NaN and is not counted.
    """
    tested = [i for i, value in enumerate(p) if not math.isnan(value)]
    adjusted = [math.nan] * len(p)
    highest = 0.0
    for place, i in enumerate(sorted(tested, key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(tested) - place) * p[i]))
        adjusted[i] = highest
    return adjusted


def smallest_p(n_datasets: int) -> float:
    """Return the least two-sided p that a signed-rank test of n datasets can give: all one way."""
    return min(1.0, float(np.ldexp(1.0, 1 - n_datasets)))


def datasets_needed(n_tests: int, level: float = 0.05) -> int:
    """Return how many datasets the signed-rank test needs to reject any of n Holm tests."""
    return max(1, math.ceil(1 + math.log2(max(1, n_tests) / level)))
