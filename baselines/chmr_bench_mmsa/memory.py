"""A memory of anchors: what molecules have in common, addressed by cosine.

By dot products at temperature 1 all anchors are addressed alike, and all molecules are drawn to one
point. The cosine and a low temperature, a gradient stopped on either side, and the balance keep the
anchors apart: `Recall` has what says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from chmr_bench.nn.losses import full_precision


@dataclass(frozen=True)
class Recall:
    """What the memory says of b molecules.

    Attributes
    ----------
    x : Tensor
        (b, d), what was asked for, of length 1.
    attention : Tensor
        (b, a), how much of each anchor; rows add up to 1.
    value : Tensor
        (b, d), the anchors by that.
    """

    x: Tensor
    attention: Tensor
    value: Tensor

    def anchor_loss(self) -> Tensor:
        """Return the squared distance that moves anchors alone, a scalar."""
        return (self.x.detach() - self.value).square().sum(1).mean()

    def commitment_loss(self) -> Tensor:
        """Return the squared distance that moves molecules alone, a scalar."""
        return (self.x - self.value.detach()).square().sum(1).mean()

    def imbalance(self) -> Tensor:
        """Return ln a less the entropy of the mean attention: 0 where anchors are used alike."""
        return self.attention.new_tensor(self.attention.shape[1]).log() - _entropy(
            self.attention.mean(0)
        )

    def attention_entropy(self) -> Tensor:
        """Return the mean entropy of a molecule's attention, nats; ln a where all is one mean."""
        return _entropy(self.attention).mean()

    def anchors_in_use(self) -> Tensor:
        """Return how many anchors are used: e to the entropy of the mean attention, 1 to a."""
        return _entropy(self.attention.mean(0)).exp()


class AnchorMemory(nn.Module):
    """Anchors (a, d), which are learnt.

    Parameters
    ----------
    temperature : float
        The cosines are divided by it.
    """

    def __init__(self, anchors: int, d: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.anchors = nn.Parameter(functional.normalize(torch.randn(anchors, d), dim=1))

    def forward(self, x: Tensor) -> Recall:
        """Return what the memory says of molecules (b, d); their length is nothing to it."""
        with full_precision(x):
            x = functional.normalize(x.float(), dim=1)
            cosine = x @ functional.normalize(self.anchors, dim=1).T  # (b, a)
            attention = torch.softmax(cosine / self.temperature, dim=1)
            return Recall(x, attention, attention @ self.anchors)


def _entropy(p: Tensor) -> Tensor:
    """Return the entropy over the last axis, nats."""
    entropy: Tensor = torch.special.entr(p).sum(-1)
    return entropy
