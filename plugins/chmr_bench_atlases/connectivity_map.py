"""Connectivity Map build 02: how often a drug moved a gene among the hundred that moved most.

The published lists hold, for each of 6,100 instances (a drug, a cell line, a dose, a repeat), the
hundred genes that went up most and the hundred that went down most. A drug's entry for a gene is
the share of its instances with the gene among those that went up, less the share with it among
those that went down: -1 to 1, and 0 for most.
"""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import AtlasSpec, DataError
from chmr_bench.cells import ProfileTable
from chmr_bench.cells.sources.tables import file_named
from chmr_bench.contracts import LoadFiles, MatrixBlock
from chmr_bench_atlases.layouts import Structures
from chmr_bench_atlases.load import plain_names, structure_table

BLOCK = "expression.cmap02"
UP, DOWN = "cells/cmap02/CmapUp100.gmt.xz", "cells/cmap02/CmapDn100.gmt.xz"
YEAST = ("Bioactive", "Cytotoxic", "Lopac", "Maybridge1000", "SPECMTS3", "Spectrum", "Spectrum_ED")
NAMES = (
    Structures(("cells/cmap02/pertinfo.tsv.gz",), "drug", "pert_iname", "canonical_smiles"),
    Structures(("cells/redial/CPE.csv",), "drug", "DC.NAME", "SMILES"),
    Structures(
        tuple(f"cells/yeast_cgm/{library}_SMILES.csv" for library in YEAST),
        "drug",
        "Name",
        "Canonical SMILES",
        encoding="latin-1",
    ),
    Structures(("cells/nci60/public_drug_info_2_14.txt",), "drug", "NAME", "SMILES"),
)
"""Tables of names, LINCS's own first: the first that has a drug's name stands."""


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return a row a drug whose name is found; the others are counted as ``name_not_found``.

    Raises
    ------
    DataError
        A list is not in GMT's layout, or the two are not of the same instances.
    """
    import pandas as pd
    from scipy import sparse

    lists = [_read(files(path)) for path in (UP, DOWN)]
    if lists[0][0] != lists[1][0]:
        raise DataError(f"{files(UP)} and {files(DOWN)}: expected lists of the same instances")
    instances, _ = lists[0]
    drugs, names = pd.factorize(np.array([i.rpartition("@")[0] for i in instances], dtype=object))
    every = [gene for _, genes in lists for listed in genes for gene in listed]
    genes, columns = pd.factorize(np.array(every, dtype=object))
    lengths = [len(listed) for _, listed_genes in lists for listed in listed_genes]
    rows = np.repeat(np.tile(drugs, 2), lengths)
    n_up = sum(lengths[: len(instances)])
    signs = np.where(np.arange(len(every)) < n_up, 1.0, -1.0)
    shares = signs / np.bincount(drugs)[rows]
    matrix = sparse.coo_array((shares, (rows, genes)), shape=(len(names), len(columns)))
    structures: dict[str, str] = {}
    for described in NAMES:
        structures = structure_table(described, files) | structures
    smiles = [structures.get(name) for name in plain_names(pd.Series(names))]
    kept = np.array([text is not None for text in smiles])
    values: Any = matrix.toarray().astype(np.float32)[kept]
    return ProfileTable(
        smiles=tuple(text for text in smiles if text is not None),
        blocks={
            BLOCK: MatrixBlock(values, np.ones(values.shape, dtype=bool), tuple(map(str, columns)))
        },
        counts={"name_not_found": int((~kept).sum())},
        strict=True,
    )


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of a GMT file's lists, and what stands in each: name, remark, genes."""
    with file_named(path, "a GMT file, xz"), lzma.open(path, "rt", encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    short = next((i for i, line in enumerate(lines, 1) if len(line) < 3), 0)
    if short or not lines:
        raise DataError(f"{path}, line {short}: expected a name, a remark and genes, by tabs")
    return [line[0] for line in lines], [line[2:] for line in lines]
