"""Cells: atlases of read-outs, the context graph, walks and propagation."""

from __future__ import annotations

from chmr_bench.cells.atlas import Atlas, Genes, ProfileTable, modality_of
from chmr_bench.cells.merging import merge

__all__ = ["Atlas", "Genes", "ProfileTable", "merge", "modality_of"]
