"""Molecules in several rows, and labels that contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.audit import duplicates

NAN = np.nan


def test_groups_and_conflicts_are_counted_exactly() -> None:
    names = ["a", "b", "a", "c", "c", "", "", "d", "a"]
    y = np.array(
        [
            [0, 1], [1, 1], [1, 1], [1, NAN], [1, 0], [0, 0], [1, 1], [0, 0], [NAN, 1],
        ]
    )  # fmt: skip
    found = duplicates(names, y, ["one", "two"])
    assert (found.groups, found.rows) == (2, 5)
    assert (found.conflicting_groups, found.conflicting_rows) == (1, 3)
    (conflict,) = found.conflicts
    assert (conflict.task, conflict.groups, conflict.rows) == ("one", 1, 2)
    (example,) = found.examples
    assert (example.rows, example.task, example.low, example.high) == ((0, 2, 8), "one", 0, 1)


def test_spread_of_values() -> None:
    names = ["a", "a", "b", "b", "b", "c", "c"]
    y = np.array([[1.0], [1.5], [0.0], [3.0], [NAN], [2.0], [2.0]])
    found = duplicates(names, y, ["logD"])
    (conflict,) = found.conflicts
    assert (conflict.groups, conflict.rows) == (2, 4)
    assert conflict.largest == pytest.approx(3.0)
    assert conflict.median == pytest.approx(1.75)
    assert [e.rows for e in found.examples] == [(2, 3, 4), (0, 1)]


def test_a_list_without_duplicates() -> None:
    found = duplicates(["a", "b", "", ""], np.zeros((4, 1)), ["t"])
    assert (found.groups, found.rows, found.conflicts, found.examples) == (0, 0, (), ())


def test_tasks_with_most_conflicts_come_first() -> None:
    names = ["a", "a", "b", "b"]
    y = np.array([[0, 0], [0, 1], [1, 1], [0, 0]])
    assert [c.task for c in duplicates(names, y, ["few", "many"]).conflicts] == ["many", "few"]
