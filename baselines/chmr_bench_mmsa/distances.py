"""An encoder of a conformer that sees the distances between its atoms, and nothing else of it.

Schütt et al., SchNet, J. Chem. Phys. 148, 241722 (2018): continuous-filter convolutions, which
PyTorch Geometric has. What is turned, moved or mirrored gives the same features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn.models.schnet import GaussianSmearing, InteractionBlock

ELEMENTS = 119
"""Atomic numbers, 0 = no atom."""
GAUSSIANS = 32
"""Numbers that a distance is spread over."""


class DistanceEncoder(nn.Module):
    """Atoms of conformers (b, v, 4) to features (b, h).

    Parameters
    ----------
    hidden : int
        Width h.
    layers : int
        Interactions.
    cutoff : float
        Angstrom as far as atoms see each other.
    """

    def __init__(self, hidden: int, layers: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.elements = nn.Embedding(ELEMENTS, hidden, padding_idx=0)
        self.spread = GaussianSmearing(0.0, cutoff, GAUSSIANS)
        self.interactions = nn.ModuleList(
            [InteractionBlock(hidden, GAUSSIANS, hidden, cutoff) for _ in range(layers)]
        )
        self.norm = nn.LayerNorm(hidden)

    def forward(self, atoms: Tensor) -> Tensor:
        """Return (b, h): the mean over a molecule's atoms.

        Parameters
        ----------
        atoms : Tensor
            (b, v, 4) atomic number, 0 = no atom, and place in Angstrom.
        """
        number, place = atoms[..., 0].long(), atoms[..., 1:]
        there = number > 0  # (b, v)
        edges, length = self._pairs(place, there)
        h = self.elements(number).flatten(0, 1)  # (b v, h)
        spread = self.spread(length)
        for interaction in self.interactions:
            h = h + interaction(h, edges, length, spread)
        h = h.view(*number.shape, -1) * there[..., None]  # (b, v, h)
        mean: Tensor = self.norm(h.sum(1) / there.sum(1, keepdim=True).clamp_min(1))
        return mean

    def _pairs(self, place: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return pairs of atoms within the cutoff, (2, e) rows of (b v), and their distances.

        All distances of a molecule are computed: there is no radius graph without torch-cluster.
        By differences, not by a matrix product: its rounding would depend on the batch's padding.
        """
        exact = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(place, place, compute_mode=exact)  # (b, v, v)
        near = there[:, :, None] & there[:, None, :] & (distance < self.cutoff)
        near.diagonal(dim1=1, dim2=2).fill_(False)
        molecule, i, j = near.nonzero(as_tuple=True)
        start = molecule * there.shape[1]
        return torch.stack([start + j, start + i]), distance[molecule, i, j]
