"""A graph isomorphism network with a virtual node over molecular graphs.

Xu et al., How powerful are graph neural networks?, ICLR 2019 (GIN); Gilmer et al., ICML 2017, and
Hu et al., Open Graph Benchmark, NeurIPS 2020 (virtual node, atom and bond features). A layer is::

    h_i <- h_i + vn_m                                   every atom i of molecule m
    z_i  = (1 + eps) h_i + sum_j relu(h_j + bond_ji)    j the neighbours of i
    h_i <- h_i + dropout(relu(norm(mlp(z_i))))          no relu in the last layer
    vn_m <- vn_m + dropout(mlp(vn_m + sum_i h_i))       between layers, h_i as it entered
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES
from chmr_bench.nn.atoms import add_dropped, add_up, hand_out, receive
from chmr_bench.nn.batch import GraphBatch

MAX_NORM = 1.0
"""Longest an embedding of an atom or bond feature may be."""


class GinVirtualNode(nn.Module):
    """GIN with virtual node, residual connections, batch norm and sum read-out.

    Parameters
    ----------
    hidden : width h. layers : number of layers. dropout : after every layer and virtual-node MLP.
    """

    def __init__(self, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout
        self.atom_table = nn.Parameter(_table(sum(ATOM_SIZES), hidden))  # (173, h)
        self.virtual = nn.Parameter(torch.zeros(1, hidden))
        self.convs = nn.ModuleList([GinLayer(hidden) for _ in range(layers)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden) for _ in range(layers)])
        self.virtual_mlps = nn.ModuleList([_virtual_mlp(hidden) for _ in range(layers - 1)])

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return (b, h): the sum of each molecule's atoms after the last layer."""
        rate = self.dropout if self.training else 0.0
        table = limited(self.atom_table)
        h = functional.embedding_bag(batch.atoms, table, mode="sum")  # (v, h)
        virtual = self.virtual.expand(len(batch), -1)  # (b, h)
        last = len(self.convs) - 1
        for k, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            h = hand_out(h, virtual, batch)
            update = norm(conv(h, batch))
            if k < last:
                step = self.virtual_mlps[k](add_up(h, batch) + virtual)  # (b, h)
                virtual = add_dropped(virtual, step, rate, relu=False)
            h = add_dropped(h, update, rate, relu=k < last)
        return add_up(h, batch)


class GinLayer(nn.Module):
    """One graph convolution: neighbours' messages, then an MLP (h, 2h, h) with batch norm."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.bond_table = nn.Parameter(_table(sum(BOND_SIZES), hidden))  # (13, h)
        self.eps = nn.Parameter(torch.zeros(1))
        self.mlp = nn.Sequential(
            nn.Linear(hidden, 2 * hidden),
            nn.BatchNorm1d(2 * hidden),
            nn.ReLU(inplace=True),
            nn.Linear(2 * hidden, hidden),
        )

    def forward(self, h: Tensor, batch: GraphBatch) -> Tensor:
        """Return (v, h) updates of the atoms."""
        bonds = combined(limited(self.bond_table))  # (60, h)
        updated: Tensor = self.mlp(receive(h, bonds, self.eps, batch))
        return updated


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


def _virtual_mlp(hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(hidden, 2 * hidden),
        nn.BatchNorm1d(2 * hidden),
        nn.ReLU(inplace=True),
        nn.Linear(2 * hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
    )
