"""InfoAlign trained on with the labels: the encoder at a small rate, and the head on it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest, FitContext, GraphBlock, Inputs
from chmr_bench.nn.heads import HeadSettings, TaskNetwork, head_network
from chmr_bench.types import FloatArray, IntArray
from chmr_bench_infoalign.config import InfoAlignTunedConfig
from chmr_bench_infoalign.embedding import checked_network
from chmr_bench_infoalign.weights import INPUTS

if TYPE_CHECKING:
    import torch

    from chmr_bench_infoalign.network import InfoAlignNetwork


@dataclass(frozen=True)
class GraphRows:
    """Graphs of n molecules as rows of an array: they have a shape, and can be taken by rows."""

    graph: GraphBlock
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n, h), h the width of the latent."""
        return len(self.graph), self.width

    def __getitem__(self, rows: IntArray) -> GraphRows:
        return GraphRows(self.graph.take(rows), self.width)


class FinetunedInfoAlign(TaskNetwork):
    """The encoder and a head on mu, trained together from the pretrained weights."""

    settings: HeadSettings

    def __init__(self, config: InfoAlignTunedConfig) -> None:
        super().__init__(HeadSettings.of(config, "head_"))
        self.config = config

    @classmethod
    def needs(cls, config: InfoAlignTunedConfig) -> Mapping[str, FeatureRequest]:
        """Return the graphs."""
        return INPUTS

    def fit(
        self,
        x_train: Inputs,
        y_train: FloatArray,
        x_valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        """Train encoder and head on the training rows; keep the best epoch on the validation rows.

        Raises
        ------
        DataError
            No weights were given.
        """
        known = checked_network(context)
        self._encoder: InfoAlignNetwork = copy.deepcopy(known).cpu()  # others read that one
        self._encoder.decoders.requires_grad_(False)
        self._encoder.graph_encoder.dropout = self.config.tune_encoder_dropout
        super().fit(self._rows(x_train), y_train, self._rows(x_valid), y_valid, context)

    def predict(self, x: Inputs) -> FloatArray:
        """Return probabilities of class 1, or values, (n, t)."""
        return super().predict(self._rows(x))

    def _rows(self, inputs: Inputs) -> GraphRows:
        return GraphRows(inputs.graph(), self._encoder.shape.hidden)

    def _build(self, d: int, t: int) -> torch.nn.Module:
        from torch import nn

        self._head = head_network(self.settings, d, t)
        return nn.ModuleDict({"encoder": self._encoder, "head": self._head})

    def _parameters(self) -> list[dict[str, Any]]:
        encoder = [p for p in self._encoder.parameters() if p.requires_grad]
        return [
            {"params": encoder, "lr": self.config.tune_encoder_rate},
            {"params": list(self._head.parameters())},
        ]

    def _outputs(self, x: GraphRows) -> torch.Tensor:
        from chmr_bench.nn.batch import graph_batch

        raw: torch.Tensor = self._head(self._encoder.encode(graph_batch(x.graph)).mu)
        return raw
