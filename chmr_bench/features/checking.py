"""What a block must be, whoever made it: shapes and types, before any model reads it."""

from __future__ import annotations

import numpy as np

from chmr_bench.contracts import Block, GraphBlock, MatrixBlock
from chmr_bench.errors import PluginError


def check_block(block: Block, n: int, where: str) -> None:
    """Check a block of n molecules; `where` begins the message.

    Raises
    ------
    PluginError
        A shape or a type is another than `contracts.blocks` says.
    """
    observed = block.observed
    if not isinstance(observed, np.ndarray):
        raise PluginError(f"{where}: observed is a {_kind(observed)}, expected a numpy array")
    if isinstance(block, MatrixBlock):
        _check_matrix(block, n, where)
    shapes = [(n,), block.values.shape] if isinstance(block, MatrixBlock) else [(n,)]
    if observed.shape not in shapes or observed.dtype != np.bool_:
        raise PluginError(
            f"{where}: observed is {observed.dtype} {observed.shape}, expected bool "
            + " or ".join(map(str, shapes))
        )
    if isinstance(block, GraphBlock):
        _check_graphs(block, n, where)


def _check_matrix(block: MatrixBlock, n: int, where: str) -> None:
    values = block.values
    if not isinstance(values, np.ndarray) and not _is_sparse(values):
        raise PluginError(
            f"{where}: values are a {_kind(values)}, expected a numpy array or a scipy CSR matrix"
        )
    if values.ndim != 2 or values.shape[0] != n:
        raise PluginError(f"{where}: values have shape {values.shape}, expected ({n}, d)")
    if values.dtype.kind not in "fiu":
        raise PluginError(f"{where}: values are {values.dtype}, expected floats or integers")
    if block.names and len(block.names) != values.shape[1]:
        raise PluginError(f"{where}: {len(block.names)} names for {values.shape[1]} columns")


def _check_graphs(block: GraphBlock, n: int, where: str) -> None:
    for name, offsets, total in (
        ("atom_offsets", block.atom_offsets, len(block.atoms)),
        ("bond_offsets", block.bond_offsets, len(block.bonds)),
    ):
        rising = offsets.shape == (n + 1,) and bool(np.all(np.diff(offsets) >= 0))
        if not rising or offsets[0] != 0 or offsets[-1] != total:
            raise PluginError(f"{where}: {name} must rise from 0 to {total} in {n + 1} steps")
    if block.edges.shape != (2, len(block.bonds)):
        raise PluginError(f"{where}: edges have shape {block.edges.shape}, expected (2, e)")
    atoms_of_bond = np.repeat(np.diff(block.atom_offsets), np.diff(block.bond_offsets))
    if block.edges.size and (block.edges.min() < 0 or (block.edges >= atoms_of_bond).any()):
        raise PluginError(f"{where}: an edge names an atom outside its own molecule")


def _is_sparse(values: object) -> bool:
    from scipy import sparse

    return bool(sparse.issparse(values))


def _kind(value: object) -> str:
    return type(value).__name__
