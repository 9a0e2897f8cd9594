"""The modalities of MMSA; each is the feature of its name."""

from __future__ import annotations

GRAPH, IMAGE, CONFORMER = "graph", "image", "conformer"
MODALITIES = (GRAPH, IMAGE, CONFORMER)
