"""Molecular graphs in the atom and bond features of the Open Graph Benchmark.

Hu et al., Open Graph Benchmark, NeurIPS 2020, arXiv 2005.00687. A feature is the position of a
value in its vocabulary; what no vocabulary lists takes the last position. The published encoders'
embedding tables have these sizes, so the order here must not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rdkit import Chem, rdBase

from chmr_bench.contracts import GraphBlock
from chmr_bench.features.molecules import parse
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
    atoms: list[tuple[int, ...]] = []
    bonds: list[tuple[int, int, int]] = []
    edges: list[tuple[int, int]] = []
    atom_offsets, bond_offsets = [0], [0]
    with rdBase.BlockLogs():
        for text in smiles:
            mol = parse(text)
            atoms.extend(atom_features(atom) for atom in mol.GetAtoms())
            for begin, end, features in _bonds(mol):
                edges += [(begin, end), (end, begin)]
                bonds += [features, features]
            atom_offsets.append(len(atoms))
            bond_offsets.append(len(bonds))
    return GraphBlock(
        atoms=_table(atoms, len(ATOM_SIZES)),
        bonds=_table(bonds, len(BOND_SIZES)),
        edges=np.ascontiguousarray(_table(edges, 2).T),
        atom_offsets=np.array(atom_offsets, dtype=np.int64),
        bond_offsets=np.array(bond_offsets, dtype=np.int64),
        observed=np.ones(len(smiles), dtype=bool),
    )


def atom_features(atom: Chem.Atom) -> tuple[int, ...]:
    """Return the nine positions of one atom, in the order of `ATOM_SIZES`."""
    return (
        _within(atom.GetAtomicNum() - 1, 118),
        CHIRALITIES.get(atom.GetChiralTag(), 4),
        _within(atom.GetTotalDegree(), 11),
        _within(atom.GetFormalCharge() + 5, 11),
        _within(atom.GetTotalNumHs(), 9),
        _within(atom.GetNumRadicalElectrons(), 5),
        HYBRIDIZATIONS.get(atom.GetHybridization(), 5),
        int(atom.GetIsAromatic()),
        int(atom.IsInRing()),
    )


def _bonds(mol: Chem.Mol) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
    for bond in mol.GetBonds():
        features = (
            BOND_TYPES.get(bond.GetBondType(), 4),
            BOND_STEREOS.get(bond.GetStereo(), 5),
            int(bond.GetIsConjugated()),
        )
        yield bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), features


def _within(position: int, size: int) -> int:
    """Return the position, or `size`, the place of anything else, where it lies outside."""
    return position if 0 <= position < size else size


def _table(rows: Sequence[tuple[int, ...]], width: int) -> IntArray:
    """Return the rows as (len(rows), width) int64, also where there is none."""
    return np.array(rows, dtype=np.int64).reshape(-1, width)
