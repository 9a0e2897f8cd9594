"""Ranks with ties by overlapping intervals."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import statistics
from chmr_bench.errors import DataError

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "low", "high", "greater", "expected"),
    [
        ([0.9, 0.7, 0.5], [0.85, 0.65, 0.45], [0.95, 0.75, 0.55], True, [1, 2, 3]),
        ([0.9, 0.7, 0.5], [0.85, 0.65, 0.45], [0.95, 0.75, 0.55], False, [3, 2, 1]),
        ([0.9, 0.8, 0.5], [0.80, 0.70, 0.45], [0.95, 0.85, 0.55], True, [1.5, 1.5, 3]),
        # Touching ends overlap; a chain of overlaps is not one big tie.
        ([0.9, 0.8, 0.7], [0.85, 0.75, 0.65], [0.95, 0.85, 0.75], True, [1.5, 2, 2.5]),
        ([0.9, 0.8, 0.8], [NAN] * 3, [NAN] * 3, True, [1, 2.5, 2.5]),
        ([0.4], [0.3], [0.5], False, [1]),
        ([], [], [], True, []),
    ],
)
def test_ranks(
    scores: list[float], low: list[float], high: list[float], greater: bool, expected: list[float]
) -> None:
    assert statistics.ranks_with_ties(scores, low, high, greater_is_better=greater) == expected


def test_ranks_always_sum_to_the_same() -> None:
    rng = np.random.default_rng(5)
    for k in (2, 5, 9):
        middle, half = rng.random(k), rng.random(k) * 0.2
        ranks = statistics.ranks_with_ties(
            middle.tolist(),
            (middle - half).tolist(),
            (middle + half).tolist(),
            greater_is_better=True,
        )
        assert sum(ranks) == pytest.approx(k * (k + 1) / 2)


def test_scores_without_intervals_are_named() -> None:
    with pytest.raises(DataError, match="3 scores need 3 intervals"):
        statistics.ranks_with_ties([1, 2, 3], [1], [2], greater_is_better=True)
