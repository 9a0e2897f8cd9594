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

    def from_pool(self, x: Tensor, pool: Tensor, *, same: bool = False) -> Tensor:
        """Return (n, d) from molecules (n, d), each with its nearest of a pool (p, d).

        Parameters
        ----------
        same : bool
            The molecules are the pool, row by row: none is its own neighbour.
        """
        near = nearest(x, pool, self.members - 1, same=same)  # (n, k - 1)
        mean = (x + pool[near].sum(1)) / (near.shape[1] + 1)
        return self._finish(functional.linear(mean, self.conv.lin.weight, self.conv.bias))

    def _finish(self, x: Tensor) -> Tensor:
        finished: Tensor = self.dropout(functional.relu(self.norm(x)))
        return finished


def hyperedges(x: Tensor, members: int) -> Tensor:
    """Return who is in which hyperedge, (2, n k): molecule, and hyperedge, for molecules (n, d)."""
    own = torch.arange(len(x), device=x.device)[:, None]
    rows = torch.cat([own, nearest(x, x, members - 1, same=True)], dim=1)  # (n, k)
    return torch.stack([rows.flatten(), own.expand_as(rows).flatten()])


def nearest(x: Tensor, pool: Tensor, k: int, *, same: bool = False) -> Tensor:
    """Return the k rows of a pool (p, d) with the largest cosine, (n, k), fewer where it is small.

    In double precision, so that rounding, which hangs on the shapes of a product, seldom decides.

    Parameters
    ----------
    same : bool
        Row i of the pool is molecule i, and none is its own neighbour.
    """
    k = min(k, len(pool) - int(same))
    a, b = (functional.normalize(part.double(), dim=1) for part in (x, pool))
    found = []
    for start in range(0, len(a), ROWS_AT_ONCE):
        cosine = a[start : start + ROWS_AT_ONCE] @ b.T
        if same:
            cosine.diagonal(start).fill_(-torch.inf)
        found.append(cosine.topk(k, dim=1).indices)
    return torch.cat(found) if found else torch.zeros(0, k, dtype=torch.long, device=x.device)
