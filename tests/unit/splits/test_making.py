"""The split methods: the published rule on real lists, and promises that hold for any list."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chmr_bench import splits
from chmr_bench.contracts import Dataset, Split, part_digest
from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.types import PARTS


def dataset(smiles: list[str]) -> Dataset:
    return Dataset(tuple(smiles), np.zeros((len(smiles), 1)), ("task",))


def rows(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


@pytest.mark.parametrize("name", ["bace", "bbbp"])
def test_the_published_split_is_reproduced(name: str, mirror: Path) -> None:
    with gzip.open(mirror / name / "mol.csv.gz", "rt") as stream:
        smiles = [row["smiles"] for row in csv.DictReader(stream)]
    split = splits.make_split("scaffold", dataset(smiles))
    with (mirror / "SOURCES.csv").open() as stream:
        notes = {row["file"]: row["note"] for row in csv.DictReader(stream)}
    for part in PARTS:
        assert notes[f"splits/{name}/{part}.csv.gz"].endswith(part_digest(split.part(part)))


@settings(deadline=None)
@given(n=st.integers(10, 400), seed=st.integers(0, 2**31))
def test_random_parts_are_disjoint_cover_all_and_have_their_sizes(n: int, seed: int) -> None:
    data = dataset(["C"] * n)
    split = splits.make_split("random", data, seed=seed)
    together = np.concatenate([split.part(p) for p in PARTS])
    assert sorted(together.tolist()) == list(range(n))
    assert (split.train.size, split.valid.size) == (int(np.floor(0.8 * n)), n // 10)
    again = splits.make_split("random", data, seed=seed)
    assert again.digest() == split.digest()


def test_random_is_pinned_and_depends_on_the_seed() -> None:
    data = dataset(["C"] * 50)
    split = splits.make_split("random", data, seed=7)
    assert split.valid.tolist() == [2, 5, 23, 25, 43]
    assert splits.make_split("random", data, seed=8).digest() != split.digest()


def test_reference_calls_the_rule_and_may_leave_rows_out() -> None:
    split = Split(rows(0), rows(1), rows(2))
    assert splits.make_split("reference", dataset(["C"] * 9), rule=lambda _: split) is split


def test_reference_without_a_rule_is_a_usage_error() -> None:
    with pytest.raises(SettingError, match="no reference split; choose --split scaffold"):
        splits.make_split("reference", dataset(["C"] * 9))


@pytest.mark.parametrize(
    ("wrong", "near"), [("scafold", "'scaffold'"), ("deepchem:butena", "'deepchem:butina'")]
)
def test_an_unknown_method_offers_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean .*{near}"):
        splits.make_split(wrong, dataset(["C"] * 9))


@pytest.mark.parametrize("method", ["scaffold", "random"])
def test_an_empty_part_is_an_error(method: str) -> None:
    with pytest.raises(DataError, match=f"split '{method}' of 3 molecules: .* is empty"):
        splits.make_split(method, dataset(["c1ccccc1"] * 3))


def test_methods_are_listed_with_what_they_do() -> None:
    listed = splits.methods()
    assert {"reference", "scaffold", "random", "deepchem:butina"} <= set(listed)
    assert all(listed.values())
    assert [splits.depends_on_seed(m) for m in ("random", "deepchem:maxmin")] == [True, True]
    assert [splits.depends_on_seed(m) for m in ("scaffold", "deepchem:scaffold")] == [False, False]


def test_an_unknown_method_is_told_those_there_are() -> None:
    with pytest.raises(
        UnknownNameError, match=r"deepchem:NAME, random, reference, scaffold, strict"
    ):
        splits.check_method("nonesuch")
    with pytest.raises(UnknownNameError, match="did you mean 'deepchem:maxmin'"):
        splits.check_method("deepchem:maxmn")
    for method in splits.methods():
        splits.check_method(method)
