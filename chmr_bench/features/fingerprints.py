"""The classical fingerprints of RDKit, as sparse matrices.

Every function takes a chunk of SMILES and returns a `MatrixBlock` whose `values` are a CSR matrix
(n, d) with sorted indices: uint8 ones for bits, uint16 for counts. No dense matrix is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import rdFingerprintGenerator as generators
from rdkit.Chem import rdMolDescriptors
from scipy import sparse

from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import SettingError
from chmr_bench.features.molecules import parse_all

MACCS_BITS = 167
"""RDKit numbers the 166 keys from 1; bit 0 is never set."""
MAX_COUNT = int(np.iinfo(np.uint16).max)
MAX_BITS = 1 << 24
MAX_REACH = 30
"""Bonds; RDKit itself stores atom-pair distances in five bits."""


def morgan(
    smiles: Sequence[str],
    radius: int = 2,
    n_bits: int = 2048,
    counts: bool = False,
    chirality: bool = False,
) -> MatrixBlock:
    """Return Morgan (ECFP-like) fingerprints: circular neighbourhoods up to `radius` bonds."""
    _check("radius", radius, 0, MAX_REACH)
    settings = {"radius": radius, "includeChirality": chirality}
    return _generated(smiles, generators.GetMorganGenerator, n_bits, counts, settings)


def fcfp(
    smiles: Sequence[str], radius: int = 2, n_bits: int = 2048, counts: bool = False
) -> MatrixBlock:
    """Return Morgan fingerprints of pharmacophoric atom classes (FCFP-like).

    An atom is what it can do (donor, acceptor, aromatic, halogen, basic, acidic), not its element.
    """
    _check("radius", radius, 0, MAX_REACH)
    atoms = generators.GetMorganFeatureAtomInvGen()
    settings = {"radius": radius, "atomInvariantsGenerator": atoms}
    return _generated(smiles, generators.GetMorganGenerator, n_bits, counts, settings)


def rdkit(
    smiles: Sequence[str],
    min_path: int = 1,
    max_path: int = 7,
    n_bits: int = 2048,
    counts: bool = False,
) -> MatrixBlock:
    """Return RDKit's path fingerprints: linear and branched subgraphs of a range of bonds."""
    _check("min_path", min_path, 1, max_path)
    _check("max_path", max_path, 1, 12)
    settings = {"minPath": min_path, "maxPath": max_path}
    return _generated(smiles, generators.GetRDKitFPGenerator, n_bits, counts, settings)


def atom_pair(
    smiles: Sequence[str],
    n_bits: int = 2048,
    max_distance: int = 30,
    counts: bool = False,
    chirality: bool = False,
) -> MatrixBlock:
    """Return atom-pair fingerprints: two atom types and the bonds between them."""
    _check("max_distance", max_distance, 1, MAX_REACH)
    settings = {"maxDistance": max_distance, "includeChirality": chirality}
    return _generated(smiles, generators.GetAtomPairGenerator, n_bits, counts, settings)


def torsion(
    smiles: Sequence[str], n_bits: int = 2048, counts: bool = False, chirality: bool = False
) -> MatrixBlock:
    """Return topological-torsion fingerprints: paths of four atoms."""
    settings = {"includeChirality": chirality}
    return _generated(smiles, generators.GetTopologicalTorsionGenerator, n_bits, counts, settings)


def maccs(smiles: Sequence[str]) -> MatrixBlock:
    """Return the 167 MACCS keys (bit 0 is never set)."""
    return _bits(smiles, rdMolDescriptors.GetMACCSKeysFingerprint, MACCS_BITS)


def avalon(smiles: Sequence[str], n_bits: int = 1024) -> MatrixBlock:
    """Return Avalon fingerprints."""
    _check("n_bits", n_bits, 8, MAX_BITS)
    return _bits(smiles, partial(pyAvalonTools.GetAvalonFP, nBits=n_bits), n_bits)


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingError(f"setting {name!r} is {value!r}; expected an integer {low} to {high}")


def _generated(
    smiles: Sequence[str],
    make: Callable[..., Any],
    n_bits: int,
    counts: bool,
    settings: Mapping[str, Any],
) -> MatrixBlock:
    """Run a generator of RDKit over the molecules; `make` gives it of its settings."""
    _check("n_bits", n_bits, 1, MAX_BITS)
    generator = make(fpSize=n_bits, **settings)
    if not counts:
        return _bits(smiles, generator.GetFingerprint, n_bits)
    columns: list[Iterable[int]] = []
    values: list[int] = []
    for mol in parse_all(smiles):
        nonzero = generator.GetCountFingerprint(mol).GetNonzeroElements()
        columns.append(sorted(nonzero))
        values.extend(min(nonzero[column], MAX_COUNT) for column in columns[-1])
    return _block(columns, np.array(values, dtype=np.uint16), n_bits)


def _bits(smiles: Sequence[str], fingerprint: Callable[[Chem.Mol], Any], d: int) -> MatrixBlock:
    """Collect the bits that `fingerprint` sets in each molecule."""
    columns = [fingerprint(mol).GetOnBits() for mol in parse_all(smiles)]
    return _block(columns, None, d)


def _block(columns: Sequence[Any], values: Any, d: int) -> MatrixBlock:
    """Lay the column indices of every row end to end: a CSR matrix (n, d)."""
    n = len(columns)
    indptr = np.cumsum([0, *map(len, columns)], dtype=np.int32)
    indices = np.fromiter(chain.from_iterable(columns), dtype=np.int32, count=indptr[-1])
    data = np.ones(len(indices), dtype=np.uint8) if values is None else values
    matrix = sparse.csr_array((data, indices, indptr), shape=(n, d))
    matrix.has_sorted_indices = True
    return MatrixBlock(values=matrix, observed=np.ones(n, dtype=bool))
