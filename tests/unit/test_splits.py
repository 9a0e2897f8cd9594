"""The split methods: the published rule on real lists, and promises that hold for any list."""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chmr_bench import signals, splits
from chmr_bench.contracts import Dataset, Split, part_digest
from chmr_bench.errors import DataError, FeatureError, SettingError, UnknownNameError
from chmr_bench.types import PARTS

ALUMINIUM = "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"
"""Row 137 of HIV: RDKit refuses its six-valent aluminium."""


def dataset(smiles: list[str]) -> Dataset:
    return Dataset(tuple(smiles), np.zeros((len(smiles), 1)), ("task",))


def interrupted_chunk(chunk: tuple[tuple[str, ...], int, bool]) -> list[str]:
    """Stand for a chunk of scaffolds, in a worker that is sent Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    safe = signals.blocked_everywhere() and multiprocessing.parent_process() is not None
    return ["deaf" if safe else "hears"] * len(chunk[0])


def rows(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


# --------------------------------------------------------------------------------------- scaffolds


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [
        ("CCO", ""),
        ("CCc1ccccc1", "c1ccccc1"),
        ("O=C(c1ccccc1)C1CC1", "O=C(c1ccccc1)C1CC1"),
        ("[Na+].[Cl-]", ""),
    ],
)
def test_scaffold_of_one_molecule(smiles: str, scaffold: str) -> None:
    assert splits.scaffold_smiles([smiles]) == [scaffold]


def test_a_molecule_that_sanitisation_refuses_keeps_its_rings() -> None:
    (scaffold,) = splits.scaffold_smiles([ALUMINIUM])
    assert "Al" in scaffold
    assert scaffold == splits.scaffold_smiles([scaffold])[0]


def test_chirality_is_kept_or_dropped_as_asked() -> None:
    pair = ["C[C@H]1C[C@@H](c2ccccc2)CN1c1ccccc1", "C[C@H]1C[C@H](c2ccccc2)CN1c1ccccc1"]
    assert len(set(splits.scaffold_smiles(pair, chirality=True))) == 2
    assert len(set(splits.scaffold_smiles(pair, chirality=False))) == 1


def test_an_unreadable_smiles_is_named_with_its_row() -> None:
    with pytest.raises(FeatureError, match=r"row 1 \(0-based\).*'C\(C'"):
        splits.scaffold_smiles(["CC", "C(C"])


@pytest.mark.skipif(sys.platform != "linux", reason="masks are read from /proc")
def test_scaffold_workers_are_deaf_to_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "_PARALLEL_FROM", 1)
    monkeypatch.setattr(splits, "_CHUNK", 1)
    monkeypatch.setattr(splits, "_scaffold_chunk", interrupted_chunk)
    smiles = ["CCO", "CCN", "CCCCCCO"]
    with signals.relayed():
        assert splits.scaffold_smiles(smiles, n_jobs=2) == ["deaf"] * 3
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_worker_processes_give_the_same_scaffolds(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = ["C" * (i % 5 + 1) + "c1ccccc1" + "N" * (i % 2) for i in range(9)] + [ALUMINIUM]
    expected = splits.scaffold_smiles(smiles, n_jobs=1)
    monkeypatch.setattr(splits, "_PARALLEL_FROM", 1)
    monkeypatch.setattr(splits, "_CHUNK", 4)
    splits._scaffolds.cache_clear()
    assert splits.scaffold_smiles(smiles, n_jobs=2) == expected


@pytest.mark.parametrize("method", ["scaffold", "reference"])
@pytest.mark.parametrize(("n_jobs", "used"), [(1, 1), (3, 3), (None, 7)])
def test_a_split_keeps_to_the_cores_it_is_given(
    monkeypatch: pytest.MonkeyPatch, method: str, n_jobs: int | None, used: int
) -> None:
    seen = []

    def counted(smiles: tuple[str, ...], chirality: bool, jobs: int) -> tuple[str, ...]:
        seen.append(jobs)
        return smiles

    def rule(data: Dataset) -> Split:
        return splits.pour_balanced(splits.group_by_scaffold(splits.scaffold_smiles(data.smiles)))

    monkeypatch.setattr(splits, "_scaffolds", counted)
    monkeypatch.setattr(splits, "_cores", lambda: 7)
    data = dataset([f"C{i}" for i in range(20)])
    splits.make_split(method, data, rule=rule, n_jobs=n_jobs)
    splits.scaffold_smiles(["CC"])  # of no split: all cores again
    assert seen == [used, 7]


def test_groups_are_in_first_seen_order() -> None:
    assert splits.group_by_scaffold(["b", "a", "b", ""]) == [[0, 2], [1], [3]]


def test_pouring_follows_the_published_rule() -> None:
    # 10 rows: limits 8 and 9. Sizes 5, 3, 1, 1: of equal sizes the later first row comes first.
    split = splits.pour_balanced([[0, 1, 2, 3, 4], [5, 6, 7], [8], [9]])
    assert [split.part(p).tolist() for p in PARTS] == [[0, 1, 2, 3, 4, 5, 6, 7], [9], [8]]


def test_a_group_too_large_for_train_goes_on_to_test() -> None:
    split = splits.pour_balanced([[0, 1, 2, 3, 4, 5, 6, 7, 8], [9]])
    assert split.test.tolist() == []
    assert split.valid.tolist() == list(range(9))
    assert split.train.tolist() == [9]


@pytest.mark.parametrize("name", ["bace", "bbbp"])
def test_the_published_split_is_reproduced(name: str, mirror: Path) -> None:
    with gzip.open(mirror / name / "mol.csv.gz", "rt") as stream:
        smiles = [row["smiles"] for row in csv.DictReader(stream)]
    split = splits.make_split("scaffold", dataset(smiles))
    with (mirror / "SOURCES.csv").open() as stream:
        notes = {row["file"]: row["note"] for row in csv.DictReader(stream)}
    for part in PARTS:
        assert notes[f"splits/{name}/{part}.csv.gz"].endswith(part_digest(split.part(part)))


# ----------------------------------------------------------------------------------------- methods


@settings(deadline=None)
@given(n=st.integers(10, 400), seed=st.integers(0, 2**31), share=st.integers(1, 8))
def test_random_parts_are_disjoint_cover_all_and_have_their_sizes(
    n: int, seed: int, share: int
) -> None:
    fractions = (share / 10, 0.1, 0.9 - share / 10)
    data = dataset(["C"] * n)
    split = splits.make_split("random", data, seed=seed, fractions=fractions)
    together = np.concatenate([split.part(p) for p in PARTS])
    assert sorted(together.tolist()) == list(range(n))
    assert split.train.size == int(np.floor(fractions[0] * n))
    again = splits.make_split("random", data, seed=seed, fractions=fractions)
    assert again.digest() == split.digest()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120))
def test_pouring_keeps_every_family_in_one_part(families: list[int]) -> None:
    split = splits.pour_balanced(splits.group_by_scaffold([str(f) for f in families]))
    parts = [{families[i] for i in split.part(p)} for p in PARTS]
    assert sum(map(len, parts)) == len(set(families))
    assert sum(split.part(p).size for p in PARTS) == len(families)
    assert split.train.size <= 0.8 * len(families)


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
    ("wrong", "near"), [("scafold", "'scaffold'"), ("deepchem:butena", "'butina'")]
)
def test_an_unknown_method_offers_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean .*{near}"):
        splits.make_split(wrong, dataset(["C"] * 9))


@pytest.mark.parametrize(
    "fractions", [(0.8, 0.1, 0.2), (1.0, 0.0, 0.0), (0.5, 0.5), (2, -0.5, -0.5)]
)
def test_fractions_must_be_shares(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(SettingError, match="three shares between 0 and 1 with sum 1"):
        splits.make_split("random", dataset(["C"] * 20), fractions=fractions)


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


# ------------------------------------------------------------------------------------------ checks


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(rows(0, 1), rows(), rows(2)), "valid is empty"),
        (Split(rows(0, 1), rows(2), rows(2)), "1 rows are in two parts, the first is row 2"),
        (Split(rows(0, 1), rows(2), rows(9)), "test holds row 9, expected 0 to 3"),
        (Split(rows(-1, 1), rows(2), rows(3)), "train holds row -1"),
        (Split(rows(1, 0), rows(2), rows(3)), "train: rows are not ascending"),
        (Split(rows(0, 0), rows(2), rows(3)), "train: rows are not ascending, or one stands twice"),
        (Split(rows(0), rows(2), rows(3)), "1 of 4 rows are in no part, the first is row 1"),
        (Split(np.array([0.5]), rows(2), rows(3)), "expected a list of row numbers"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_split_is_refused(split: Split, message: str) -> None:
    with pytest.raises(DataError, match=message):
        splits.check_split(split, 4)


def test_a_good_split_passes() -> None:
    splits.check_split(Split(rows(0, 3), rows(1), rows(2)), 4)
