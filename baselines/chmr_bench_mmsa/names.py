"""The modalities of MMSA, each called as the feature that it is."""

from __future__ import annotations

GRAPH, IMAGE, CONFORMER = "graph", "image", "conformer"
MODALITIES = (GRAPH, IMAGE, CONFORMER)
