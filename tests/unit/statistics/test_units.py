"""On how many test molecules a score rests."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.statistics import counts_of, telling_units

NAN = float("nan")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], 0.0),
        ([7], 7.0),
        ([10, 10], 10.0),
        ([1, 100], 4 / 1.01),
        ([1, 1, 1, 200], 16 / 3.005),
        ([50] * 40, 50.0),
        ([3, 0], 0.0),
    ],
)
def test_tasks_are_averaged_and_share_molecules(counts: list[int], expected: float) -> None:
    assert telling_units(counts) == pytest.approx(expected)


def test_the_rarer_class_and_the_labelled_are_counted_in_molecules() -> None:
    y = np.array([[1, NAN, 0], [1, NAN, 0], [0, 1, 0], [0, 0, 0], [1, 0, NAN]])
    alone, together = np.arange(5), np.array([0, 0, 1, 2, 3])
    assert counts_of(y, alone, by_class=True) == [2, 1]
    assert counts_of(y, together, by_class=True) == [2, 1]
    assert counts_of(y, alone, by_class=False) == [5, 3, 4]
    assert counts_of(y, together, by_class=False) == [4, 3, 3]
    assert counts_of(np.full((5, 1), NAN), alone, by_class=False) == []
