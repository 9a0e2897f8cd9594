"""Molecular graphs of a batch as tensors: vectorised, no loop over molecules."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chmr_bench.contracts import GraphBlock
from chmr_bench.errors import DataError
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES
from chmr_bench.types import IntArray

ATOM_STARTS = np.concatenate([[0], np.cumsum(ATOM_SIZES)[:-1]]).astype(np.int64)
"""Where each atom feature begins in the table of all."""

N_BOND_CODES = int(np.prod(BOND_SIZES))
"""Number of combinations of the bond features; a bond's code counts through them."""


@dataclass(frozen=True)
class GraphBatch:
    """b molecules with v atoms and e directed bonds as one graph of many pieces.

    Attributes
    ----------
    atoms : (v, 9) int64, rows of the table of all atom features (`ATOM_STARTS` added).
    bonds : (e,) int64, the bond code: type x 12 + stereo x 2 + conjugated.
    source, target : (e,) int64, the atoms a bond leads from and to.
    molecule : (v,) int64 ascending, the molecule of an atom.
    starts : (b + 1,) int64, where each molecule's atoms begin.
    incoming, incoming_starts : (e,) bonds ordered by target, and (v + 1,) where each atom's begin.
    outgoing, outgoing_starts : the same by source.
    """

    atoms: Tensor
    bonds: Tensor
    source: Tensor
    target: Tensor
    molecule: Tensor
    starts: Tensor
    incoming: Tensor
    incoming_starts: Tensor
    outgoing: Tensor
    outgoing_starts: Tensor

    def __len__(self) -> int:
        return int(self.starts.shape[0]) - 1

    def to(self, device: torch.device | str) -> GraphBatch:
        """Return the batch on a device."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return GraphBatch(**moved)


def graph_batch(block: GraphBlock, device: torch.device | str = "cpu") -> GraphBatch:
    """Return the molecules of a graph block as one batch; DataError where a feature is no OGB's."""
    _check(block)
    n_atoms = np.diff(block.atom_offsets)  # (b,)
    shift = np.repeat(block.atom_offsets[:-1], np.diff(block.bond_offsets))  # (e,)
    source, target = block.edges + shift  # (e,)
    incoming, incoming_starts = _ordered(target, len(block.atoms))
    outgoing, outgoing_starts = _ordered(source, len(block.atoms))
    arrays: dict[str, npt.NDArray[np.int64]] = {
        "atoms": block.atoms + ATOM_STARTS,
        "bonds": bond_codes(block.bonds),
        "source": source,
        "target": target,
        "molecule": np.repeat(np.arange(len(block), dtype=np.int64), n_atoms),
        "starts": block.atom_offsets,
        "incoming": incoming,
        "incoming_starts": incoming_starts,
        "outgoing": outgoing,
        "outgoing_starts": outgoing_starts,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    batch = GraphBatch(**tensors)
    return batch if torch.device(device).type == "cpu" else batch.to(device)


def bond_codes(bonds: IntArray) -> IntArray:
    """Return (e,) codes of (e, 3) bond features: the last feature runs fastest."""
    return np.asarray(bonds @ np.array([BOND_SIZES[1] * BOND_SIZES[2], BOND_SIZES[2], 1]))


def _ordered(atoms: IntArray, n_atoms: int) -> tuple[IntArray, IntArray]:
    """Return the bonds ordered by one of their atoms, and where each atom's bonds begin."""
    starts = np.zeros(n_atoms + 1, dtype=np.int64)
    np.cumsum(np.bincount(atoms, minlength=n_atoms), out=starts[1:])
    return np.argsort(atoms, kind="stable"), starts


def _check(block: GraphBlock) -> None:
    for what, values, sizes in (
        ("atom", block.atoms, ATOM_SIZES),
        ("bond", block.bonds, BOND_SIZES),
    ):
        if values.ndim != 2 or values.shape[1] != len(sizes):
            raise DataError(
                f"the {what} features have shape {values.shape}, expected (., {len(sizes)})"
            )
        if len(values) and ((values < 0) | (values >= np.array(sizes))).any():
            raise DataError(
                f"a graph holds {what} features outside OGB's vocabularies of sizes {sizes}; "
                "make the graphs with the feature 'graph'"
            )
