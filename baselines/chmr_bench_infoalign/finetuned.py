"""InfoAlign trained on with the labels: the encoder at a small rate, and the head on it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench import FeatureRequest, FitContext, GraphBlock, Inputs
from chmr_bench.nn.heads import Head, HeadSettings, TaskNetwork, row_batches
from chmr_bench.nn.trainer import masked_loss
from chmr_bench.types import FloatArray
from chmr_bench_infoalign.config import InfoAlignTunedConfig
from chmr_bench_infoalign.embedding import checked_network
from chmr_bench_infoalign.weights import INPUTS

if TYPE_CHECKING:
    import torch

    from chmr_bench_infoalign.network import InfoAlignNetwork

AT_ONCE = 512
"""Molecules that are predicted at a time."""


@dataclass(frozen=True)
class GraphRows:
    """Graphs of n molecules as rows of an array: they have a shape, and can be taken by rows."""

    graph: GraphBlock
    width: int

    def __len__(self) -> int:
        return len(self.graph)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, h), h the width of the latent."""
        return len(self.graph), self.width

    def __getitem__(self, rows: Any) -> GraphRows:
        return GraphRows(self.graph.take(np.asarray(rows)), self.width)


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

        head = Head(self.settings)._build(d, t)
        return nn.ModuleDict({"encoder": self._encoder, "head": head})

    def _parameters(self) -> list[dict[str, Any]]:
        encoder = [p for p in self._encoder.parameters() if p.requires_grad]
        return [
            {"params": encoder, "lr": self.config.tune_encoder_rate},
            {"params": list(self._part("head").parameters())},
        ]

    def _losses(self, x: GraphRows, y: torch.Tensor) -> Iterator[torch.Tensor]:
        for rows in row_batches(len(x), self.settings.batch_size):
            yield masked_loss(self._logits(x[rows]), y[rows], self._is_classifier)

    def _raw(self, x: GraphRows) -> torch.Tensor:
        import torch

        return torch.cat([self._logits(x[r]) for r in torch.split(torch.arange(len(x)), AT_ONCE)])

    def _logits(self, x: GraphRows) -> torch.Tensor:
        """Return logits or standardised values, (b, t)."""
        from chmr_bench.nn.batch import graph_batch

        encoder: Any = self._part("encoder")
        raw: torch.Tensor = self._part("head")(encoder.encode(graph_batch(x.graph)).mu)
        return raw

    def _part(self, name: str) -> torch.nn.Module:
        parts: Any = self._network
        part: torch.nn.Module = parts[name]
        return part
