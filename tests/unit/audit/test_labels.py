"""Labels by task and part, and why a task cannot be scored or learnt."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.audit import label_counts
from chmr_bench.contracts import Split

NAN = np.nan
SPLIT = Split(np.array([0, 1, 2]), np.array([3]), np.array([4, 5]))


@pytest.mark.parametrize(
    ("column", "n", "positives", "obstacle", "train_obstacle"),
    [
        ([1, 0, 1, 1, 0, 1], (3, 1, 2), (2, 1, 1), "", ""),
        ([1, 1, NAN, 0, 0, 0], (2, 1, 2), (2, 0, 0), "one class in test (all 0)",
         "one class in train (all 1)"),
        ([NAN, NAN, NAN, 0, NAN, NAN], (0, 1, 0), (0, 0, 0), "no label", "no label in train"),
    ],
)  # fmt: skip
def test_classes(
    column: list[float],
    n: tuple[int, int, int],
    positives: tuple[int, int, int],
    obstacle: str,
    train_obstacle: str,
) -> None:
    (found,) = label_counts(np.array([column]).T, SPLIT, ["t"], "roc_auc")
    assert (found.n, found.positives) == (n, positives)
    assert found.negatives == tuple(a - b for a, b in zip(n, positives, strict=True))
    assert (found.obstacle, found.train_obstacle) == (obstacle, train_obstacle)


@pytest.mark.parametrize(
    ("column", "metric", "obstacle", "train_obstacle"),
    [
        ([1.0, 2, 3, 4, 5, 6], "mae", "", ""),
        (
            [2.0, 2, 2, 4, 5, 5],
            "r2",
            "all labels in test are equal",
            "all labels in train are equal",
        ),
        ([2.0, NAN, NAN, 4, 5, 5], "mae", "", "one label in train"),
    ],
)
def test_values(column: list[float], metric: str, obstacle: str, train_obstacle: str) -> None:
    (found,) = label_counts(np.array([column]).T, SPLIT, ["t"], metric)  # type: ignore[arg-type]
    assert found.positives is found.negatives is None
    assert (found.obstacle, found.train_obstacle) == (obstacle, train_obstacle)
