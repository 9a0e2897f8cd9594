"""A corpus in InfoAlign's layout, served as the hub does."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest

REPOSITORY = "liuganghuggingface/InfoAlign-Data"
SMILES = ["CCO", "CCN", "CCC", "c1ccccc1", "c1ccccc1O", "not a molecule", "C[C@H](N)O"]


def table(header: str, *rows: str) -> bytes:
    return gzip.compress("\n".join([header, *rows, ""]).encode(), mtime=0)


def matrix(values: list[list[float]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, data=np.array(values, dtype=np.float64))
    return buffer.getvalue()


def corpus() -> dict[str, bytes]:
    """Return seven molecules, and what the published tables have in odd places.

    m1 stands twice among the structures and twice in Bray, m9 has a profile and no structure, gene
    20 acts on no compound, an edge names a gene that nothing perturbed, gene ids come as floats.
    """
    nan = float("nan")
    structures = [f"m{i + 1},{smiles},KEY{i}" for i, smiles in enumerate(SMILES)]
    bray = ["cb1,m1", "cb2,m2", "cb3,m1", "cb4,m9"]
    return {
        "structure.csv.gz": table("mol_id,smiles,inchikey", *structures, "m1,CCO,KEY0"),
        "CP-Bray.csv.gz": table("cell_bid,mol_id", *bray),
        "CP-Bray_feature.npz": matrix([[1, 2], [3, 4], [5, 6], [7, 8]]),
        "CP-JUMP.csv.gz": table("cell_jid,mol_id", "cj1,m3", "cj2,m2"),
        "CP-JUMP_feature.npz": matrix([[0.5, nan, 1.5], [nan, nan, nan]]),
        "GE.csv.gz": table("express_id,mol_id", "e1,m4", "e2,m6"),
        "GE_feature.npz": matrix([[9, 8], [7, 6]]),
        "G-CRISPR.csv.gz": table("ncbi_gene_id,mol_id", "10.0,m1", "10.0,m5", "20.0,"),
        "G-CRISPR_feature.npz": matrix([[1], [1], [2]]),
        "G-ORF.csv.gz": table("ncbi_gene_id,mol_id", "30,", "10,m1"),
        "G-ORF_feature.npz": matrix([[3, 3], [4, 4]]),
        "G-G.csv.gz": table("source_id,target_id", "10,20", "20,10", "30,10", "10,77", "10,10"),
        "L1k_idmaps.csv": b"l1k,ncbi_gene_id\na,20\nb,99\n",
    }


@pytest.fixture
def hub(hub_server: Any) -> Any:
    """A hub on this machine that serves the corpus; the cache of the test is empty."""
    hub_server.serve("dataset", REPOSITORY, corpus())
    hub_server.table, hub_server.matrix = staticmethod(table), staticmethod(matrix)
    return hub_server
