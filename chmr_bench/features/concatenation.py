"""Blocks of chunks, one after the other, as one block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chmr_bench.contracts import Block, GraphBlock, MatrixBlock
from chmr_bench.errors import PluginError
from chmr_bench.types import IntArray


def concatenate(blocks: Sequence[Block]) -> Block:
    """Return the blocks one after the other; they must be of one kind and one width."""
    if len(blocks) == 1:
        return blocks[0]
    matrices = [b for b in blocks if isinstance(b, MatrixBlock)]
    graphs = [b for b in blocks if isinstance(b, GraphBlock)]
    if len(matrices) == len(blocks):
        return _concatenate_matrices(matrices)
    if len(graphs) == len(blocks):
        return _concatenate_graphs(graphs)
    raise PluginError("a feature returned matrices for some molecules and graphs for others")


def _concatenate_matrices(blocks: Sequence[MatrixBlock]) -> MatrixBlock:
    from scipy import sparse

    values: list[Any] = [block.values for block in blocks]
    widths = sorted({part.shape[1] for part in values})
    if len(widths) > 1:
        raise PluginError(
            f"a feature returned {widths[0]} columns for some molecules and {widths[-1]} for others"
        )
    dense = [v for v in values if isinstance(v, np.ndarray)]
    stacked = (
        np.concatenate(dense)
        if len(dense) == len(values)
        else sparse.csr_array(sparse.vstack(values, format="csr"))
    )
    observed = np.concatenate([block.observed for block in blocks])
    return MatrixBlock(values=stacked, observed=observed, names=blocks[0].names)


def _concatenate_graphs(blocks: Sequence[GraphBlock]) -> GraphBlock:
    return GraphBlock(
        atoms=np.concatenate([b.atoms for b in blocks]),
        bonds=np.concatenate([b.bonds for b in blocks]),
        edges=np.concatenate([b.edges for b in blocks], axis=1),
        atom_offsets=_join_offsets([b.atom_offsets for b in blocks]),
        bond_offsets=_join_offsets([b.bond_offsets for b in blocks]),
        observed=np.concatenate([b.observed for b in blocks]),
    )


def _join_offsets(offsets: Sequence[IntArray]) -> IntArray:
    lengths = np.concatenate([np.diff(o) for o in offsets])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
