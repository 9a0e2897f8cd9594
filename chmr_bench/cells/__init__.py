"""Cells: atlases of read-outs, the context graph, walks and propagation."""

from __future__ import annotations

from chmr_bench.cells.assays import AssayBlock, assay_block
from chmr_bench.cells.atlas import Atlas, Genes, ProfileTable
from chmr_bench.cells.merging import merge

__all__ = [
    "AssayBlock",
    "Atlas",
    "Genes",
    "ProfileTable",
    "assay_block",
    "merge",
]
