"""Test rows in other datasets' training rows, and in what weights learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.audit import overlaps, pretraining
from chmr_bench.contracts import connectivity_hash


def test_the_matrix_counts_rows_and_not_molecules() -> None:
    test = {"one": ["a", "a", "b", ""], "two": ["c", "d"]}
    train = {"one": ["c", ""], "two": ["a"]}
    found = {(o.test_of, o.train_of): o for o in overlaps(test, train)}
    assert {pair: o.shared_rows for pair, o in found.items()} == {
        ("one", "one"): 0,
        ("one", "two"): 2,
        ("two", "one"): 1,
        ("two", "two"): 0,
    }
    assert found["one", "two"].share == pytest.approx(0.5)


def test_pretraining_is_looked_up_by_hash() -> None:
    seen = np.sort(connectivity_hash(["a", "b", "x"]))
    (found,) = pretraining("atlas", seen, {"one": ["a", "a", "c", ""]})
    assert (found.learnt_from, found.test_rows, found.seen_rows) == (3, 4, 2)
    assert found.share == pytest.approx(0.5)
