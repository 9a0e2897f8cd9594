"""The molecular encoder of CHMR with a head, as one network to be trained on labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chmr_bench.nn.batch import graph_batch
from chmr_bench_chmr.network import FINGERPRINT, GEOMETRY, GRAPH, ChmrNetwork
from chmr_bench_chmr.tuned_inputs import TunedInputs


class EncoderWithHead(nn.Module):
    """Bits, shape and graph -> projected modalities -> one hidden layer beside the bits -> tasks.

    Parameters
    ----------
    encoder : ChmrNetwork
        It is trained in place; what it has beside the molecular modalities is left alone.
    t : int
        Tasks.
    hidden : int
        Width of the hidden layer.
    """

    def __init__(self, encoder: ChmrNetwork, t: int, hidden: int, dropout: float) -> None:
        super().__init__()
        shape = encoder.shape
        self.encoder = encoder
        width = len(shape.molecular) * shape.hidden
        self.latents = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden))
        self.bits = nn.Linear(shape.fingerprint, hidden, bias=False)
        self.head = nn.Sequential(
            nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, t)
        )

    def forward(self, x: TunedInputs) -> Tensor:
        """Return logits or standardised values, (b, t)."""
        shape = self.encoder.shape
        bits, rest = x.columns[:, : shape.fingerprint], x.columns[:, shape.fingerprint :]
        latents = {FINGERPRINT: self.encoder.project(FINGERPRINT, bits)}
        if shape.geometry:
            values, seen = rest[:, : shape.geometry], rest[:, shape.geometry, None]
            latents[GEOMETRY] = self.encoder.project(GEOMETRY, values) * seen
            rest = rest[:, shape.geometry + 1 :]
        pooled = rest
        if x.graph is not None:
            pooled = self.encoder.graph_encoder(graph_batch(x.graph, device=bits.device))
        latents[GRAPH] = self.encoder.project(GRAPH, pooled)
        joined = torch.cat([latents[name] for name in shape.molecular], dim=1)
        raw: Tensor = self.head(self.latents(joined) + self.bits(bits))
        return raw
