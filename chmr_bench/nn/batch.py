"""Molecular graphs as a batch of PyTorch Geometric: vectorised, no loop over molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch_geometric.data import Batch

from chmr_bench.contracts import GraphBlock
from chmr_bench.errors import DataError
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES
from chmr_bench.types import IntArray


def graph_batch(
    block: GraphBlock,
    rows: IntArray | None = None,
    device: torch.device | str = "cpu",
    *,
    one_hot: bool = False,
) -> Batch:
    """Return molecules of the feature ``graph`` as one batch for any PyTorch Geometric model.

    The batch has `x` (v, 9) and `edge_attr` (e, 3) int64, OGB's categories; `edge_index` (2, e),
    each bond in both directions; `batch` (v,), the molecule of an atom; and `ptr` (b + 1,).

    Parameters
    ----------
    block : GraphBlock
        Graphs, as `Inputs.graph()` gives them.
    rows : IntArray | None
        The molecules taken, in this order; all where it is None.
    device : torch.device | str
        Where the tensors go.
    one_hot : bool
        Give `x` (v, 174) and `edge_attr` (e, 13) as float32 zeros and ones, for layers that
        multiply and do not embed.

    Raises
    ------
    DataError
        A feature is none of OGB's.

    Examples
    --------
    >>> from torch_geometric.nn.models import AttentiveFP
    >>> from chmr_bench.features.graphs import graph
    >>> batch = graph_batch(graph(["CCO", "c1ccccc1"]), one_hot=True)
    >>> model = AttentiveFP(174, 32, 1, edge_dim=13, num_layers=2, num_timesteps=2)
    >>> model(batch.x, batch.edge_index, batch.edge_attr, batch.batch).shape
    torch.Size([2, 1])
    """
    block = block if rows is None else block.take(rows)
    _check("atom", block.atoms, ATOM_SIZES)
    _check("bond", block.bonds, BOND_SIZES)
    shift = np.repeat(block.atom_offsets[:-1], np.diff(block.bond_offsets))  # (e,)
    molecule = np.repeat(np.arange(len(block), dtype=np.int64), np.diff(block.atom_offsets))
    x, bonds = _tensor(block.atoms), _tensor(block.bonds)
    batch = Batch(
        x=_one_hot(x, ATOM_SIZES) if one_hot else x,
        edge_index=_tensor(block.edges + shift),
        edge_attr=_one_hot(bonds, BOND_SIZES) if one_hot else bonds,
        batch=_tensor(molecule),
        ptr=_tensor(block.atom_offsets),
    )
    return _separable(batch, block).to(device, non_blocking=True)


def _separable(batch: Batch, block: GraphBlock) -> Batch:
    """Tell the batch where its molecules begin: it can then be indexed and taken apart again."""
    atoms, bonds = _tensor(block.atom_offsets), _tensor(block.bond_offsets)
    batch._slice_dict = {"x": atoms, "edge_index": bonds, "edge_attr": bonds}
    nothing = torch.zeros(len(block), dtype=torch.int64)
    batch._inc_dict = {"x": nothing, "edge_index": atoms[:-1], "edge_attr": nothing}
    batch._num_graphs = len(block)
    return batch


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))


def _one_hot(categories: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
    columns = zip(categories.unbind(1), sizes, strict=True)
    return torch.cat([functional.one_hot(c, size) for c, size in columns], dim=1).float()


def _check(what: str, values: IntArray, sizes: tuple[int, ...]) -> None:
    if values.ndim != 2 or values.shape[1] != len(sizes):
        raise DataError(
            f"the {what} features have shape {values.shape}, expected (., {len(sizes)})"
        )
    if len(values) and ((values < 0) | (values >= np.array(sizes))).any():
        raise DataError(
            f"a graph holds {what} features outside OGB's vocabularies of sizes {sizes}; "
            "make the graphs with the feature 'graph'"
        )
