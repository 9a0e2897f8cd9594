"""What a tuned network reads: matrices, and graphs where the graph network is trained too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chmr_bench import GraphBlock
from chmr_bench.types import IntArray

SEEN, RAW = "seen", "raw"
"""Names of parts: 1 where a molecule has a shape; what the head reads beside the encoder."""


@dataclass(frozen=True)
class TunedInputs:
    """What a tuned network reads of n molecules.

    Attributes
    ----------
    parts : Mapping[str, Any]
        Name -> (n, d) float32: the modalities of the encoder by name, that of graphs as the frozen
        network encodes them; and `SEEN` and `RAW`.
    graph : GraphBlock | None
        The graphs, where the graph network is trained too.
    """

    parts: Mapping[str, Any]
    graph: GraphBlock | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d), of what the head reads beside the encoder."""
        n, d = self.parts[RAW].shape
        return n, d

    def __getitem__(self, rows: IntArray) -> TunedInputs:
        parts = {name: part[rows] for name, part in self.parts.items()}
        return TunedInputs(parts, self.graph and self.graph.take(rows))
