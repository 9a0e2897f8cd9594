"""The levels at which two rows are one molecule."""

from __future__ import annotations

import pytest
from rdkit import Chem

from chmr_bench.features import cache
from chmr_bench.features.identity import _parent, murcko
from chmr_bench.features.molecules import parse

ALUMINIUM = "O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3"


def equal_at(first: str, second: str) -> set[str]:
    found = cache.identities([first, second], n_jobs=1)
    return {level for level, (a, b) in found.items() if a == b != ""}


@pytest.mark.parametrize(
    ("first", "second", "levels"),
    [
        ("OCC", "CCO", {"smiles", "parent"}),  # one text
        ("CC(=O)[O-].[Na+]", "CC(=O)O", {"parent"}),  # salt and charge
        ("C[NH2+]C.[Cl-]", "CNC", {"parent"}),
        ("C[C@H](N)c1ccccc1", "C[C@@H](N)c1ccccc1", {"scaffold"}),  # stereo marks are kept
        ("Cc1ccccc1", "CCc1ccccc1", {"scaffold"}),
        ("c1ccccc1", "c1ccncc1", set()),
        # a besylate: the ring of its acid makes no other scaffold
        ("CCNCc1ccccn1.OS(=O)(=O)c1ccccc1", "CCNCc1ccccn1", {"parent", "scaffold"}),
    ],
)
def test_levels_of_a_pair(first: str, second: str, levels: set[str]) -> None:
    assert equal_at(first, second) == levels


def test_a_molecule_without_a_ring_has_no_scaffold() -> None:
    chain, ring = cache.identities(["CCO", "c1ccccc1"], n_jobs=1)["scaffold"]
    assert chain == ""
    assert len(bytes.fromhex(ring)) == 16


def test_a_molecule_that_the_standardiser_refuses_is_its_own_parent() -> None:
    refused = "F[Cl](F)(F)(F)(F)(F)F"
    found = cache.identities([ALUMINIUM, refused], n_jobs=1)["parent"]
    assert all(found)
    assert len(set(found)) == 2


def test_parents_are_those_of_rdkit() -> None:
    from rdkit.Chem.MolStandardize import rdMolStandardize

    smiles = [
        "C[N+](C)(C)CC([O-])=O.Cl",
        "OC(=O)CC.CCN",
        "CS(=O)C",
        "[Na]OC(=O)c1ccccc1",
        "CN(=O)=O",
    ]
    for text in smiles:
        fragment = rdMolStandardize.FragmentParent(parse(text))
        expected = rdMolStandardize.Uncharger().uncharge(fragment)
        assert Chem.MolToSmiles(_parent(parse(text))) == Chem.MolToSmiles(expected)


def test_the_scaffold_of_stereoisomers_is_flat_when_asked() -> None:
    pair = ["C[C@H]1C[C@@H](c2ccccc2)CN1c1ccccc1", "C[C@H]1C[C@H](c2ccccc2)CN1c1ccccc1"]
    assert len({murcko(parse(s), chirality=False) for s in pair}) == 1
    assert len({murcko(parse(s), chirality=True) for s in pair}) == 2
