"""The network of InfoAlign: a graph encoder, a Gaussian latent, a decoder for each target space.

After arXiv 2406.12056 (ICLR 2025). With h the encoder's sum over a molecule's atoms::

    mu, s = chunk(Linear(SiLU(h)), 2)        sigma = softplus(s) + 1e-7
    z = mu + sigma * noise                   reparameterised
    x^c = decoder_c(mu)                      logits of a target space c, scaled to 0..1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Batch

from chmr_bench.errors import SettingError, UnknownNameError
from chmr_bench.nn.gnn import GinVirtualNode

MOLECULE = "molecule"
"""The target space of a molecule's bits."""
LEAST_SIGMA = 1e-7
"""Added to every standard deviation, as published."""


@dataclass(frozen=True)
class TargetSpace:
    """What a decoder gives: `d` columns of one kind of node."""

    name: str
    d: int


@dataclass(frozen=True)
class InfoAlignShape:
    """All that is needed to build the network; JSON-able through `to_json` and `from_json`.

    Attributes
    ----------
    targets : tuple[TargetSpace, ...]
        One decoder each.
    decoder_hidden : int
        Width of the decoders' hidden layer; published is four times `hidden`.
    decoder_dropout : float
        Dropout in the decoders; published is 0.5.
    """

    targets: tuple[TargetSpace, ...]
    hidden: int = 300
    layers: int = 5
    dropout: float = 0.5
    decoder_hidden: int = 1200
    decoder_dropout: float = 0.5

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise SettingError(f"the target spaces of a network are {names}; each name once")

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON-able values."""
        return {**asdict(self), "targets": [asdict(target) for target in self.targets]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> InfoAlignShape:
        """Return the shape that `to_json` wrote."""
        targets = tuple(TargetSpace(**target) for target in values["targets"])
        return cls(**{**values, "targets": targets})


@dataclass(frozen=True)
class Latent:
    """The Gaussian of each molecule: `mu` and `sigma`, (b, h)."""

    mu: Tensor
    sigma: Tensor

    def sample(self) -> Tensor:
        """Return z = mu + sigma x standard normal noise, (b, h), by torch's generator."""
        return self.mu + self.sigma * torch.randn_like(self.sigma)


class InfoAlignNetwork(nn.Module):
    """Graph encoder, latent and decoders."""

    def __init__(self, shape: InfoAlignShape) -> None:
        super().__init__()
        self.shape = shape
        h = shape.hidden
        self.graph_encoder = GinVirtualNode(h, shape.layers, shape.dropout)
        self.latent_layer = nn.Linear(h, 2 * h)
        self.decoders = nn.ModuleDict({_key(t.name): _decoder(shape, t.d) for t in shape.targets})

    def encode(self, graph: Batch) -> Latent:
        """Return the Gaussian of each molecule."""
        return self.latent(self.graph_encoder(graph))

    def latent(self, h: Tensor) -> Latent:
        """Return the Gaussian of graph representations (b, h)."""
        mu, spread = self.latent_layer(functional.silu(h)).chunk(2, dim=1)
        return Latent(mu, functional.softplus(spread) + LEAST_SIGMA)

    def decode(self, name: str, mu: Tensor) -> Tensor:
        """Return logits (b, d) of a target space; UnknownNameError where there is no such one."""
        if _key(name) not in self.decoders:
            known = [target.name for target in self.shape.targets]
            raise UnknownNameError("target space of the network", name, known)
        decoded: Tensor = self.decoders[_key(name)](mu)
        return decoded


def _key(name: str) -> str:
    """Return a target space's key in a ModuleDict: no dot, and no name of a method."""
    return "_" + name.replace(".", ":")


def _decoder(shape: InfoAlignShape, d: int) -> nn.Sequential:
    wide = shape.decoder_hidden
    return nn.Sequential(
        nn.Linear(shape.hidden, wide),
        nn.BatchNorm1d(wide),
        nn.GELU(),
        nn.Dropout(shape.decoder_dropout),
        nn.Linear(wide, d),
    )
