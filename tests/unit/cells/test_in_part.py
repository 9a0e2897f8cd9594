"""Profiles measured in part: every entry for itself, from a folder to a merged atlas."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from chmr_bench import DataError, MatrixBlock
from chmr_bench.cells import Atlas, ProfileTable, merge
from chmr_bench.cells.graph import ContextGraph, GraphSettings, build
from chmr_bench.cells.merging import mean_observed, one_row_a_molecule
from chmr_bench.cells.propagation import borrow, propagate
from chmr_bench.cells.sources import atlas_of_table, open_atlas
from chmr_bench.cells.sources.opening import measured
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.features.tanimoto import Neighbours

NAN = np.nan
COLUMNS = ("a", "b")


def in_part(*rows: list[float], names: tuple[str, ...] = COLUMNS) -> MatrixBlock:
    values = np.array(rows, dtype=np.float32)
    return MatrixBlock(values, np.isfinite(values), names)


def atlas(name: str, keys: str, block: MatrixBlock) -> Atlas:
    return Atlas(name, tuple(keys), tuple(keys), {"growth": block})


def test_each_entry_is_the_mean_of_its_measurements() -> None:
    """A: calls 1 and 0 in a, a single 1 in b; B: nothing in b. Row 3 is of no molecule."""
    table = ProfileTable(
        ("s0", "s1", "s2", "s3"), {"growth": in_part([1, NAN], [0, 1], [1, NAN], [9, 9])}
    )
    found = one_row_a_molecule("toy", table, ["A", "A", "B", ""], lambda smiles: [""] * len(smiles))
    block = found.blocks["growth"]
    assert np.array_equal(block.values, [[0.5, 1], [1, NAN]], equal_nan=True)
    assert block.observed.tolist() == [[True, True], [True, False]]
    assert found.counts == {"rows": 4, "without_key": 1, "repeated": 1, "conflicts": 1}


def test_what_is_measured_in_full_counts_as_that() -> None:
    block, conflicts = mean_observed([(in_part([1, 2], [NAN, NAN]), np.array([0, 1]))], 3)
    assert block.observed.tolist() == [True, False, False]
    assert (block.in_part, conflicts) == (False, 0)


def test_the_mean_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    n = 40
    pieces = []
    for _ in range(3):
        values = rng.integers(0, 2, (60, 5)).astype(np.float32)
        values[rng.random(values.shape) < 0.5] = NAN
        pieces.append((in_part(*values, names=tuple("abcde")), rng.integers(-1, n, 60)))
    block, conflicts = mean_observed(pieces, n)
    expected, n_conflicts = np.full((n, 5), NAN), 0
    for i in range(n):
        for j in range(5):
            seen = [v for b, t in pieces for v in np.asarray(b.values)[t == i, j] if np.isfinite(v)]
            if seen:
                expected[i, j] = np.mean(seen)
                n_conflicts += len(set(seen)) > 1
    np.testing.assert_allclose(block.values, expected, rtol=1e-6)
    assert conflicts == n_conflicts
    assert np.array_equal(block.observed, np.isfinite(expected))


def test_contradicting_profiles_of_two_sources_are_averaged_and_counted() -> None:
    one, two = atlas("one", "AB", in_part([1, NAN], [NAN, 0])), atlas("two", "A", in_part([0, 1]))
    found = merge([one, two])
    assert np.array_equal(found.blocks["growth"].values, [[0.5, 1], [NAN, 0]], equal_nan=True)
    assert found.counts == {"shared": 1, "conflicts": 1}


def test_leaving_out_and_taking_keep_the_entries() -> None:
    left = atlas("one", "ABC", in_part([1, NAN], [NAN, 0], [1, 1])).without(
        MoleculeKeys(("A",), ("",))
    )
    assert left.keys == ("B", "C")
    assert left.blocks["growth"].observed.tolist() == [[False, True], [True, True]]


def test_the_digest_follows_entries_and_nothing_that_is_not_measured() -> None:
    block = in_part([1, NAN], [2, 3])
    first = atlas("one", "AB", block)
    other = np.array(block.values)
    other[0, 1] = 7  # not observed: holds nothing
    assert atlas("two", "AB", MatrixBlock(other, block.observed, COLUMNS)).digest() == (
        first.digest()
    )
    assert atlas("two", "AB", in_part([1, 3], [2, NAN])).digest() != first.digest()
    full = in_part([1, 2], [3, 4])
    rows = MatrixBlock(full.values, np.ones(2, dtype=bool), COLUMNS)
    assert atlas("x", "AB", full).digest() != atlas("x", "AB", rows).digest()


def test_an_atlas_checks_the_shape_of_observed() -> None:
    values = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(DataError, match="2 rows, expected 2"):
        atlas("one", "AB", MatrixBlock(values, np.ones((2, 2), dtype=bool)))


def test_empty_rows_columns_constants_and_infinities(home: Path) -> None:
    """Row 1 and column b hold nothing; column c is constant and stays; infinity is no number."""
    values = np.array([[1, NAN, 5], [NAN, NAN, NAN], [np.inf, NAN, 5]], dtype=np.float32)
    block = MatrixBlock(values, np.ones(values.shape, dtype=bool), ("a", "b", "c"))
    found = measured(block)
    assert found.names == ("a", "c")
    assert found.observed.tolist() == [[True, True], [False, False], [False, True]]
    opened = atlas_of_table("toy", ProfileTable(("CCO", "CCN", "CCC"), {"x": block}))
    assert opened.counts == {"infinite_values": 1, "rows": 3}
    assert opened.blocks["x"].observed_rows.tolist() == [True, False, True]
    nothing = MatrixBlock(values * NAN, np.ones(values.shape, dtype=bool))
    with pytest.raises(DataError, match="no molecule has a finite number"):
        atlas_of_table("toy", ProfileTable(("CCO", "CCN", "CCC"), {"x": nothing}))


# --------------------------------------------------------------------------------------- from files


def folder_with(tmp_path: Path, **arrays: object) -> Path:
    text = b"smiles\nCCO\nCCN\nOCC\n"
    (tmp_path / "index.csv.gz").write_bytes(gzip.compress(text))
    np.savez(tmp_path / "GROWTH_feature.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path


VALUES = np.array([[1, NAN], [NAN, 0], [0, NAN]])


def test_a_folder_says_that_profiles_are_in_part(home: Path, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, data=VALUES, observed=np.isfinite(VALUES))
    found = open_atlas(folder, FetchOptions(offline=True))
    assert np.array_equal(found.blocks["growth"].values, [[0.5, NAN], [NAN, 0]], equal_nan=True)
    assert found.counts == {"rows": 3, "repeated": 1, "conflicts": 1}


def test_without_saying_so_holes_are_imputed_as_ever(home: Path, tmp_path: Path) -> None:
    found = open_atlas(folder_with(tmp_path, data=VALUES), FetchOptions(offline=True))
    assert not found.blocks["growth"].in_part
    assert found.counts["filled_values"] == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"observed": np.ones(3, dtype=bool)}, r"'observed' is bool \(3,\); expected bool \(3, 2"),
        ({"observed": np.ones((3, 2))}, "'observed' is float64"),
        ({"observed": np.array([[{}]], dtype=object)}, "[Oo]bject arrays cannot be loaded"),
    ],
)
def test_an_observed_array_that_is_none(
    tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_atlas(folder_with(tmp_path, data=VALUES, **arrays), FetchOptions(offline=True))


def test_an_index_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, data=VALUES)
    text = "smiles,name\nCCO,é\nCCN,b\nOCC,c\n".encode("latin-1")
    (folder / "index.csv.gz").write_bytes(gzip.compress(text))
    with pytest.raises(DataError, match=r"index\.csv\.gz.*decode.*expected a CSV table in UTF-8"):
        open_atlas(folder, FetchOptions(offline=True))


# ---------------------------------------------------------------------------- who cannot read them


def test_full_profiles_alone_are_refused_in_one_line() -> None:
    block = in_part([1, NAN], [NAN, NAN])
    with pytest.raises(DataError) as refused:
        block.complete_rows("growth", "mine")
    assert str(refused.value) == (
        "block 'growth' is measured in part (50% of the entries of its molecules) and mine reads "
        "full profiles alone; take one that reads entry by entry, or read-outs that are measured "
        "in full"
    )
    full = MatrixBlock(np.ones((2, 1)), np.ones(2, dtype=bool))
    assert full.complete_rows("growth", "mine").tolist() == [True, True]


# ------------------------------------------------------------------------- neighbours and the graph


def graph_of(block: MatrixBlock, fewest: int = 2) -> ContextGraph:
    n = len(block)
    found = Atlas("toy", tuple("C" * (i + 1) for i in range(n)), tuple(map(str, range(n))), {})
    found = replace(found, blocks={"growth": block})
    settings = GraphSettings(neighbours=0, min_columns=fewest)
    bits = np.zeros((n, 1), dtype=np.uint64)
    return build(found, bits, settings, n_jobs=1)


def test_a_link_with_a_profile_weighs_its_share_of_the_entries() -> None:
    links = graph_of(in_part([1, NAN, NAN, NAN], [1, 2, 3, 4], [NAN] * 4, names=()))
    assert links.offsets.tolist() == [0, 3, 5]  # molecule 2 has no profile
    ends = {int(i): float(w) for i, w in zip(links.indices, links.weights, strict=True)}
    assert (ends[3], ends[4]) == (0.25, 1.0)


def test_profiles_that_share_no_entry_are_not_alike() -> None:
    """0 and 1 are equal where both were measured; 2 has other columns, and 3 too few."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 8)).astype(np.float32)
    values[1] = values[0]
    values[2] = values[0]
    values[0, 4:], values[1, 4:], values[2, :4] = NAN, NAN, NAN
    values[3] = values[0]
    values[3, 1:] = NAN
    links = graph_of(in_part(*values, names=()), fewest=4)
    first = int(links.offsets[1])

    def alike(i: int) -> set[int]:
        near = links.indices[links.indptr[first + i] : links.indptr[first + i + 1]]
        return {int(node) - first for node in near if node >= first}

    assert 1 in alike(0)
    assert not {2, 3} & alike(0)
    assert not alike(3)


