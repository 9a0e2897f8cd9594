"""Small real atlases: CMEA, LINCS cell counts, and a hundred signatures of L1000."""

from __future__ import annotations

import numpy as np

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.cells.sources.folder import load_files
from chmr_bench.cells.sources.tables import plain_smiles, read_numbers, read_table
from chmr_bench.contracts import AtlasSpec, LoadFiles, MatrixBlock

DOSES = ("0.04", "0.12", "0.37", "1.11", "3.33", "10.0")
"""Micromolar; log2 of the cell count against DMSO, A549 cells."""


def load_cmea(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return 162 compounds with 812 Cell Painting features and 978 landmark genes each."""
    folder = "cells/cmea"
    return load_files(
        files(f"{folder}/index.csv.gz"),
        {
            "morphology": files(f"{folder}/CP-MLPCN_feature.npz"),
            "expression": files(f"{folder}/GE_feature.npz"),
        },
    )


def load_l1000_skb100(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return 100 signatures of 978 landmark genes (z-scores); a quarter have no structure."""
    folder = "cells/l1000_skb100"
    return load_files(
        files(f"{folder}/index.csv.gz"), {"expression": files(f"{folder}/GE_feature.npz")}
    )


def load_lincs_cellcount(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return 1,570 compounds with their cell counts at six doses, log2 against DMSO."""
    path = files("cells/lincs_cellcount/cellcount_log2fc.csv.gz")
    columns = tuple(f"log2fc_{dose}uM" for dose in DOSES)
    table = read_table(path, ["smiles", *columns])
    values = read_numbers(path, table, columns)
    block = MatrixBlock(values, np.isfinite(values).any(axis=1), columns)
    return ProfileTable(tuple(plain_smiles(s) for s in table["smiles"]), {"viability": block})
