"""Labelled assays: sparse, joined by molecule, left out as cells are, and never taken for cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chmr_bench.cells import Atlas, ProfileTable, assay_block, merge
from chmr_bench.cells.assays import AssayBlock, joined
from chmr_bench.cells.sources import atlas_of_table, check_atlas
from chmr_bench.contracts import AtlasSpec, MatrixBlock
from chmr_bench.errors import DataError
from chmr_bench.features.cache import molecule_keys

NAN = np.nan


def block(rows: list[list[float]], *names: str) -> AssayBlock:
    """Return a block of rows with NaN where nothing was measured."""
    values = np.array(rows, dtype=np.float32)
    at = np.nonzero(~np.isnan(values))
    return assay_block(*at, values[at], len(values), names or ("a", "b"))


def entries(assays: AssayBlock) -> list[list[float | None]]:
    values = assays.dense(np.arange(len(assays)))
    return [[None if np.isnan(v) else float(v) for v in row] for row in values]


def test_a_measured_zero_is_not_a_hole() -> None:
    made = block([[0, NAN], [NAN, NAN], [1, 0]])
    assert made.values.nnz == 3
    taken = made.take(np.array([2, 1, 0]))
    assert entries(taken) == [[1, 0], [None, None], [0, None]]
    assert taken.observed_rows.tolist() == [True, False, True]


def test_measurements_of_one_molecule_are_averaged_and_differences_counted() -> None:
    one, other = block([[0, NAN], [1, 5]]), block([[NAN, 7], [1, NAN]])
    both, conflicts = joined([(one, np.array([0, 0])), (other, np.array([0, -1]))], 2)
    assert entries(both) == [[0.5, 6], [None, None]]
    assert conflicts == 2


def test_names_and_numbers_must_be_right() -> None:
    with pytest.raises(DataError, match="1 different names for 2 columns"):
        block([[0, 1]], "a", "a")
    with pytest.raises(DataError, match="not finite"):
        block([[0, np.inf]])


def made_atlas(home: object) -> Atlas:
    """Return an atlas of a salt with its acid, and of an alcohol."""
    smiles = ("CC(=O)[O-].[Na+]", "CC(=O)O", "CCO")
    table = ProfileTable(smiles, {}, assays={"assay.toy": block([[0, NAN], [1, 5], [NAN, 2]])})
    return atlas_of_table("toy", table)


def test_forms_are_one_molecule_and_are_left_out_in_every_form(home: object) -> None:
    atlas = made_atlas(home)
    assert len(atlas) == 2
    assert atlas.counts["other_forms"] == atlas.counts["conflicts"] == 1
    assert entries(atlas.assays["assay.toy"]) == [[0.5, 5], [None, 2]]
    rest = atlas.without(molecule_keys(["CC(=O)[O-].[K+]"], n_jobs=1))
    assert rest.smiles == ("CCO",)
    assert entries(rest.assays["assay.toy"]) == [[None, 2]]
    assert rest.digest() != atlas.digest() != replace(atlas, assays={}).digest()


def test_assays_and_cells_are_merged_side_by_side(home: object) -> None:
    cells = ProfileTable(
        ("CCO", "CCN"), {"growth": MatrixBlock(np.ones((2, 1)), np.ones(2, dtype=bool))}
    )
    both = merge([atlas_of_table("cells", cells), made_atlas(home)])
    assert both.smiles == ("CCO", "CCN", "CC(=O)[O-].[Na+]")
    assert both.modalities == ("growth",)
    assert entries(both.assays["assay.toy"]) == [[None, 2], [None, None], [0.5, 5]]
    twice = merge([made_atlas(home), made_atlas(home)])
    assert entries(twice.assays["assay.toy"]) == [[0.5, 5], [None, 2]]


def test_the_contract_says_which_are_assays(home: object) -> None:
    atlas = made_atlas(home)
    spec = AtlasSpec("toy", "Toy", "nowhere:load", ("assay.toy",), kind="assays")
    check_atlas(spec, atlas)
    with pytest.raises(DataError, match=r"registered as cells, .*assays are not cells"):
        check_atlas(replace(spec, kind="cells"), atlas)
    with pytest.raises(DataError, match="3 rows, expected 2"):
        replace(atlas, assays={"assay.toy": block([[0, 1]] * 3)})
