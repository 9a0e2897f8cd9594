"""What a tuned network reads: columns, and graphs where the graph network is trained too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench import GraphBlock


@dataclass(frozen=True)
class TunedInputs:
    """What a tuned network reads of n molecules.

    Attributes
    ----------
    columns : Any
        (n, d) float32: bits, standardised shape, whether there is a shape, and the graph as the
        frozen network encodes it, or nothing where `graph` is read.
    graph : GraphBlock | None
        The graphs, where the graph network is trained too.
    """

    columns: Any
    graph: GraphBlock | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d), of the columns."""
        n, d = self.columns.shape
        return n, d

    def __getitem__(self, rows: Any) -> TunedInputs:
        indices = np.asarray(rows)
        return TunedInputs(self.columns[rows], self.graph and self.graph.take(indices))
