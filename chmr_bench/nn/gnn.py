"""A graph isomorphism network with a virtual node over molecular graphs.

Xu et al., How powerful are graph neural networks?, ICLR 2019 (GIN); Gilmer et al., ICML 2017, and
Hu et al., Open Graph Benchmark, NeurIPS 2020 (virtual node, atom and bond features). A layer is::

    h_i <- h_i + vn_m                                   every atom i of molecule m
    z_i  = (1 + eps) h_i + sum_j relu(h_j + bond_ji)    j the neighbours of i
    h_i <- h_i + dropout(relu(norm(mlp(z_i))))          no relu in the last layer
    vn_m <- vn_m + dropout(mlp(vn_m + sum_i h_i))       between layers, h_i as it entered
"""

from __future__ import annotations

import os
from itertools import accumulate
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Batch
from torch_geometric.nn import GINEConv, global_add_pool

from chmr_bench.errors import UnknownNameError
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES
from chmr_bench.nn import compiled

Backend = Literal["compiled", "pyg"]
"""What sends the messages: compiled kernels (on a CPU, in single precision; elsewhere it is the
other), or PyTorch Geometric. Outputs agree to float rounding; dropout draws other numbers."""
BACKEND_VARIABLE = "CHMR_BENCH_GRAPH_BACKEND"
"""The environment variable that chooses the back end of every encoder."""
MAX_NORM = 1.0
"""Longest an embedding of an atom or bond feature may be."""


class GinVirtualNode(nn.Module):
    """GIN with virtual node, residual connections, batch norm and sum read-out.

    Parameters
    ----------
    hidden : int
        Width h.
    layers : int
        Number of layers.
    dropout : float
        After every layer and virtual-node MLP.
    backend : Backend | None
        None = as the environment variable `BACKEND_VARIABLE` says, else compiled.
    """

    atom_starts: Tensor
    bond_strides: Tensor

    def __init__(
        self, hidden: int, layers: int, dropout: float, backend: Backend | None = None
    ) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout
        self.backend = backend or backend_from_environment()
        starts = torch.tensor([0, *accumulate(ATOM_SIZES[:-1])])
        strides = torch.tensor([BOND_SIZES[1] * BOND_SIZES[2], BOND_SIZES[2], 1])
        self.register_buffer("atom_starts", starts, persistent=False)
        self.register_buffer("bond_strides", strides, persistent=False)
        self.atom_table = nn.Parameter(_table(sum(ATOM_SIZES), hidden))  # (174, h)
        self.virtual = nn.Parameter(torch.zeros(1, hidden))
        self.convs = nn.ModuleList([GinLayer(hidden) for _ in range(layers)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden) for _ in range(layers)])
        self.virtual_mlps = nn.ModuleList([_virtual_mlp(hidden) for _ in range(layers - 1)])

    def forward(self, graph: Batch) -> Tensor:
        """Return (b, h): the sum of each molecule's atoms after the last layer.

        Parameters
        ----------
        graph : Batch
            OGB's categories of atoms and bonds, as `graph_batch` gives them.
        """
        table = limited(self.atom_table)
        h = functional.embedding_bag(graph.x + self.atom_starts, table, mode="sum")  # (v, h)
        codes = (graph.edge_attr * self.bond_strides).sum(1)  # (e,)
        order = self._order(h, graph, codes)
        virtual = self.virtual.expand(graph.num_graphs, -1)  # (b, h)
        last = len(self.convs) - 1
        for k, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            h = h + virtual.index_select(0, graph.batch)
            update = norm(conv(h, graph.edge_index, codes, order))
            if k < last:
                step = self.virtual_mlps[k](sum_pool(h, graph) + virtual)  # (b, h)
                virtual = self._add_dropped(virtual, step, relu=False)
            h = self._add_dropped(h, update, relu=k < last)
        return sum_pool(h, graph)

    def _order(self, h: Tensor, graph: Batch, codes: Tensor) -> compiled.BondOrder | None:
        """Return what the compiled back end walks through; None = PyTorch Geometric's."""
        if not self._compiled(h):
            return None
        return compiled.BondOrder.of(graph.edge_index, codes, len(h))

    def _add_dropped(self, h: Tensor, x: Tensor, *, relu: bool) -> Tensor:
        if self.training and self.dropout > 0 and self._compiled(h):
            return compiled.add_dropped(h, x, self.dropout, relu=relu)
        x = functional.relu(x) if relu else x
        return h + functional.dropout(x, self.dropout, self.training)

    def _compiled(self, h: Tensor) -> bool:
        return self.backend == "compiled" and compiled.fits(h)


class GinLayer(GINEConv):  # type: ignore[misc]  # torch_geometric has no types
    """One graph convolution: neighbours' messages, then an MLP (h, 2h, h) with batch norm."""

    def __init__(self, hidden: int) -> None:
        super().__init__(nn.Identity(), train_eps=True)
        self.bond_table = nn.Parameter(_table(sum(BOND_SIZES), hidden))  # (13, h)
        self.mlp = nn.Sequential(*_mlp(hidden))

    def forward(
        self, h: Tensor, edge_index: Tensor, codes: Tensor, order: compiled.BondOrder | None = None
    ) -> Tensor:
        """Return (v, h) updates of the atoms.

        Parameters
        ----------
        codes : Tensor
            (e,) row of each bond in the table of all combinations of bond features.
        order : compiled.BondOrder | None
            The bonds as the compiled back end walks through them; None = without it.
        """
        bonds = combined(limited(self.bond_table))  # (60, h)
        if order is None:
            received = super().forward(h, edge_index, bonds.index_select(0, codes))
        else:
            received = compiled.receive(h, bonds, self.eps, order)
        updated: Tensor = self.mlp(received)
        return updated


def backend_from_environment() -> Backend:
    """Return the back end that the environment chooses; UnknownNameError for one there is not."""
    name: Any = os.environ.get(BACKEND_VARIABLE, "compiled")
    if name not in get_args(Backend):
        raise UnknownNameError(f"back end ({BACKEND_VARIABLE})", name, get_args(Backend))
    chosen: Backend = name
    return chosen


def sum_pool(h: Tensor, graph: Batch) -> Tensor:
    """Return (b, h): the sum over each molecule's atoms."""
    pooled: Tensor = global_add_pool(h, graph.batch, size=graph.num_graphs)
    return pooled


def limited(table: Tensor) -> Tensor:
    """Return the rows of an embedding table, none longer than `MAX_NORM`."""
    norm = torch.linalg.vector_norm(table.detach(), dim=1, keepdim=True)
    shortened: Tensor = table * (MAX_NORM / norm.clamp_min(MAX_NORM))
    return shortened


def combined(table: Tensor) -> Tensor:
    """Return (60, h): for each bond code the sum of its three features' embeddings."""
    a, b, c = torch.split(table, list(BOND_SIZES))
    return (a[:, None, None] + b[None, :, None] + c[None, None]).flatten(0, 2)


def _table(rows: int, hidden: int) -> Tensor:
    """Return Glorot-uniform embeddings, as OGB's encoders begin."""
    bound = float(np.sqrt(6.0 / (rows + hidden)))
    return torch.empty(rows, hidden).uniform_(-bound, bound)


def _mlp(hidden: int) -> list[nn.Module]:
    return [
        nn.Linear(hidden, 2 * hidden),
        nn.BatchNorm1d(2 * hidden),
        nn.ReLU(inplace=True),
        nn.Linear(2 * hidden, hidden),
    ]


def _virtual_mlp(hidden: int) -> nn.Sequential:
    return nn.Sequential(*_mlp(hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True))
