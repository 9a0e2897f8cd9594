"""Merging: one connectivity is one molecule, the first observed row stands, nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chmr_bench import DataError, MatrixBlock
from chmr_bench.cells import Atlas, Genes, ProfileTable, merge
from chmr_bench.cells.merging import first_observed, one_row_a_molecule
from chmr_bench.contracts import HeldRows
from chmr_bench.features.groups import MoleculeKeys

COLUMNS = ("a", "b")


def block(rows: Mapping[int, list[float]], n: int, names: tuple[str, ...] = COLUMNS) -> MatrixBlock:
    """Return n rows, those named observed."""
    values = np.full((n, len(names)), np.nan, dtype=np.float32)
    for row, numbers in rows.items():
        values[row] = numbers
    return MatrixBlock(values, ~np.isnan(values).all(axis=1), names)


def atlas(name: str, keys: str, **changes: Any) -> Atlas:
    return Atlas(name, tuple(f"{name}-{key}" for key in keys), tuple(keys), **changes)


def rows_of(found: Atlas, name: str) -> dict[str, list[float]]:
    seen = found.blocks[name]
    return {found.keys[i]: seen.values[i].tolist() for i in np.flatnonzero(seen.observed)}


def test_rows_of_one_molecule_become_one_and_are_counted() -> None:
    """Rows 0 and 2 are A (row 0 not observed), row 1 has no key, rows 3, 4, 5 are B."""
    found = one_row_a_molecule(
        "toy",
        ProfileTable(
            smiles=("s0", "s1", "s2", "s3", "s4", "s5"),
            blocks={"x": block({1: [9, 9], 2: [1, 1], 3: [2, 2], 4: [2, 2], 5: [3, 3]}, 6)},
            counts={"no_readout": 4},
        ),
        ["A", "", "A", "B", "B", "B"],
        lambda smiles: [""] * len(smiles),
    )
    assert (found.keys, found.smiles) == (("A", "B"), ("s0", "s3"))
    assert rows_of(found, "x") == {"A": [1, 1], "B": [2, 2]}
    assert found.counts == {
        "no_readout": 4, "rows": 6, "without_key": 1, "repeated": 3, "conflicts": 1
    }  # fmt: skip


PARENTS = {"acid": "ACID", "salt": "ACID", "other": "OTHER", "free": "OTHER", "ester": "ESTER"}


def table_of(*smiles: str) -> Atlas:
    """Return an atlas of molecules whose keys are their names, each with its place as its value."""
    rows = {i: [float(i), 0.0] for i in range(len(smiles))}
    table = ProfileTable(smiles, {"x": block(rows, len(smiles))})
    keys = [name.upper() for name in smiles]
    return one_row_a_molecule("toy", table, keys, lambda s: [PARENTS[t] for t in s])


def test_a_salt_and_its_acid_are_one_row_and_both_are_known() -> None:
    found = table_of("salt", "ester", "acid", "salt")
    assert found.smiles == ("salt", "ester")
    assert found.counts == {"rows": 4, "repeated": 2, "other_forms": 1, "conflicts": 2}
    assert rows_of(found, "x") == {"SALT": [0, 0], "ESTER": [1, 0]}
    assert found.every_key == ("ACID", "ESTER", "SALT")


def test_atlases_are_joined_through_any_form_of_a_molecule() -> None:
    """One holds the salt and another acid, two the acid: through its row both are in one."""
    merged = merge([table_of("ester", "salt"), table_of("free", "acid"), table_of("other")])
    assert merged.smiles == ("ester", "salt", "free")
    assert merged.counts["shared"] == 2
    assert merged.without(MoleculeKeys(("OTHER",), ("OTHER",))).smiles == ("ester", "salt")
    assert merged.without(MoleculeKeys(("X",), ("ACID",))).smiles == ("ester", "free")
    again = merge([merged, table_of("acid")])
    assert again.smiles == merged.smiles


def test_the_first_atlas_that_observed_a_molecule_stands() -> None:
    one = atlas("one", "AB", blocks={"x": block({0: [1, 1]}, 2)}, counts={"rows": 2})
    two = atlas("two", "CBA", blocks={"x": block({0: [5, 5], 1: [6, 6], 2: [7, 7]}, 3)})
    found = merge([one, two])
    assert found.name == "one+two"
    assert found.keys == ("A", "B", "C")
    assert found.smiles == ("one-A", "one-B", "two-C")
    assert rows_of(found, "x") == {"A": [1, 1], "B": [6, 6], "C": [5, 5]}
    assert found.counts == {"one.rows": 2, "shared": 2, "conflicts": 1}


def test_merging_an_atlas_with_itself_changes_nothing_and_is_no_conflict() -> None:
    one = atlas("one", "AB", blocks={"x": block({0: [1, np.nan], 1: [2, 3]}, 2)})
    found = merge([one, one])
    assert found.digest() == one.digest()
    assert found.counts["conflicts"] == 0
    assert merge([one]) is one


def test_equal_names_with_other_columns_are_distinct_by_source() -> None:
    one = atlas("one", "A", blocks={"x": block({0: [1, 1]}, 1), "y": block({0: [0, 0]}, 1)})
    two = atlas("two/Way", "B", blocks={"x": block({0: [2]}, 1, ("c",))})
    three = atlas("three", "B", blocks={"x": block({0: [3, 3]}, 1)})
    found = merge([one, two, three])
    assert list(found.blocks) == ["x.one", "x.two-way", "y"]
    assert found.modalities == ("x", "y")
    assert rows_of(found, "x.one") == {"A": [1, 1], "B": [3, 3]}
    assert rows_of(found, "x.two-way") == {"B": [2]}
    assert rows_of(found, "y") == {"A": [0, 0]}


def test_sources_of_one_name_do_not_swallow_each_other() -> None:
    one = atlas("same", "A", blocks={"x": block({0: [1, 1]}, 1)})
    two = atlas("same", "B", blocks={"x": block({0: [2]}, 1, ("c",))})
    assert list(merge([one, two]).blocks) == ["x.same", "x.same-2"]


def test_genes_are_joined_by_name() -> None:
    edge, weight = np.array([[0], [1]]), np.full(1, 0.5, dtype=np.float32)
    first = Genes(("10", "20"), {"orf": block({0: [1, 1]}, 2)}, edge, weight, {"p": 0})
    second = Genes(
        ("30", "20", "10"),
        {"orf": block({0: [3, 3], 1: [2, 2], 2: [9, 9]}, 3)},
        np.array([[2, 0], [1, 1]]),
        np.ones(2, dtype=np.float32),
        {"q": 0, "p": 1},
    )
    parts = [atlas(n, n, blocks={}, genes=g) for n, g in (("a", first), ("b", second), ("c", None))]
    found = merge(parts).genes
    assert found is not None
    assert found.names == ("10", "20", "30")
    assert found.blocks["orf"].values.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert found.edges.tolist() == [[0, 2], [1, 1]]  # 20-10 of the second is 10-20 of the first
    assert found.weights.tolist() == [0.5, 1.0]
    assert found.columns == {"p": 0, "q": 2}


def test_real_and_simulated_read_outs_are_not_mixed() -> None:
    parts = [atlas("one", "A", blocks={}), atlas("two", "B", blocks={}, synthetic=True)]
    with pytest.raises(DataError, match=r"one \(real\), two \(simulated\)"):
        merge(parts)
    with pytest.raises(DataError, match="no atlas"):
        merge([])


def test_of_what_few_molecules_have_no_row_of_others_is_held() -> None:
    few = atlas("few", "ab", blocks={"expression": block({0: [1, 2], 1: [3, 4]}, 2)})
    many = atlas("many", "bcdef", blocks={"growth": block({i: [i, 1] for i in range(5)}, 5)})
    merged = merge([few, many])
    held = merged.blocks["expression"].values
    assert isinstance(held, HeldRows)
    assert held.held.tolist() == [[1, 2], [3, 4]]
    assert not isinstance(merged.blocks["growth"].values, HeldRows)
    blocks = {name: replace(b, values=b.dense()) for name, b in merged.blocks.items()}
    laid_out = replace(merged, blocks=blocks)
    assert merged.digest() == laid_out.digest()
    rows = np.array([4, 1, 0])
    assert merged.take(rows).digest() == laid_out.take(rows).digest()


def test_first_observed_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    pieces, expected = [], {}
    for _ in range(3):
        values = rng.integers(0, 3, (40, 2)).astype(np.float32)
        observed, targets = rng.random(40) < 0.6, rng.integers(-1, 25, 40)
        pieces.append((MatrixBlock(values, observed), targets))
        for row in np.flatnonzero(observed & (targets >= 0)):
            expected.setdefault(int(targets[row]), values[row].tolist())
    found, conflicts = first_observed(pieces, 25)
    differing = sum(
        block.values[row].tolist() != expected[targets[row]]
        for block, targets in pieces
        for row in np.flatnonzero(block.observed & (targets >= 0))
    )
    assert {i: found.values[i].tolist() for i in np.flatnonzero(found.observed)} == expected
    assert np.isnan(found.values[~found.observed]).all()
    assert 0 < conflicts == differing
