"""Reading SMILES: what full sanitisation refuses is still read, what is no SMILES is refused."""

from __future__ import annotations

import pytest
from rdkit import Chem

from chmr_bench.errors import FeatureError
from chmr_bench.features import molecules

ALUMINIUM = "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"  # a row of HIV: valence 6
NOT_SMILES = ["C(", "hello world", "C1CC", "[Xx]", "", "   "]


def test_an_ordinary_molecule_is_read_as_rdkit_reads_it() -> None:
    smiles = "C[C@H](N)c1ccccc1.[Na+].[Cl-]"
    assert Chem.MolToSmiles(molecules.parse(smiles)) == Chem.CanonSmiles(smiles)
    assert molecules.strictly_parsable(smiles) is None


def test_a_forbidden_valence_is_read_with_rings_and_aromaticity() -> None:
    smiles = "c1ccccc1[B-2]2(C)=NCCO2"
    mol = molecules.parse(smiles)
    assert mol.GetRingInfo().NumRings() == 2
    assert sum(atom.GetIsAromatic() for atom in mol.GetAtoms()) == 6
    assert "valence" in str(molecules.strictly_parsable(smiles)).lower()


def test_kekule_rings_become_aromatic_although_the_valence_check_fails() -> None:
    mol = molecules.parse("C1=CC=CC=C1F(C)(C)")
    assert sum(atom.GetIsAromatic() for atom in mol.GetAtoms()) == 6


def test_an_explicit_hydrogen_is_removed_as_the_full_parser_does() -> None:
    assert molecules.parse("[H]F(C)(C)").GetNumAtoms() == 3


def test_stereo_survives_where_the_valence_check_fails() -> None:
    mol = molecules.parse("C[C@H](N)CF(C)(C)")
    assert mol.GetAtomWithIdx(1).GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED


def test_a_ring_that_cannot_be_kekulised_is_read_as_written() -> None:
    mol = molecules.parse("c1cccc1")
    assert mol.GetRingInfo().NumRings() == 1
    assert "kekulize" in str(molecules.strictly_parsable("c1cccc1")).lower()


@pytest.mark.parametrize("smiles", NOT_SMILES)
def test_what_is_no_smiles_is_refused_by_name(smiles: str) -> None:
    with pytest.raises(FeatureError) as caught:
        molecules.parse(smiles)
    assert repr(smiles) in str(caught.value)
    assert not molecules.is_parsable(smiles)
    assert molecules.strictly_parsable(smiles)


@pytest.mark.parametrize("value", [None, float("nan"), 7])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(FeatureError, match="expected a SMILES"):
        molecules.parse(value)  # type: ignore[arg-type]


def test_a_message_stays_short_for_a_long_text() -> None:
    with pytest.raises(FeatureError) as caught:
        molecules.parse("C" * 5000 + "(")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("smiles", ["C(", "F(C)(C)C", "c1cccc1"])
def test_rdkit_stays_silent(smiles: str, capfd: pytest.CaptureFixture[str]) -> None:
    molecules.is_parsable(smiles)
    molecules.strictly_parsable(smiles)
    written = capfd.readouterr()
    assert written.out + written.err == ""


def test_rdkit_speaks_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    molecules.is_parsable("C(")
    Chem.MolFromSmiles("C(")
    assert "SMILES Parse Error" in capfd.readouterr().err


@pytest.mark.parametrize("smiles", ["[#119]", "C[#200]", "C\udc80", "[#0"])
def test_what_rdkit_fails_on_in_its_own_way_is_refused_by_name(smiles: str) -> None:
    with pytest.raises(FeatureError) as caught:
        molecules.parse(smiles)
    assert repr(smiles) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert molecules.strictly_parsable(smiles)


@pytest.mark.parametrize("smiles", ["C" * 1001, "C" * 20_000, "c1ccccc1" * 200, "C(" * 30_000])
def test_what_is_too_big_is_refused_by_name_and_quickly(smiles: str) -> None:
    with pytest.raises(FeatureError, match=r"too big|too many|not valid") as caught:
        molecules.parse(smiles)
    assert molecules.shown(smiles) in str(caught.value)
    assert molecules.strictly_parsable(smiles)


def test_the_largest_molecule_is_read() -> None:
    assert molecules.parse("C" * molecules.MAX_ATOMS).GetNumAtoms() == molecules.MAX_ATOMS
    assert molecules.strictly_parsable("C" * molecules.MAX_ATOMS) is None
