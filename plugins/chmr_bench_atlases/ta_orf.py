"""Genes over-expressed one at a time: what that does to 978 landmark genes of U2OS cells.

A GCT object in R's own serialisation, which the library rdata reads without R. Its wells become
genes: the mean of the wells of one Entrez gene. No molecule is in it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from chmr_bench import AtlasSpec, DataError, UsageError
from chmr_bench.cells import Genes, ProfileTable
from chmr_bench.cells.merging import mean_observed
from chmr_bench.cells.sources.tables import file_named
from chmr_bench.contracts import LoadFiles, MatrixBlock

PATH = "cells/ta_orf/TA.OE005_U2OS_72H_ZSPCQNORM_n1092x978.rds"
BLOCK = "orf-expression"
OVEREXPRESSED = "trt_oe"


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return the genes; wells without an Entrez gene are counted as ``well_without_gene``.

    Raises
    ------
    UsageError
        The library rdata is not installed.
    DataError
        The file is no GCT object of R.
    """
    try:
        import rdata
    except ModuleNotFoundError as error:
        raise UsageError(
            f"atlas {spec.name!r}: its file is in R's serialisation and needs rdata; "
            "pip install 'chmr-bench[atlases]'"
        ) from error
    path = files(PATH)
    with file_named(path, "a GCT object in R's serialisation"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the class GCT, which is R's alone
        gct: Any = rdata.read_rds(path)
        values = np.asarray(gct.mat, dtype=np.float32).T  # (wells, landmark genes)
        wells, landmarks = gct.cdesc, gct.rdesc
        of_wells = [_entrez(number) for number in wells["pert_univ_id"]]
        overexpressed = (wells["pert_type"] == OVEREXPRESSED).to_numpy(dtype=bool)
        columns = tuple(_entrez(number) for number in landmarks["pr_gene_id"])
    if values.shape != (len(of_wells), len(columns)):
        raise DataError(f"{path}: {values.shape} numbers for {len(of_wells)} wells")
    kept = overexpressed & np.array([gene != "" for gene in of_wells])
    return _table(values, of_wells, kept, columns)


def _table(values: Any, of_wells: list[str], kept: Any, columns: tuple[str, ...]) -> ProfileTable:
    perturbed = [gene for gene, keep in zip(of_wells, kept, strict=True) if keep]
    names = tuple(dict.fromkeys([*perturbed, *columns]))
    index = {gene: i for i, gene in enumerate(names)}
    targets = np.array([index[gene] for gene in perturbed], dtype=np.int64)
    wells = MatrixBlock(values[kept], np.isfinite(values[kept]), columns)
    block, _ = mean_observed([(wells, targets)], len(names))
    genes = Genes(names, {BLOCK: block}, columns={name: index[name] for name in columns})
    return ProfileTable((), {}, genes=genes, counts={"well_without_gene": int((~kept).sum())})


def _entrez(number: Any) -> str:
    """Return an Entrez gene as text, "" where there is none (R's NA, or -666)."""
    text = str(number).removesuffix(".0")
    return text if text.isdigit() and text != "0" else ""
