"""Connectivity keys: which molecules share their atoms and bonds, whatever their stereo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit.Chem import rdinchi

from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.molecules import parse_all

KEY_LENGTH = 14
"""The first block of an InChIKey is the hash of formula, connections and hydrogens."""


def connectivity(smiles: Sequence[str]) -> MatrixBlock:
    """Return the first 14 characters of each InChIKey as ASCII codes, (n, 14) uint8.

    A molecule of which no InChI can be made (a dummy atom) is not observed; its row is 0.
    """
    codes: Any = np.zeros((len(smiles), KEY_LENGTH), dtype=np.uint8)
    for row, mol in enumerate(parse_all(smiles)):
        key = rdinchi.MolToInchiKey(mol)[:KEY_LENGTH]
        codes[row, : len(key)] = np.frombuffer(key.encode("ascii"), dtype=np.uint8)
    return MatrixBlock(values=codes, observed=codes[:, 0] != 0)


def keys_of(block: MatrixBlock) -> tuple[str, ...]:
    """Return the keys as text, "" where there is none."""
    codes = np.ascontiguousarray(block.values, dtype=np.uint8)
    return tuple(bytes(row).rstrip(b"\0").decode("ascii") for row in codes)
