"""Molecular graphs in the atom and bond features of the Open Graph Benchmark.

Hu et al., Open Graph Benchmark, NeurIPS 2020, arXiv 2005.00687. A feature is the position of a
value in its vocabulary; what no vocabulary lists takes the last position. The published encoders'
embedding tables have these sizes, so the order here must not change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from chmr_bench.contracts import GraphBlock
from chmr_bench.features.molecules import parse_all
from chmr_bench.types import IntArray

_CHIRALITY = Chem.ChiralType
_HYBRIDIZATION = Chem.HybridizationType
_BOND = Chem.BondType
_STEREO = Chem.BondStereo

CHIRALITIES = {
    _CHIRALITY.CHI_UNSPECIFIED: 0,
    _CHIRALITY.CHI_TETRAHEDRAL_CW: 1,
    _CHIRALITY.CHI_TETRAHEDRAL_CCW: 2,
    _CHIRALITY.CHI_OTHER: 3,
}
HYBRIDIZATIONS = {
    _HYBRIDIZATION.SP: 0,
    _HYBRIDIZATION.SP2: 1,
    _HYBRIDIZATION.SP3: 2,
    _HYBRIDIZATION.SP3D: 3,
    _HYBRIDIZATION.SP3D2: 4,
}
BOND_TYPES = {_BOND.SINGLE: 0, _BOND.DOUBLE: 1, _BOND.TRIPLE: 2, _BOND.AROMATIC: 3}
BOND_STEREOS = {
    _STEREO.STEREONONE: 0,
    _STEREO.STEREOZ: 1,
    _STEREO.STEREOE: 2,
    _STEREO.STEREOCIS: 3,
    _STEREO.STEREOTRANS: 4,
    _STEREO.STEREOANY: 5,
}

ATOM_SIZES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
"""Atomic number 1 to 118, chirality, degree 0 to 10, formal charge -5 to 5, hydrogens 0 to 8,
radical electrons 0 to 4, hybridisation (each of these with one position more for anything else),
aromatic, in a ring."""
BOND_SIZES = (5, 6, 2)
"""Type (and anything else), stereo, conjugated. OGB has no position for axial stereo, which
SMILES cannot write; it would take that of STEREOANY."""


def graph(smiles: Sequence[str]) -> GraphBlock:
    """Return the molecular graphs; the two directions of a bond follow each other, as in OGB."""
    atoms: list[int] = []  # raw values laid end to end: one conversion for the whole chunk
    bonds: list[int] = []
    atom_offsets, bond_offsets = [0], [0]
    for mol in parse_all(smiles):
        for atom in mol.GetAtoms():
            atoms += _atom_values(atom)
        for bond in mol.GetBonds():
            bonds += _bond_values(bond)
        atom_offsets.append(atom_offsets[-1] + mol.GetNumAtoms())
        bond_offsets.append(bond_offsets[-1] + 2 * mol.GetNumBonds())
    table = np.array(bonds, dtype=np.int64).reshape(-1, 2 + len(BOND_SIZES))
    ends = table[:, :2]  # (e / 2, 2)
    return GraphBlock(
        atoms=_positions(atoms),
        bonds=np.repeat(table[:, 2:], 2, axis=0),
        edges=np.stack([ends, ends[:, ::-1]], axis=1).reshape(-1, 2).T.copy(),
        atom_offsets=np.array(atom_offsets, dtype=np.int64),
        bond_offsets=np.array(bond_offsets, dtype=np.int64),
        observed=np.ones(len(smiles), dtype=bool),
    )


def _atom_values(atom: Chem.Atom) -> tuple[int, ...]:
    """Return the nine values of one atom, counted from the first of each vocabulary."""
    return (
        atom.GetAtomicNum() - 1,
        CHIRALITIES.get(atom.GetChiralTag(), 4),
        atom.GetTotalDegree(),
        atom.GetFormalCharge() + 5,
        atom.GetTotalNumHs(),
        atom.GetNumRadicalElectrons(),
        HYBRIDIZATIONS.get(atom.GetHybridization(), 5),
        atom.GetIsAromatic(),
        atom.IsInRing(),
    )


def _bond_values(bond: Chem.Bond) -> tuple[int, ...]:
    """Return begin, end and the three positions of one bond."""
    return (
        bond.GetBeginAtomIdx(),
        bond.GetEndAtomIdx(),
        BOND_TYPES.get(bond.GetBondType(), 4),
        BOND_STEREOS.get(bond.GetStereo(), 5),
        bond.GetIsConjugated(),
    )


def _positions(atoms: Sequence[int]) -> IntArray:
    """Return (v, 9) positions: what lies outside its vocabulary takes the last one."""
    values = np.array(atoms, dtype=np.int64).reshape(-1, len(ATOM_SIZES))  # (v, 9)
    last = np.array(ATOM_SIZES, dtype=np.int64) - 1
    return np.where((values < 0) | (values > last), last, values)
