"""The network of MMSA: an encoder and an auto-encoder a modality, a hypergraph, a memory.

A reconstruction of arXiv 2505.05877, of which only the abstract could be read. With x_m the
features that the encoder of modality m gives, for each modality that a molecule has::

    c_m = unit(Linear(tanh(Linear(x_m))))          its code, in the space that all share
    x^m = Linear(tanh(Linear(c)))                  features from a code, its own or another's
    u   = mean of c_m                              the unified code
    g   = hypergraph(u)                            with the nearest molecules
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from chmr_bench.nn.gnn import GinVirtualNode
from chmr_bench_mmsa.distances import DistanceEncoder
from chmr_bench_mmsa.hypergraph import HypergraphLayer
from chmr_bench_mmsa.memory import AnchorMemory
from chmr_bench_mmsa.molecules import MoleculeBatch
from chmr_bench_mmsa.names import CONFORMER, GRAPH, IMAGE, MODALITIES
from chmr_bench_mmsa.resnet import ResNet18


@dataclass(frozen=True)
class MmsaShape:
    """All that is needed to build the network; JSON-able through `to_json` and `from_json`.

    The names are those of `MmsaSettings`.
    """

    modalities: tuple[str, ...] = MODALITIES
    hidden: int = 300
    layers: int = 5
    dropout: float = 0.2
    image_width: int = 64
    conformer_hidden: int = 64
    conformer_layers: int = 3
    cutoff: float = 5.0
    code_hidden: int = 512
    code: int = 256
    hypergraph: bool = True
    neighbours: int = 12
    hypergraph_dropout: float = 0.5
    anchors: int = 128
    address_temperature: float = 0.05

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON-able values."""
        return {**asdict(self), "modalities": list(self.modalities)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MmsaShape:
        """Return the shape that `to_json` wrote."""
        return cls(**{**values, "modalities": tuple(values["modalities"])})

    @property
    def embedding(self) -> int:
        """Width of what `MmsaNetwork.embed` gives."""
        return self.code * (1 + self.hypergraph)


@dataclass(frozen=True)
class Encoded:
    """b molecules as every modality encodes them.

    Attributes
    ----------
    features : Mapping[str, Tensor]
        Modality -> (b, d), as its encoder gives them; 0 where it is not observed.
    codes : Mapping[str, Tensor]
        Modality -> (b, k) of length 1; 0 where it is not observed.
    observed : Mapping[str, Tensor]
        Modality -> (b,) bool.
    """

    features: Mapping[str, Tensor]
    codes: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]

    def unified(self) -> Tensor:
        """Return (b, k): the mean of the codes of the modalities that a molecule has."""
        n = torch.stack([self.observed[name] for name in self.codes]).sum(0)  # (b,)
        return torch.stack(list(self.codes.values())).sum(0) / n[:, None]


class MmsaNetwork(nn.Module):
    """Encoders, auto-encoders, hypergraph and memory; the last two where the shape has them."""

    def __init__(self, shape: MmsaShape) -> None:
        super().__init__()
        self.shape = shape
        builders: dict[str, Callable[[], nn.Module]] = {
            GRAPH: lambda: GinVirtualNode(shape.hidden, shape.layers, shape.dropout),
            IMAGE: lambda: ResNet18(shape.image_width),
            CONFORMER: lambda: DistanceEncoder(
                shape.conformer_hidden, shape.conformer_layers, shape.cutoff
            ),
        }
        self.widths = {
            GRAPH: shape.hidden,
            IMAGE: 8 * shape.image_width,
            CONFORMER: shape.conformer_hidden,
        }
        names, wide, k = shape.modalities, shape.code_hidden, shape.code
        self.encoders = nn.ModuleDict({name: builders[name]() for name in names})
        self.coders = nn.ModuleDict(
            {name: _two_layers(self.widths[name], wide, k) for name in names}
        )
        self.decoders = nn.ModuleDict(
            {name: _two_layers(k, wide, self.widths[name]) for name in names}
        )
        self.hypergraph: HypergraphLayer | None = None
        if shape.hypergraph:
            self.hypergraph = HypergraphLayer(k, shape.neighbours, shape.hypergraph_dropout)
        self.memory: AnchorMemory | None = None
        if shape.anchors:
            self.memory = AnchorMemory(shape.anchors, k, shape.address_temperature)

    def encode(self, batch: MoleculeBatch) -> Encoded:
        """Return every molecule as every modality encodes it."""
        features, codes, observed = {}, {}, {}
        for name in self.shape.modalities:
            there = batch.observed[name]
            if self.training and there.sum() < 2:  # a batch norm learns nothing of one
                there = torch.zeros_like(there)
            rows = there.nonzero()[:, 0]
            x = self._features(name, batch, rows).float()
            code = functional.normalize(self.coders[name](x).float(), dim=1)
            features[name] = x.new_zeros(len(there), x.shape[1]).index_copy(0, rows, x)
            codes[name] = code.new_zeros(len(there), code.shape[1]).index_copy(0, rows, code)
            observed[name] = there
        return Encoded(features, codes, observed)

    def decode(self, name: str, code: Tensor) -> Tensor:
        """Return the features of a modality from codes (b, k), (b, d)."""
        decoded: Tensor = self.decoders[name](code)
        return decoded

    def embed(self, unified: Tensor, pool: Tensor) -> Tensor:
        """Return the embeddings of molecules by their unified codes (b, k): u, and g beside it.

        Parameters
        ----------
        pool : Tensor
            (p, k) unified codes of the molecules that may be neighbours.
        """
        if self.hypergraph is None:
            return unified
        return torch.cat([unified, self.hypergraph.from_pool(unified, pool)], dim=1)

    def _features(self, name: str, batch: MoleculeBatch, rows: Tensor) -> Tensor:
        """Return what an encoder gives of the molecules of these rows, (number of rows, d)."""
        encoder: Any = self.encoders[name]
        if not len(rows):
            return torch.zeros(0, self.widths[name], device=rows.device)
        if name == GRAPH:  # every molecule has one
            atoms = batch.graph.ptr.diff()[:, None]
            mean: Tensor = encoder(batch.graph) / atoms
            return mean
        encoded: Tensor = encoder(batch.tensors[name].index_select(0, rows))
        return encoded


def _two_layers(d: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d, hidden), nn.Tanh(), nn.Linear(hidden, out))
