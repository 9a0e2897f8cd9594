"""Ranks with ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.errors import DataError


def ranks_with_ties(
    scores: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    greater_is_better: bool,
) -> list[float]:
    """Return each entry's rank, 1 = best; entries whose intervals overlap are tied.

    Two entries are tied where their intervals share a point, or where one has no interval and the
    scores are equal. The rank is 1 + the number of entries clearly better + half the number tied
    with it. Being tied is not transitive, and this rule does not need it to be: where it is, the
    ranks are the usual mid-ranks, and they always sum to k (k + 1) / 2.
    """
    k = len(scores)
    if not len(low) == len(high) == k:
        raise DataError(f"{k} scores need {k} intervals, not {len(low)} and {len(high)}")
    value = np.asarray(scores, dtype=np.float64)
    bottom = np.where(np.isnan(low), value, low)
    top = np.where(np.isnan(high), value, high)
    if not greater_is_better:
        bottom, top = -top, -bottom
    above = bottom[:, None] > top[None, :]  # (k, k): row is clearly better than column
    n_better = above.sum(axis=0)
    n_worse = above.sum(axis=1)
    return [float(r) for r in 1 + n_better + (k - 1 - n_better - n_worse) / 2]
