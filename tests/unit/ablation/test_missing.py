"""What is hidden: nested over rates, the same everywhere, keyed by what it says and no more."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.ablation.missing import (
    STAGES,
    MaskedEntries,
    Mechanism,
    Missing,
    MoleculeNames,
    masked_entries,
    permuted,
    uniform,
    without,
)
from chmr_bench.contracts import HeldRows, MatrixBlock
from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.types import BoolArray

N = 4000
RATES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
MECHANISMS: tuple[Mechanism, ...] = ("random", "scaffold", "asymmetric", "activity")


def molecules(n: int = N) -> MoleculeNames:
    scaffolds = ["" if i % 5 == 0 else f"ring{i % 37}" for i in range(n)]
    return MoleculeNames([f"C{i}" for i in range(n)], [f"KEY{i:010d}" for i in range(n)], scaffolds)


def blocks(n: int = N) -> dict[str, MatrixBlock]:
    generator = np.random.default_rng(0)
    found = {}
    for name, d, share in (("morphology", 5, 0.7), ("expression", 3, 0.5), ("viability.a", 1, 0.9)):
        observed = generator.random(n) < share
        values = generator.normal(size=(n, d)) * generator.lognormal(size=(n, 1))
        found[name] = MatrixBlock(np.where(observed[:, None], values, np.nan), observed)
    return found


def gone(rate: float, mechanism: Mechanism = "random", seed: int = 0, **more: Any) -> MaskedEntries:
    missing = Missing(rate, mechanism=mechanism, seed=seed, **more)
    return masked_entries(missing, molecules(), blocks())


def observed(modality: str) -> BoolArray:
    (block,) = (b for name, b in blocks().items() if name.partition(".")[0] == modality)
    return block.observed


# ---------------------------------------------------------------------------------------- who loses


def test_a_draw_is_the_hash_of_seed_modality_and_connectivity() -> None:
    digest = hashlib.sha256(b"3\nmorphology\nKEYA").digest()
    expected = (int.from_bytes(digest[:8], "little") >> 11) / 2**53
    assert uniform(3, ["KEYA"], "morphology").tolist() == [expected]
    many = uniform(0, [str(i) for i in range(20_000)], "m")
    assert many.min() >= 0
    assert many.max() < 1
    counts = np.histogram(many, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 44  # chi-square, 19 degrees of freedom, p 0.001


def test_the_worked_value_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "missing.md").read_text(encoding="utf-8")
    u = uniform(0, ["RYYVLZVUVIJVGH"], "morphology")[0]
    assert f"(caffeine) that is {u:.6f}" in " ".join(text.split())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_is_hidden_is_nested_over_rates(mechanism: Mechanism) -> None:
    for modality in ("morphology", "expression", "viability"):
        sets = [gone(rate, mechanism)[modality] for rate in RATES]
        assert not sets[0].any()
        for smaller, larger in itertools.pairwise(sets):
            assert (smaller <= larger).all()
            assert smaller.sum() < larger.sum()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_only_what_was_observed_is_hidden_and_at_rate_1_all_of_it(mechanism: Mechanism) -> None:
    for modality, rows in gone(1.0, mechanism).items():
        assert not (rows & ~observed(modality)).any()
        if mechanism != "asymmetric":
            assert (rows == observed(modality)).all()


def test_the_share_is_that_of_the_observed_entries() -> None:
    for modality, rows in gone(0.25).items():
        n = observed(modality).sum()
        assert abs(rows.sum() - 0.25 * n) < 4 * np.sqrt(n * 0.25 * 0.75)
    n = observed("morphology").sum()
    assert gone(0.25, "activity")["morphology"].sum() == np.ceil(0.25 * n)


def test_it_is_the_same_in_every_dataset_and_order() -> None:
    order = np.random.default_rng(1).permutation(N)[: N // 2]
    some = MoleculeNames(
        *([names[i] for i in order] for names in (molecules().smiles, molecules().keys))
    )
    part = {name: block.take(order) for name, block in blocks().items()}
    found = masked_entries(Missing(0.5), some, part)
    for modality, rows in gone(0.5).items():
        assert (found[modality] == rows[order]).all()


def test_seeds_and_modalities_lose_different_molecules() -> None:
    first, second = gone(0.5, seed=0), gone(0.5, seed=1)
    both = observed("morphology") & observed("expression")
    for a, b in (
        (first["morphology"], second["morphology"]),
        (first["morphology"], first["expression"]),
    ):
        shared = (a & b & both).sum() / (b & both).sum()
        assert abs(shared - 0.5) < 0.06  # as of two independent draws


def test_only_the_modalities_that_are_named() -> None:
    assert set(gone(0.5, modalities=("viability",))) == {"viability"}
    assert gone(0.5, modalities=("nothing",)) == {}


def test_a_molecule_without_a_key_goes_by_its_smiles() -> None:
    keyless = MoleculeNames(["CC", "CC", "CN"], ["", "", ""])
    block = {"m": MatrixBlock(np.ones((3, 1)), np.ones(3, dtype=bool))}
    for seed in range(20):
        rows = masked_entries(Missing(0.5, seed=seed), keyless, block)["m"]
        assert rows[0] == rows[1]


def test_scaffold_families_lose_it_whole() -> None:
    found = gone(0.5, "scaffold")["morphology"]
    scaffolds = np.array(molecules().scaffolds)
    seen = observed("morphology")
    shares = [found[seen & (scaffolds == s)].mean() for s in set(scaffolds) - {""}]
    assert set(shares) == {0.0, 1.0}
    acyclic = found[seen & (scaffolds == "")].mean()
    assert 0.4 < acyclic < 0.6  # each on its own
    missing = Missing(0.5, mechanism="scaffold")
    with pytest.raises(DataError, match="0 scaffolds for 1 molecules"):
        masked_entries(missing, MoleculeNames(["C"], ["K"]), {"m": one_block()})


def one_block() -> MatrixBlock:
    return MatrixBlock(np.ones((1, 1)), np.ones(1, dtype=bool))


def test_asymmetric_leaves_one_modality_to_those_that_are_hit() -> None:
    names = ("morphology", "expression", "viability")
    before = np.stack([observed(m) for m in names])
    all_hit = gone(1.0, "asymmetric")
    left = before & ~np.stack([all_hit[m] for m in names])
    assert (left.sum(axis=0) == np.minimum(before.sum(axis=0), 1)).all()
    kept = left.sum(axis=1) / left.sum()
    assert kept.min() > 0.15  # none is always the one that goes
    half = before & ~np.stack([gone(0.5, "asymmetric")[m] for m in names])
    several = before.sum(axis=0) > 1
    assert 0.45 < (half.sum(axis=0)[several] == 1).mean() < 0.55


def test_the_weakest_phenotypes_go_first() -> None:
    block = blocks()["morphology"]
    values = block.values[block.observed]
    strength = np.sqrt((((values - values.mean(0)) / values.std(0)) ** 2).mean(1))
    rows = gone(0.3, "activity")["morphology"][block.observed]
    assert strength[rows].max() <= strength[~rows].min()


def test_equally_weak_molecules_go_by_their_draw_and_not_by_their_row() -> None:
    keys = np.array([f"K{i}" for i in range(6)])
    values = np.array([0.0, 0, 0, 0, 5, 6])
    first = set(np.array(keys)[:4][np.argsort(uniform(0, keys[:4].tolist(), "m"))[:3]])
    for order in itertools.permutations(range(6)):
        rows = list(order)
        lost = weakest(0.5, keys[rows], values[rows][:, None])
        assert set(keys[rows][lost]) == first
    assert first != {"K0", "K1", "K2"}  # as rows would have it


def test_the_weakest_are_the_same_in_any_order_to_the_last_bit() -> None:
    generator = np.random.default_rng(0)
    values = np.round(generator.normal(size=(200, 3)), 1)
    values[100:] = 0.3 - values[:100]  # as strong as its mirror image, but for rounding
    keys = np.array([f"K{i}" for i in range(200)])
    orders = [generator.permutation(200) for _ in range(5)]
    for rate in np.arange(1, 200) / 200:
        lost = weakest(rate, keys, values)
        for rows in orders:
            assert (weakest(rate, keys[rows], values[rows]) == lost[rows]).all()


def test_the_weakest_molecules_go_whole() -> None:
    keys = np.array(["A", "B", "A", "C", "D", "D", "D"])
    values = np.array([0.0, 1, 9, 2, 1.5, 1.5, 1.5])
    values = np.concatenate([values, -values])[:, None]  # centred: strength is the size
    keys = np.concatenate([keys, keys])
    previous: set[str] = set()
    for rate, names in ((0.25, "B"), (0.5, "BD"), (0.75, "BDC"), (1.0, "BDCA")):
        lost = weakest(rate, keys, values)
        gone_keys = set(keys[lost])
        assert gone_keys == set(names) > previous
        assert not gone_keys & set(keys[~lost])
        previous = gone_keys


def test_a_row_without_the_modality_counts_for_nothing() -> None:
    keys = ["A", "A", "B"]
    values = np.array([[1.0], [np.nan], [3.0]])
    block = {"m": MatrixBlock(values, np.array([True, False, True]))}
    found = masked_entries(Missing(0.5, mechanism="activity"), MoleculeNames(keys, keys), block)[
        "m"
    ]
    assert found.sum() == 1
    assert not found[1]


def weakest(rate: float, keys: Any, values: Any) -> BoolArray:
    block = MatrixBlock(values, np.ones(len(values), dtype=bool))
    who = MoleculeNames(list(keys), list(keys))
    return masked_entries(Missing(rate, mechanism="activity", seed=5), who, {"m": block})["m"]


# ---------------------------------------------------------------------------------------- one way


def test_there_is_one_way_to_write_what_is_the_same() -> None:
    assert Missing(0.0).settled() is None
    assert Missing(0.0, mechanism="scaffold", seed=3, fill="mean").settled() is None
    everything = Missing(1.0).settled()
    for other in (
        Missing(1.0, seed=5),
        Missing(1.0, mechanism="activity"),
        Missing(1.0, shuffled=True, seed=2),
        Missing(1.0, stages=("test", "pretrain", "finetune")),
    ):
        assert other.settled() == everything
    assert Missing(1.0, mechanism="asymmetric", seed=5).settled() != everything
    assert Missing(1.0, fill="mean").settled() != everything
    half = Missing(0.5, modalities=("b", "a", "b"), seed=4).settled()
    assert half is not None
    assert (half.modalities, half.seed) == (("a", "b"), 4)
    assert Missing(0.5, mechanism="activity", seed=4).settled() == Missing(
        0.5, mechanism="activity"
    )
    control = Missing(0.0, shuffled=True, seed=4, fill="mean").settled()
    assert control == Missing(0.0, shuffled=True, seed=4)


def test_a_record_gives_it_back() -> None:
    for missing in (Missing(0.25, ("test",), ("a",), "activity", "mean", 3, True), Missing(1)):
        assert Missing.from_dict(missing.to_dict()) == missing
    told = Missing(0.25).to_dict()
    assert isinstance(told["rate"], float)
    with pytest.raises(SettingError, match="does not say what is missing"):
        Missing.from_dict({**told, "colour": "red"})
    with pytest.raises(SettingError, match="does not say what is missing"):
        Missing.from_dict({"rate": 0.5})


def test_an_atlas_stays_whole_unless_pretraining_lacks_it() -> None:
    assert Missing(0.5, ("finetune", "test")).atlas_dict() is None
    assert Missing(0.0).atlas_dict() is None
    world, alone = Missing(0.5).atlas_dict(), Missing(0.5, ("pretrain",)).atlas_dict()
    assert world == alone  # one pretraining serves both
    assert world is not None
    assert "stages" not in world


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rate": 1.5}, SettingError, "rate of missing entries is 1.5; expected 0 to 1"),
        ({"rate": float("nan")}, SettingError, "expected 0 to 1"),
        ({"stages": ()}, SettingError, "no stage is named"),
        ({"stages": ("tset",)}, UnknownNameError, "did you mean 'test'"),
        ({"mechanism": "randm"}, UnknownNameError, "did you mean 'random'"),
        ({"fill": "zeros"}, UnknownNameError, "did you mean 'zero'"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dataclasses.replace(Missing(0.5), **changes)


def test_it_is_told_in_words() -> None:
    assert str(Missing(0.5)) == "50 % of cells masked (world)"
    text = str(Missing(0.25, ("test",), ("morphology",), "scaffold", "mean", shuffled=True))
    assert text == "25 % of morphology masked (test, scaffold, filled with mean, shuffled)"
    assert STAGES == ("pretrain", "finetune", "test")


# ------------------------------------------------------------------------------------------- blocks


def test_nothing_is_left_of_a_hidden_row() -> None:
    dense = MatrixBlock(np.arange(6).reshape(3, 2), np.array([True, True, False]))
    thin = MatrixBlock(sparse.csr_array(np.arange(6).reshape(3, 2)), dense.observed)
    rows = np.array([True, False, False])
    found = without({"a": dense, "b.x": thin, "c": dense}, {"a": rows, "b": rows})
    assert found["a"].observed.tolist() == [False, True, False]
    assert np.isnan(found["a"].values[0]).all()
    assert found["a"].values[1].tolist() == [2, 3]
    assert found["b.x"].values.toarray().tolist() == [[0, 0], [2, 3], [4, 5]]
    assert found["c"] is dense
    assert dense.observed[0]  # what was given stays


def test_a_hidden_row_is_no_longer_held() -> None:
    rows = np.array([1, 3, 4])
    held = HeldRows(rows, np.arange(6.0).reshape(3, 2), 6)
    hidden = np.isin(np.arange(6), [0, 3])
    left = without({"growth": MatrixBlock(held, np.isin(np.arange(6), rows))}, {"growth": hidden})
    values = left["growth"].values
    assert isinstance(values, HeldRows)
    assert (values.rows.tolist(), values.held.tolist()) == ([1, 4], [[0, 1], [4, 5]])
    assert np.flatnonzero(left["growth"].observed).tolist() == [1, 4]


def test_shuffled_read_outs_go_to_other_molecules_that_have_one() -> None:
    before = blocks()["morphology"]
    found = permuted(Missing(0.0, shuffled=True), molecules(), blocks())["morphology"]
    assert (found.observed == before.observed).all()
    rows = np.flatnonzero(before.observed)
    assert (np.abs(found.values[rows] - before.values[rows]).sum(axis=1) > 0).all()
    first, second = (np.sort(b.values[rows], axis=0) for b in (before, found))
    assert (first == second).all()
    again = permuted(Missing(0.0, shuffled=True, seed=1), molecules(), blocks())["morphology"]
    assert not np.array_equal(again.values[rows], found.values[rows])


def test_twins_are_not_given_their_own_read_out() -> None:
    keys = [f"K{i // 3 if i < 30 else i}" for i in range(60)]
    values = np.arange(60.0)[:, None]
    block = {"m": MatrixBlock(values, np.ones(60, dtype=bool))}
    who = MoleculeNames(keys, keys)
    for seed in range(10):
        found = permuted(Missing(0.0, shuffled=True, seed=seed), who, block)["m"].values[:, 0]
        given = [keys[int(row)] for row in found]
        assert all(a != b for a, b in zip(given, keys, strict=True))
        assert sorted(found) == sorted(values[:, 0])


@pytest.mark.parametrize("n_own", [0, 1, 5, 8, 9, 12, 16])
def test_a_molecule_of_more_than_half_of_the_rows_keeps_some(n_own: int) -> None:
    n = 16
    keys = ["A" if i < n_own else f"K{i}" for i in range(n)]
    block = {"m": MatrixBlock(np.arange(float(n))[:, None], np.ones(n, dtype=bool))}
    for seed in range(5):
        missing = Missing(0.0, shuffled=True, seed=seed)
        found = permuted(missing, MoleculeNames(keys, keys), block)["m"].values[:, 0]
        kept = [key for key, row in zip(keys, found, strict=True) if keys[int(row)] == key]
        assert kept == ["A"] * max(2 * n_own - n, 0)


def test_each_row_is_given_that_of_as_many_on_as_the_largest_group_has() -> None:
    keys = ["B", "A", "C", "A", "D", "E"]
    values = np.arange(6.0)[:, None]
    block = {"m.x": MatrixBlock(values, np.array([True] * 5 + [False]))}
    found = permuted(Missing(0.0, shuffled=True, seed=3), MoleculeNames(keys, keys), block)["m.x"]
    order = np.argsort(uniform(3, keys[:5], "shuffle m"), kind="stable").tolist()
    for i, row in enumerate(order):
        assert found.values[row, 0] == order[(i + 2) % 5]
    assert found.values[5, 0] == 5


def test_shuffling_keeps_to_the_modalities_that_are_named() -> None:
    missing = Missing(0.0, modalities=("expression",), shuffled=True)
    found = permuted(missing, molecules(), blocks())
    same = {
        name: np.array_equal(found[name].values, block.values, equal_nan=True)
        for name, block in blocks().items()
    }
    assert same == {"morphology": True, "expression": False, "viability.a": True}
