"""Connectivity keys: equal for stereoisomers, different for constitutional isomers."""

from __future__ import annotations

from rdkit import Chem

from chmr_bench.features.connectivity import connectivity, keys_of


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
