"""Leaks planted at each level are found, all of them and no others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chmr_bench.audit import LEVELS, leaks, shared_rows, split_groups
from chmr_bench.audit.leakage import Level, Names, codes
from chmr_bench.contracts import Split
from chmr_bench.features import cache

TRAIN = ["CC(=O)[O-].[Na+]", "C[C@H](N)c1ccccc1", "Cc1ccncc1", "CCO", "C[C@H](N)CO.Cl"]
TEST = {
    "OCC": "smiles",
    "CC(=O)O": "parent",
    "C[C@@H](N)c1ccccc1": "connectivity",
    "C[C@@H](N)CO": "molecule",
    "Oc1ccncc1": "scaffold",
    "CCCCN": "none",
    "C1CCC1": "none",
}
REACHES: dict[str, set[Level]] = {
    "smiles": {"smiles", "parent", "connectivity", "molecule"},  # it has no ring, so no scaffold
    "parent": {"parent", "molecule"},  # a salt is another connectivity
    "connectivity": {"connectivity", "molecule", "scaffold"},
    "molecule": {"molecule"},  # the other isomer's salt
    "scaffold": {"scaffold"},
    "none": set(),
}


def rows(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


@pytest.fixture(scope="module")
def planted() -> tuple[Names, Split]:
    smiles = [*TRAIN, "CCCCCCCCCF", *TEST]
    found = cache.identities(smiles, n_jobs=1)
    molecules = cache.molecule_keys(smiles, n_jobs=1)
    n = len(TRAIN)
    split = Split(rows(*range(n)), rows(n), rows(*range(n + 1, len(smiles))))
    return {
        "smiles": found["smiles"],
        "parent": found["parent"],
        "connectivity": molecules.keys,
        "molecule": [str(group) for group in molecules.groups().tolist()],
        "scaffold": found["scaffold"],
    }, split


@pytest.mark.parametrize("level", LEVELS)
def test_a_planted_leak_is_found_at_its_levels_alone(
    planted: tuple[Names, Split], level: Level
) -> None:
    names, split = planted
    found = shared_rows(names[level], split.test, split.train)
    assert found.tolist() == [level in REACHES[kind] for kind in TEST.values()]


def test_leaks_count_rows_and_those_without_a_name(planted: tuple[Names, Split]) -> None:
    found = leaks(*planted)
    assert [leak.level for leak in found] == list(LEVELS)
    assert [leak.leaked_rows for leak in found] == [1, 2, 2, 4, 2]
    assert {leak.test_rows for leak in found} == {7}
    assert [leak.unnamed_rows for leak in found] == [0, 0, 0, 0, 4]
    assert found[1].share == pytest.approx(2 / 7)


def test_validation_rows_count_where_asked() -> None:
    names = dict.fromkeys(LEVELS, ("a", "b", "b", "c"))
    split = Split(rows(0), rows(1), rows(2, 3))
    assert [leak.leaked_rows for leak in leaks(names, split)] == [0] * 5
    both = leaks(names, split, ("train", "valid"))
    assert [leak.leaked_rows for leak in both] == [1] * 5


def test_no_name_is_nobodys_twin() -> None:
    assert codes(["", "x", "", "x"]).tolist() == [-1, 1, -1, 1]
    assert not shared_rows(["", "", "x"], rows(1), rows(0)).any()


def test_straddling_groups_and_their_rows() -> None:
    #        a in two parts, b in three, c in one, "" is no group
    names = ["a", "a", "b", "c", "", "a", "b", "", "b", "c"]
    split = Split(rows(0, 1, 2, 3, 4, 9), rows(6, 7), rows(5, 8))
    (found, *_) = split_groups(dict.fromkeys(LEVELS, names), split)
    assert (found.groups, found.straddling_groups, found.straddling_rows) == (3, 2, 6)


@given(st.lists(st.sampled_from(["", "a", "b", "c", "dd", "e"]), min_size=4, max_size=60))
def test_twins_are_what_a_set_gives(names: list[str]) -> None:
    half = len(names) // 2
    train, test = rows(*range(half)), rows(*range(half, len(names)))
    seen = set(names[:half]) - {""}
    assert shared_rows(names, test, train).tolist() == [name in seen for name in names[half:]]
