"""The molecular encoder of CHMR with a head, as one network to be trained on labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chmr_bench.nn.batch import graph_batch
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import GEOMETRY, GRAPH
from chmr_bench_chmr.tuned_inputs import RAW, SEEN, TunedInputs


class EncoderWithHead(nn.Module):
    """Modalities, projected -> one hidden layer, which reads raw features beside them -> tasks.

    Parameters
    ----------
    encoder : ChmrNetwork
        It is trained in place; what it has beside the molecular modalities is left alone.
    t : int
        Tasks.
    raw : int
        Width of what the head reads beside the encoder.
    hidden : int
        Width of the hidden layer.
    """

    def __init__(self, encoder: ChmrNetwork, t: int, raw: int, hidden: int, dropout: float) -> None:
        super().__init__()
        shape = encoder.shape
        self.encoder = encoder
        width = len(shape.molecular) * shape.hidden
        self.latents = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden))
        self.raw = nn.Linear(raw, hidden, bias=False)
        self.head = nn.Sequential(
            nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, t)
        )

    def forward(self, x: TunedInputs) -> Tensor:
        """Return logits or standardised values, (b, t)."""
        encoder, parts = self.encoder, dict(x.parts)
        if x.graph is not None:
            parts[GRAPH] = encoder.graph_encoder(graph_batch(x.graph, device=parts[RAW].device))
        latents = {name: encoder.project(name, parts[name]) for name in encoder.shape.molecular}
        if GEOMETRY in latents:
            latents[GEOMETRY] = latents[GEOMETRY] * parts[SEEN]
        joined = torch.cat(list(latents.values()), dim=1)
        raw: Tensor = self.head(self.latents(joined) + self.raw(parts[RAW]))
        return raw
