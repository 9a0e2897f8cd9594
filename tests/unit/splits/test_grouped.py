"""Splits that keep molecules together: what no two parts share, sizes, draws and folds."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chmr_bench import splits
from chmr_bench.contracts import Dataset, Split
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, SettingError
from chmr_bench.features import cache
from chmr_bench.features.groups import molecule_groups
from chmr_bench.runner import DatasetRequest, Datasets, SplitRequest
from chmr_bench.splits import grouped
from chmr_bench.types import PARTS

SMALL = ("bace", "bbbp", "clintox", "sider", "chembl2k", "biogen3k", "broad6k")


def dataset(smiles: list[str]) -> Dataset:
    return Dataset(tuple(smiles), np.zeros((len(smiles), 1)), ("task",))


def shared(split: Split, names: list[str] | tuple[str, ...]) -> int:
    """Return how many names other than "" stand in more than one part."""
    parts = [{names[i] for i in split.part(p)} - {""} for p in PARTS]
    return sum(len(a & b) for a, b in combinations(parts, 2))


def sizes(split: Split) -> list[int]:
    return [split.part(p).size for p in PARTS]


rows_of_molecules = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["", *"abcdefghij"])), min_size=30, max_size=150
)


# ------------------------------------------------------------------------------------------- groups


def test_groups_follow_chains_of_names_and_scaffolds() -> None:
    #        one molecule twice, its scaffold again with another name, that name again
    names, scaffolds = ["a", "a", "b", "b", "c", "d"], ["x", "y", "y", "", "", ""]
    assert molecule_groups([names, scaffolds]).tolist() == [0, 0, 0, 0, 1, 2]


def test_molecules_without_a_ring_share_no_scaffold() -> None:
    assert molecule_groups([["a", "b", "a"], ["", "", ""]]).tolist() == [0, 1, 0]


def test_a_molecule_without_a_key_goes_by_its_canonical_smiles() -> None:
    names = grouped.molecule_names(["OCC", "CCO", "CCN"], ["", "", "KEY"])
    assert names == ["CCO", "CCO", "KEY"]


# ------------------------------------------------------------------------------------------- strict


@given(rows=rows_of_molecules, seed=st.integers(0, 2**31))
def test_strict_parts_share_nothing(rows: list[tuple[int, str]], seed: int) -> None:
    names, scaffolds = [str(k) for k, _ in rows], [s for _, s in rows]
    assume(molecule_groups([names, scaffolds]).max() >= 2)
    split = grouped.strict_split([names, scaffolds], seed)
    assert shared(split, names) == shared(split, scaffolds) == 0
    assert sorted(np.concatenate([split.part(p) for p in PARTS]).tolist()) == list(range(len(rows)))


def test_strict_has_its_nominal_sizes_where_groups_allow() -> None:
    names = [str(i) for i in range(1000)]
    scaffolds = ["big"] * 300 + ["middle"] * 60 + [""] * 640
    for seed in range(10):
        split = grouped.strict_split([names, scaffolds], seed)
        assert sizes(split) == [800, 100, 100]
        assert set(range(300)) <= set(split.train.tolist())  # too large for the others


def test_strict_fills_an_empty_part_with_the_smallest_group() -> None:
    scaffolds = ["a"] * 5 + ["b"] * 3 + ["c"] * 4
    split = grouped.strict_split([[str(i) for i in range(12)], scaffolds], 0)
    assert sorted(sizes(split)) == [3, 4, 5]
    assert split.train.size == 5


def test_strict_is_pinned_and_another_seed_is_another_split() -> None:
    names = [str(i) for i in range(40)]
    drawn = [grouped.strict_split([names, [""] * 40], seed) for seed in range(5)]
    assert drawn[0].test.tolist() == [0, 33, 36, 38]
    assert len({split.digest() for split in drawn}) == 5


def test_strict_does_not_depend_on_the_order_of_the_rows() -> None:
    names = [str(i // 2) for i in range(60)]
    scaffolds = ["abcdefghijkl"[i // 5] for i in range(60)]
    turned = np.random.default_rng(0).permutation(60)
    first = grouped.strict_split([names, scaffolds], 3)
    second = grouped.strict_split([[names[i] for i in turned], [scaffolds[i] for i in turned]], 3)
    for part in PARTS:
        assert sorted(turned[second.part(part)].tolist()) == first.part(part).tolist()


def test_strict_of_one_family_is_an_error() -> None:
    smiles, keys = ["Cc1ccccc1"] * 3 + ["CCO"], ["a", "b", "c", "d"]
    message = "2 groups, the largest of 3 rows; at least 3 are needed"
    with pytest.raises(DataError, match=message):
        splits.make_split("strict", dataset(smiles), keys=keys)


def test_a_large_family_is_tested_about_as_often_as_any_molecule() -> None:
    names = [str(i) for i in range(1000)]
    scaffolds = ["large"] * 90 + ["middle"] * 30 + ["small"] * 5 + [""] * 875
    made = [grouped.strict_split([names, scaffolds], seed) for seed in range(300)]
    often = np.bincount(np.concatenate([s.test for s in made]), minlength=1000) / len(made)
    for row in (0, 90, 120):
        assert 0.05 < often[row] < 0.16
    assert often.sum() == pytest.approx(100)


def test_large_groups_fill_a_part_that_small_ones_cannot() -> None:
    names = [str(i) for i in range(1000)]
    scaffolds = [f"family {i // 20}" for i in range(1000)]
    for seed in range(10):
        split = grouped.strict_split([names, scaffolds], seed)
        assert sizes(split) == [800, 100, 100]


def test_a_salt_stays_with_its_drug() -> None:
    drugs = [f"C{'C' * i}Nc1ccccc1" for i in range(3)]
    chains = ["C" * i + "O" for i in range(1, 21)]
    salts = [f"{'C' * i}N.Cl" for i in range(1, 11)]
    free = [f"{'C' * i}N" for i in range(1, 11)]
    smiles = drugs + chains + salts + free
    split = splits.make_split("strict", dataset(smiles), keys=[str(i) for i in range(len(smiles))])
    part_of = {row: part for part in PARTS for row in split.part(part).tolist()}
    first = len(drugs + chains)
    for i in range(first, first + 10):
        assert part_of[i] == part_of[i + 10]


@pytest.mark.parametrize("method", ["strict", "cv5x5"])
def test_a_molecule_in_another_form_stays_with_it(method: str) -> None:
    n = 30  # without rings, and with other stereo marks: neither scaffold nor stripped salt tells
    acids = [f"CC{'C' * i}[C@H](N)C(=O)O" for i in range(1, n)]
    salts = [f"CC{'C' * i}[C@@H](N)C(=O)[O-].[Na+]" for i in range(1, n)]
    keys = [str(i) for i in range(2 * n - 2)]
    made = [splits.make_split(method, dataset(acids + salts), keys=keys, seed=s) for s in range(5)]
    for split in made:
        part_of = {row: part for part in PARTS for row in split.part(part).tolist()}
        assert all(part_of[i] == part_of[i + n - 1] for i in range(n - 1))


@pytest.mark.parametrize("method", ["strict", "cv5x5"])
def test_keys_must_be_given(method: str) -> None:
    assert splits.needs_keys(method)
    with pytest.raises(DataError, match="0 connectivity keys for 9 molecules"):
        splits.make_split(method, dataset(["C"] * 9))


# -------------------------------------------------------------------------------------------- cv5x5


@given(rows=rows_of_molecules, repeat=st.integers(0, 4))
def test_the_folds_of_a_repeat_are_a_partition(rows: list[tuple[int, str]], repeat: int) -> None:
    names = [str(k) for k, _ in rows]
    assume(len(set(names)) >= 5)
    folds = [grouped.repeated_fold([names], 5 * repeat + f) for f in range(5)]
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(len(rows)))
    for split in folds:
        assert shared(split, names) == 0
        assert sum(sizes(split)) == len(rows)


def test_folds_have_their_shares_and_repeats_differ() -> None:
    names = [str(i // 2) for i in range(400)]
    made = [grouped.repeated_fold([names], seed) for seed in range(25)]
    assert {tuple(sizes(s)) for s in made} == {(280, 40, 80)}
    assert len({s.digest() for s in made}) == 25
    assert made[7].test.tolist()[:6] == [12, 13, 24, 25, 26, 27]


def test_a_fold_beyond_the_last_is_refused() -> None:
    with pytest.raises(SettingError, match="split seed 25: cv5x5 has 0 to 24"):
        splits.make_split("cv5x5", dataset(["C"] * 9), keys=["a"] * 9, seed=25)


# ---------------------------------------------------------------------------------------- real data


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_on_real_data(name: str, mirror: Path, known_features: Path) -> None:
    datasets = Datasets(FetchOptions(mirror=str(mirror), offline=True), 1)
    opened = datasets.load(DatasetRequest(name=name))
    molecules, n = [str(group) for group in opened.molecules().groups()], len(opened.dataset)
    found = cache.identities(opened.dataset.smiles, n_jobs=1, cache=known_features)
    made = [opened.split(SplitRequest("strict", seed)) for seed in range(5)]
    for split in made:
        assert shared(split, molecules) == 0
        assert {level: shared(split, names) for level, names in found.items()} == {
            "smiles": 0,
            "parent": 0,
            "scaffold": 0,
        }
        assert np.abs(np.array(sizes(split)) / n - (0.8, 0.1, 0.1)).max() < 0.01
    assert len({split.digest() for split in made}) == 5
    fold = opened.split(SplitRequest("cv5x5", 24))
    assert shared(fold, molecules) == 0
    assert np.abs(np.array(sizes(fold)) / n - (0.7, 0.1, 0.2)).max() < 0.01
