"""Connectivity keys and neutral parents: equal where two rows are one molecule."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdkit import Chem

from chmr_bench.features.cache import connectivity_keys, keys_of, neutral_parent_keys
from chmr_bench.features.groups import molecule_groups
from chmr_bench.features.identity import connectivity


def test_keys_are_the_first_block_of_the_inchikey() -> None:
    smiles = ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]"]
    expected = tuple(Chem.MolToInchiKey(Chem.MolFromSmiles(s))[:14] for s in smiles)
    assert keys_of(connectivity(smiles)) == expected


def test_stereoisomers_share_a_key_and_isomers_do_not() -> None:
    left, right, other = keys_of(connectivity(["C[C@H](N)O", "C[C@@H](N)O", "NCCO"]))
    assert left == right != other


def test_without_an_inchi_the_key_is_empty_and_unobserved() -> None:
    block = connectivity(["*CCO", "CCO"])
    assert block.observed.tolist() == [False, True]
    assert keys_of(block)[0] == ""


def test_the_forbidden_valence_has_a_key() -> None:
    assert keys_of(connectivity(["F(C)(C)C"])) != ("",)


def test_no_molecule_no_key() -> None:
    assert keys_of(connectivity([])) == ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)O"),
        ("C[NH+](C)C.[Cl-]", "CN(C)C"),
        ("C[N+](C)(C)CC(=O)O.[Br-]", "C[N+](C)(C)CC(=O)[O-]"),
        ("Brc1[n-]nc2ccccc12", "Brc1n[nH]c2ccccc12"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CCO.CC(=O)C(=O)O", "CC(=O)C(=O)O"),
    ],
)
def test_salts_and_charges_have_one_neutral_parent(left: str, right: str) -> None:
    one, other = neutral_parent_keys([left, right])
    assert one == other != ""


def test_other_molecules_have_other_parents_and_a_dummy_atom_has_none() -> None:
    keys = neutral_parent_keys(["CCO", "COC", "c1ccccc1.[Na+]", "*C"])
    assert len(set(keys)) == 4
    assert keys[3] == ""


def test_neutral_parents_are_cached(tmp_path: Path) -> None:
    smiles = ["CC(=O)[O-].[Na+]", "CCO"]
    first = neutral_parent_keys(smiles, cache=tmp_path)
    [file] = tmp_path.rglob("*.npz")
    assert file.parent.name == "neutral_parent"
    assert neutral_parent_keys(smiles, cache=tmp_path) == first


def test_rows_are_one_molecule_where_either_key_agrees() -> None:
    smiles = ["CC(=O)[O-].[Na+]", "CC(=O)O", "C[C@H](N)O", "C[C@@H](N)O", "*C", "*C"]
    groups = molecule_groups([connectivity_keys(smiles), neutral_parent_keys(smiles)])
    assert groups.tolist() == [0, 0, 1, 1, 2, 3]


def test_most_rows_of_chembl2k_and_their_compounds_in_jump_are_one_molecule(mirror: Path) -> None:
    import pandas as pd

    rows = pd.read_csv(mirror / "chembl2k" / "assays.csv.gz")
    jump = pd.read_csv(mirror / "cells" / "jump_map" / "JUMPCP_compounds.csv.gz")
    pairs = rows.merge(jump, on="Metadata_JCP2022").head(300)
    smiles = [*pairs["smiles_x"], *pairs["smiles_y"]]
    own, parents = (
        sum(a == b for a, b in zip(keys[: len(pairs)], keys[len(pairs) :], strict=True))
        for keys in (connectivity_keys(smiles), neutral_parent_keys(smiles))
    )
    assert own < 0.85 * len(pairs)
    assert parents > 0.98 * len(pairs)
