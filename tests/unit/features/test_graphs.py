"""Graphs are those of the Open Graph Benchmark, feature by feature and edge by edge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from chmr_bench.features import graphs

PARITY = Path(__file__).resolve().parents[4] / "shared" / "parity"


@pytest.mark.parametrize("model", ["chmr", "infoalign"])
def test_graphs_are_the_published_ones(model: str) -> None:
    folder = PARITY / model
    if not (folder / "graphs.safetensors").is_file():
        pytest.skip("the golden graphs of the published code are not here")
    load_file = pytest.importorskip("safetensors.numpy").load_file
    golden = load_file(folder / "graphs.safetensors")
    smiles = json.loads((folder / "meta.json").read_text())["smiles"]
    block = graphs.graph(smiles)
    atoms_before = np.repeat(block.atom_offsets[:-1], np.diff(block.bond_offsets))
    np.testing.assert_array_equal(block.atoms, golden["x"])
    np.testing.assert_array_equal(block.bonds, golden["edge_attr"])
    np.testing.assert_array_equal(block.edges + atoms_before, golden["edge_index"])
    molecule = np.repeat(np.arange(len(smiles)), np.diff(block.atom_offsets))
    np.testing.assert_array_equal(molecule, golden["batch"])


def test_ethanol_by_hand() -> None:
    block = graphs.graph(["CCO"])
    # atomic number - 1, chirality, degree with hydrogens, charge + 5, hydrogens, radicals, SP3 = 2
    assert block.atoms.tolist() == [
        [5, 0, 4, 5, 3, 0, 2, 0, 0],
        [5, 0, 4, 5, 2, 0, 2, 0, 0],
        [7, 0, 2, 5, 1, 0, 2, 0, 0],
    ]
    assert block.edges.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert block.bonds.tolist() == [[0, 0, 0]] * 4


def test_benzene_is_aromatic_conjugated_and_a_ring() -> None:
    block = graphs.graph(["c1ccccc1"])
    assert block.atoms[:, 7:].tolist() == [[1, 1]] * 6
    assert block.bonds.tolist() == [[3, 0, 1]] * 12


@pytest.mark.parametrize(
    ("smiles", "column", "expected"),
    [
        ("*", 0, 118),
        ("[Og]", 0, 117),
        ("N[C@@H](C)O", 1, 1),
        ("N[C@H](C)O", 1, 2),
        ("[Fe+6]", 3, 11),
        ("[C-4]", 3, 1),
        ("[CH3]", 5, 1),
        ("F[P](F)(F)(F)F", 6, 3),
        ("FS(F)(F)(F)(F)F", 6, 4),
        ("[H][H]", 6, 5),
        ("C#C", 6, 0),
    ],
)
def test_a_value_takes_its_position(smiles: str, column: int, expected: int) -> None:
    assert expected in graphs.graph([smiles]).atoms[:, column].tolist()


@pytest.mark.parametrize(
    ("smiles", "kind", "stereo"),
    [("C/C=C/C", 1, 2), ("C/C=C\\C", 1, 1), ("C#N", 2, 0), ("CC(C)->[Fe]", 4, 0)],
)
def test_bond_features(smiles: str, kind: int, stereo: int) -> None:
    found = graphs.graph([smiles]).bonds[:, :2].tolist()
    assert found.count([kind, stereo]) == 2  # a bond stands twice


def test_every_feature_stays_inside_its_vocabulary() -> None:
    strange = ["O=C1O[Al]23(OC1=O)(OC(=O)C(=O)O2)OC(=O)C(=O)O3", "[U+9]", "*~*", "[2H]C", "C" * 300]
    block = graphs.graph(strange)
    assert (block.atoms >= 0).all()
    assert (block.atoms < np.array(graphs.ATOM_SIZES)).all()
    assert (block.bonds < np.array(graphs.BOND_SIZES)).all()


def test_each_bond_stands_twice_with_equal_features() -> None:
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]"]
    block = graphs.graph(smiles)
    n_bonds = [Chem.MolFromSmiles(s).GetNumBonds() for s in smiles]
    assert np.diff(block.bond_offsets).tolist() == [2 * b for b in n_bonds]
    np.testing.assert_array_equal(block.edges[:, 0::2], block.edges[::-1, 1::2])
    np.testing.assert_array_equal(block.bonds[0::2], block.bonds[1::2])


def test_no_molecule_and_no_bond_keep_their_shapes() -> None:
    none, bare = graphs.graph([]), graphs.graph(["C"])
    assert (none.atoms.shape, none.bonds.shape, none.edges.shape) == ((0, 9), (0, 3), (2, 0))
    assert (bare.atoms.shape, bare.bonds.shape, bare.edges.shape) == ((1, 9), (0, 3), (2, 0))
