"""Test rows in other datasets' training rows, and in what weights learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.audit import overlaps, pretraining
from chmr_bench.contracts import connectivity_hash
from chmr_bench.features.groups import MoleculeKeys


def molecules(*names: str) -> MoleculeKeys:
    return MoleculeKeys(names, tuple(name.removeprefix("salt of ") for name in names))


def test_the_matrix_counts_rows_and_not_molecules() -> None:
    test = {"one": molecules("a", "a", "salt of a", ""), "two": molecules("c", "d")}
    train = {"one": molecules("salt of c", ""), "two": molecules("a")}
    found = {(o.test_of, o.train_of): o for o in overlaps(test, train)}
    assert {pair: o.shared_rows for pair, o in found.items()} == {
        ("one", "one"): 0,
        ("one", "two"): 3,
        ("two", "one"): 1,
        ("two", "two"): 0,
    }
    assert found["one", "two"].share == pytest.approx(0.75)


def test_pretraining_is_looked_up_by_hash() -> None:
    seen = np.sort(connectivity_hash(["a", "b", "x", ""]))
    test = {"one": molecules("a", "salt of a", "c", "")}
    (found,) = pretraining("atlas", seen, 3, test)
    assert (found.learnt_from, found.test_rows, found.seen_rows) == (3, 4, 2)
    assert found.share == pytest.approx(0.5)
