"""The network of `fingerprint.mlp`; imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class BitNetwork(nn.Module):
    """Set bits -> hidden layers (ReLU, dropout) -> one output a task.

    The first layer is a linear layer whose input is given as the bits that are set: it adds up the
    weight rows of about fifty bits in place of multiplying two thousand zeros.
    """

    def __init__(self, d: int, hidden: Sequence[int], t: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.EmbeddingBag(d, hidden[0], mode="sum")
        self.bias = nn.Parameter(torch.zeros(hidden[0]))
        bound = d**-0.5  # as torch.nn.Linear draws its weights
        nn.init.uniform_(self.weight.weight, -bound, bound)
        layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(dropout)]
        for before, after in pairwise(hidden):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.rest = nn.Sequential(*layers, nn.Linear(hidden[-1], t))

    def forward(self, indices: Tensor, begins: Tensor) -> Tensor:
        """Return the raw outputs, (b, t).

        Parameters
        ----------
        indices : Tensor
            (set bits of the batch,) which bits are set, row by row.
        begins : Tensor
            (b,) where each row begins in `indices`.
        """
        hidden = self.weight(indices, begins) + self.bias  # (b, h)
        outputs: Tensor = self.rest(hidden)
        return outputs