def test_propagation_entry_by_entry_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    n, d, k = 30, 70, 4
    values = rng.normal(size=(n, d)).astype(np.float32)
    seen = rng.random((n, d)) < 0.3
    near = Neighbours(
        np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)], np.int32),
        rng.random((n, k)).astype(np.float32),
    )
    made = propagate(np.where(seen, values, NAN), seen, near, 2)
    x, there = np.where(seen, values, 0.0).astype(np.float64), seen.copy()
    for _ in range(2):
        before, had = x.copy(), there.copy()
        for i in range(n):
            for j in np.flatnonzero(~seen[i]):
                rows = [r for r in range(k) if had[near.rows[i, r], j]]
                if rows:
                    w = near.similarity[i, rows].astype(np.float64)
                    x[i, j] = (w * before[near.rows[i, rows], j]).sum() / w.sum()
                    there[i, j] = True
    np.testing.assert_array_equal(made.reached, there)
    np.testing.assert_allclose(made.values, np.where(there, x, NAN), rtol=2e-4, atol=1e-5)
    np.testing.assert_array_equal(made.values[seen], values[seen])
    one = borrow(values, seen, near)
    alone = propagate(np.where(seen, values, NAN), seen, near, 1)
    np.testing.assert_array_equal(one.values[~seen], alone.values[~seen])


def test_all_or_no_entries_are_propagated_as_rows_are() -> None:
    rng = np.random.default_rng(0)
    values, rows = rng.normal(size=(20, 5)), rng.random(20) < 0.5
    places = np.array([np.delete(np.arange(20), i)[:3] for i in range(20)], np.int32)
    near = Neighbours(places, rng.random((20, 3)).astype(np.float32))
    by_row = propagate(values, rows, near, 3)
    by_entry = propagate(values, np.repeat(rows[:, None], 5, axis=1), near, 3)
    np.testing.assert_array_equal(by_entry.values, by_row.values)
    np.testing.assert_array_equal(by_entry.reached[:, 0], by_row.reached)
    with pytest.raises(DataError, match=r"row 1 .* no number"):
        propagate(np.array([[1.0, 2], [NAN, 1]]), np.ones((2, 2), bool), Neighbours(*_two()), 1)


def _two() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    return np.array([[1], [0]], np.int32), np.ones((2, 1), np.float32)
