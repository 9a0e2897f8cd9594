"""Connectivity keys and neutral parents: equal where two rows are one molecule."""

from __future__ import annotations

import pytest
from rdkit import Chem

from chmr_bench.features.cache import (
    connectivity_keys,
    keys_of,
    molecule_keys,
    neutral_parent_keys,
)
from chmr_bench.features.groups import MoleculeKeys, molecule_groups, plainly_neutral
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


def test_rows_are_one_molecule_where_either_key_agrees() -> None:
    smiles = ["CC(=O)[O-].[Na+]", "CC(=O)O", "C[C@H](N)O", "C[C@@H](N)O", "*C", "*C"]
    groups = molecule_groups([connectivity_keys(smiles), neutral_parent_keys(smiles)])
    assert groups.tolist() == [0, 0, 1, 1, 2, 3]


def test_molecule_keys_say_which_rows_are_a_molecule_of_others() -> None:
    """A row is found by its own key, by its parent's, and through a form between the two."""
    salts = molecule_keys(["CC(=O)[O-].[Na+]", "CC(=O)[O-].[K+]", "CCO", "*C"], n_jobs=1)
    assert salts.groups().tolist() == [0, 0, 1, 2]
    acid = MoleculeKeys(("known", ""), neutral_parent_keys(["CC(=O)O", "*C"], n_jobs=1))
    assert salts.among(acid).tolist() == [True, True, False, False]
    chain = MoleculeKeys(("a", "b", "c"), ("p", "p", "q"))
    assert chain.among(MoleculeKeys(("b",), ("q",))).tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("form", "parent"),
    [
        ("CC(=O)O[Na]", "CC(=O)O"),  # a metal drawn with a bond is cut off
        ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]"),
        ("CC(=O)[O-]", "CC(=O)O"),
        ("Clc1ccccc1", "Clc1ccccc1"),
    ],
)
def test_a_neutral_molecule_and_only_such_a_one_is_its_own_parent(form: str, parent: str) -> None:
    assert neutral_parent_keys([form]) == neutral_parent_keys([parent])
    assert neutral_parent_keys([form]) == connectivity_keys([parent])


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@@H](N)c1c[nH]c2cc(Br)ccc12",
        "[2H]C([2H])([2H])O",
        "[H]OC",
        "F/C=C\\Cl",
        "C1CC%12CCC1CC%12",
        "[13CH3:1]O",
        "CN(=O)=O",  # neutral as it is written: its own parent
        "F(C)(C)C",
        "Brc1n[nH]c2ccccc12",
        "O=S(=O)(N)P",
    ],
)
def test_a_parent_told_by_the_text_is_the_one_computed(smiles: str) -> None:
    assert plainly_neutral(smiles)
    known = connectivity_keys([smiles])
    assert neutral_parent_keys([smiles], known) == known == neutral_parent_keys([smiles])


@pytest.mark.parametrize(
    "smiles",
    ["CCO.Cl", "C[NH3+]", "[O-]C", "C[Na]", "CB(O)O", "c1ccb[nH]1", "*C", "[Se]C", "C name"],
)
def test_what_may_have_another_parent_is_computed(smiles: str) -> None:
    assert not plainly_neutral(smiles)
    assert neutral_parent_keys([smiles, "CCO"], ["other", "own"])[1] == "own"
    assert neutral_parent_keys([smiles, "CCO"], ["other", "own"])[0] != "other"
