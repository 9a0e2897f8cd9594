"""A network that reads sparse features; imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class SparseNetwork(nn.Module):
    """Columns that are not zero -> hidden layers (layer norm, GELU, dropout) -> an output a task.

    The first layer is a linear layer whose input is given as its columns that are not zero: it adds
    up the weight rows of some sixty columns in place of multiplying two thousand zeros.
    """

    def __init__(self, d: int, hidden: Sequence[int], t: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.EmbeddingBag(d, hidden[0], mode="sum")
        self.bias = nn.Parameter(torch.zeros(hidden[0]))
        layers: list[nn.Module] = _activation(hidden[0], dropout)
        for before, after in pairwise(hidden):
            layers += [nn.Linear(before, after), *_activation(after, dropout)]
        self.rest = nn.Sequential(*layers, nn.Linear(hidden[-1], t))

    def forward(self, columns: Tensor, begins: Tensor, values: Tensor) -> Tensor:
        """Return the raw outputs, (b, t).

        Parameters
        ----------
        columns, values : Tensor
            (entries of the batch,) which columns are not zero, row by row, and what is there.
        begins : Tensor
            (b,) where each row begins in `columns`.
        """
        hidden = self.weight(columns, begins, values) + self.bias  # (b, h)
        outputs: Tensor = self.rest(hidden)
        return outputs


def _activation(width: int, dropout: float) -> list[nn.Module]:
    return [nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)]
