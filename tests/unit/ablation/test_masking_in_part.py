"""Masking and imputing profiles measured in part: a molecule loses all of it, or nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.ablation.imputation import MaskedRows, impute
from chmr_bench.ablation.masking import counts, imputed, mask
from chmr_bench.ablation.missing import (
    Fill,
    Mechanism,
    Missing,
    MoleculeNames,
    masked_entries,
    permuted,
)
from chmr_bench.contracts import MatrixBlock

NAN = np.nan
N, D = 40, 6
NAMES = MoleculeNames(tuple(f"C{i}" for i in range(N)), tuple(f"K{i:013d}" for i in range(N)))
FILLS: tuple[Fill, ...] = ("none", "zero", "mean", "neighbour", "propagation")


def block(fill: float = NAN) -> MatrixBlock:
    """Return profiles of which half the entries were measured, row 0 nothing, column 5 never."""
    rng = np.random.default_rng(0)
    there = rng.random((N, D)) < 0.5
    there[0], there[:, 5] = False, False
    return MatrixBlock(np.where(there, rng.normal(size=(N, D)), fill), there)


def bits() -> sparse.csr_array:
    return sparse.csr_array((np.random.default_rng(1).random((N, 64)) < 0.3).astype(np.uint8))


@pytest.mark.parametrize("mechanism", ["random", "asymmetric", "activity"])
def test_what_is_masked_is_masked_in_every_entry(mechanism: Mechanism) -> None:
    blocks = {"growth": block(), "fitness": block()}
    masked = mask(Missing(0.5, mechanism=mechanism), NAMES, blocks)
    for name, left in masked.blocks.items():
        gone = masked.holes[name]
        assert 0 < gone.sum() < N
        assert not (gone & ~blocks[name].observed_rows).any()
        np.testing.assert_array_equal(left.observed, blocks[name].observed & ~gone[:, None])
        assert np.isnan(np.asarray(left.values)[gone]).all()
    entry = counts(blocks, masked, masked.blocks)["growth"]
    assert entry["observed"] == block().observed_rows.sum()
    assert entry["hidden"] == masked.holes["growth"].sum()


def test_a_phenotype_is_as_strong_as_its_entries_and_not_as_many() -> None:
    """Molecules 0 and 1 are as strong; the first has one entry, the second two."""
    values = np.array([[3.0, NAN], [3, 3], [0, 0], [0.1, NAN], [-3, -3], [-3, NAN]])
    names = MoleculeNames(tuple("abcdef"), tuple("abcdef"))
    blocks = {"x": MatrixBlock(values, ~np.isnan(values))}
    gone = masked_entries(Missing(2 / 6, mechanism="activity"), names, blocks)["x"]
    assert gone.tolist() == [False, False, True, True, False, False]


def test_permuted_profiles_keep_their_entries() -> None:
    before = block()
    after = permuted(Missing(0.0, shuffled=True), NAMES, {"growth": before})["growth"]
    np.testing.assert_array_equal(after.observed, np.isfinite(np.asarray(after.values)))
    np.testing.assert_array_equal(after.observed_rows, before.observed_rows)
    assert after.observed.sum() == before.observed.sum()
    assert not np.array_equal(after.observed, before.observed)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("donated", [False, True])
def test_entries_are_imputed_from_entries(fill: Fill, donated: bool) -> None:
    """Other numbers where nothing was measured change nothing; what nobody has stays open."""
    rows = np.arange(N) % 3 == 0

    def made(poison: float) -> MatrixBlock:
        holes = MaskedRows(emptied(block(poison), rows), rows, bits)
        return impute(fill, holes, holes if donated else None)

    one, two = made(NAN), made(77.0)
    np.testing.assert_array_equal(one.observed, two.observed)
    first, second = (np.where(b.observed, b.values, 0) for b in (one, two))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
    kept = block().observed & ~rows[:, None]
    np.testing.assert_array_equal(one.observed[~rows], kept[~rows])
    if fill == "none":
        assert not one.observed[rows].any()
    elif fill != "zero":
        assert not one.observed[:, 5].any()
        assert one.observed[rows].any()
    if fill == "mean":
        expected = np.nanmean(np.where(kept, block().values, NAN)[:, :5], axis=0)
        np.testing.assert_allclose(np.asarray(one.values)[0, :5], expected)


def emptied(given: MatrixBlock, rows: Any) -> MatrixBlock:
    return MatrixBlock(given.values, given.observed & ~rows[:, None])


@pytest.mark.parametrize(("fill", "shuffled"), list(itertools.product(FILLS, [False, True])))
def test_with_every_entry_measured_nothing_is_other_than_by_rows(
    fill: Fill, shuffled: bool
) -> None:
    rng = np.random.default_rng(3)
    rows = rng.random(N) < 0.7
    values = np.where(rows[:, None], rng.normal(size=(N, D)), NAN)
    missing = Missing(0.5, fill=fill, shuffled=shuffled)
    found = []
    for seen in (rows, np.repeat(rows[:, None], D, axis=1)):
        masked = mask(missing, NAMES, {"growth": MatrixBlock(values, seen)})
        found.append(imputed(fill, masked, bits)["growth"])
    np.testing.assert_array_equal(found[0].values, found[1].values)
    np.testing.assert_array_equal(found[0].observed_rows, found[1].observed_rows)
