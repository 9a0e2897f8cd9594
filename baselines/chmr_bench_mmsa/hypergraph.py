"""A hypergraph over molecules: one hyperedge a molecule, itself and its nearest.

Feng et al., Hypergraph neural networks, AAAI 2019, as HGM2R uses it: with H (n, n) who is in which
hyperedge, and the degrees of nodes Dv and of hyperedges De::

    x <- dropout(relu(norm(Dv^-1 H De^-1 H^T x W + b)))

A molecule that is in no hyperedge but its own has the mean over that one. So is a molecule embedded
that was not there while learning: it, and its nearest of a pool that stays the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import HypergraphConv

ROWS_AT_ONCE = 1024
SAME = 1 - 1e-6
"""Cosine of two codes above which two molecules look the same."""


class HypergraphLayer(nn.Module):
    """One hypergraph convolution without weights of hyperedges, norm, ReLU and dropout.

    Parameters
    ----------
    d : int
        Width of what goes in and out.
    members : int
        Molecules of a hyperedge, k.
    """

    def __init__(self, d: int, members: int, dropout: float) -> None:
        super().__init__()
        self.members = members
        self.conv = HypergraphConv(d, d)
        self.norm = nn.BatchNorm1d(d)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, d) from molecules (n, d) that are each other's neighbours."""
        convolved: Tensor = self.conv(x, hyperedges(x.detach(), self.members))
        return self._finish(convolved)

    def from_pool(self, x: Tensor, pool: Tensor) -> Tensor:
        """Return (n, d) from molecules (n, d), each with its nearest of a pool (p, d).

        A molecule that is in the pool is not its own neighbour, nor is one that looks the same: so
        it is the same among those learnt from and among those predicted.
        """
        near, cosine = nearest(x, pool, self.members - 1, most=SAME)  # (n, k - 1)
        there = cosine.isfinite()[..., None].to(x.dtype)
        mean = torch.empty_like(x)
        for rows in torch.split(torch.arange(len(x), device=x.device), ROWS_AT_ONCE):
            total = x[rows] + (pool[near[rows]] * there[rows]).sum(1)  # (b, d)
            mean[rows] = total / (1 + there[rows].sum(1))
        return self._finish(functional.linear(mean, self.conv.lin.weight, self.conv.bias))

    def _finish(self, x: Tensor) -> Tensor:
        finished: Tensor = self.dropout(functional.relu(self.norm(x)))
        return finished


def hyperedges(x: Tensor, members: int) -> Tensor:
    """Return who is in which hyperedge, (2, n k): molecule, and hyperedge, for molecules (n, d)."""
    own = torch.arange(len(x), device=x.device)[:, None]
    near, _ = nearest(x, x, min(members, len(x)) - 1, others=True)
    rows = torch.cat([own, near], dim=1)  # (n, k)
    return torch.stack([rows.flatten(), own.expand_as(rows).flatten()])


def nearest(
    x: Tensor, pool: Tensor, k: int, *, most: float = torch.inf, others: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the k rows of a pool (p, d) with the largest cosine, and it; both (n, k).

    In double precision, so that rounding, which depends on the shapes of a product, seldom decides.
    Where the pool has fewer, k is what it has, and a row that does not count has the cosine -inf.

    Parameters
    ----------
    most : float
        Rows with a larger cosine do not count.
    others : bool
        The pool is the molecules, and none counts for itself.
    """
    k = min(k, len(pool))
    a, b = (functional.normalize(part.double(), dim=1) for part in (x, pool))
    rows, cosines = [], []
    for start in range(0, len(a), ROWS_AT_ONCE):
        cosine = a[start : start + ROWS_AT_ONCE] @ b.T
        cosine = cosine.masked_fill(cosine > most, -torch.inf)
        if others:
            cosine.diagonal(start).fill_(-torch.inf)
        nearest = cosine.topk(k, dim=1)
        rows.append(nearest.indices)
        cosines.append(nearest.values)
    return torch.cat(rows), torch.cat(cosines)
