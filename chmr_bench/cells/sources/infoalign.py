"""InfoAlign's pretraining corpus: 129,592 molecules, morphology, expression, perturbed genes.

Files of the Hugging Face dataset ``liuganghuggingface/InfoAlign-Data`` (Liu et al., ICLR 2025):
``structure.csv.gz`` lists the molecules (``mol_id``, ``smiles``); each read-out is an index table
and a matrix ``NAME_feature.npz`` whose rows stand in the table's order. Tables of compounds name a
``mol_id`` a row (several rows of one molecule: the first stands). Tables of perturbed genes name an
``ncbi_gene_id``, and a ``mol_id`` where a compound is known to act on that gene.

A molecule that acts on a gene has that gene's morphology as its ``perturbation.crispr`` or
``perturbation.orf``. All values are those of the files, neither scaled nor averaged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import paths
from chmr_bench.cells.atlas import Genes, ProfileTable
from chmr_bench.cells.merging import first_observed, first_rows, free_name
from chmr_bench.cells.plugin import REVISION_VARIABLE
from chmr_bench.cells.sources.hub import HubDataset, hub_files
from chmr_bench.cells.sources.tables import plain_smiles, read_matrix, read_table
from chmr_bench.contracts import AtlasSpec, LoadFiles, MatrixBlock, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, FetchError
from chmr_bench.types import IntArray

REPOSITORY = "liuganghuggingface/InfoAlign-Data"
FOLDER = "infoalign"

STRUCTURE, GENE_EDGES, GENE_IDS = "structure.csv.gz", "G-G.csv.gz", "L1k_idmaps.csv"
COMPOUND_BLOCKS: Mapping[str, str] = {
    "morphology.bray": "CP-Bray",
    "morphology.jump": "CP-JUMP",
    "expression": "GE",
}
GENE_BLOCKS: Mapping[str, str] = {"crispr": "G-CRISPR", "orf": "G-ORF"}
FILES = (
    STRUCTURE,
    GENE_EDGES,
    GENE_IDS,
    *(
        f"{stem}{end}"
        for stem in (*COMPOUND_BLOCKS.values(), *GENE_BLOCKS.values())
        for end in (".csv.gz", "_feature.npz")
    ),
)


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return one row a ``mol_id``, in the order of the structure table.

    With a mirror folder, the files are read from its ``infoalign/``; nobody pins those.

    Raises
    ------
    FetchError
        A file cannot be had, or is not what the hub says.
    DataError
        A table or a matrix is not in the layout of this module.
    """
    options = getattr(files, "options", FetchOptions())
    return load_corpus(_find(options, getattr(files, "progress", no_progress)))


def load_corpus(local: Mapping[str, Path]) -> ProfileTable:
    """Return one row a ``mol_id`` of the files of a corpus, name -> local file; see `load`."""
    structure = read_table(local[STRUCTURE], ["mol_id", "smiles"])
    rows, _ = first_rows(structure["mol_id"])
    smiles = structure["smiles"].to_numpy(dtype=str)
    number = {molecule: i for i, molecule in enumerate(rows)}
    blocks, unmatched = {}, 0
    for name, stem in COMPOUND_BLOCKS.items():
        table, matrix = _read(local, stem, ["mol_id"])
        targets = _targets(table["mol_id"], number)
        unmatched += int((targets < 0).sum())
        blocks[name], _ = first_observed([(matrix, targets)], len(number))
    genes, perturbed = _genes(local, number)
    blocks["expression"] = _named(blocks["expression"], _gene_ids(local, blocks["expression"]))
    return ProfileTable(
        smiles=tuple(plain_smiles(smiles[row]) for row in rows.values()),
        blocks=blocks | perturbed,
        genes=_with_columns(genes, blocks["expression"].names),
        counts={"repeated_id": len(structure) - len(rows), "profile_without_molecule": unmatched},
    )


def _find(options: FetchOptions, progress: Progress) -> Mapping[str, Path]:
    """Return file name -> local file: from a mirror folder, or from the hub."""
    folder = options.mirror_folder and options.mirror_folder / FOLDER
    if folder and folder.is_dir():
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise FetchError(f"{folder}: lacks {', '.join(missing)} of InfoAlign's corpus")
        return {name: folder / name for name in FILES}
    revision = os.environ.get(REVISION_VARIABLE) or "main"
    dataset = HubDataset(REPOSITORY, revision, FILES)
    return hub_files(dataset, paths.data_folder() / FOLDER, options, progress)


def _read(local: Mapping[str, Path], stem: str, columns: Sequence[str]) -> tuple[Any, MatrixBlock]:
    """Return an index table's columns, and its matrix."""
    table = read_table(local[f"{stem}.csv.gz"], columns)
    return table, read_matrix(local[f"{stem}_feature.npz"], len(table), f"{stem}.csv.gz")


def _targets(names: Sequence[str], number: Mapping[str, int]) -> IntArray:
    return np.array([number.get(name, -1) for name in names], dtype=np.int64)


def _gene_id(text: str) -> str:
    """Return an NCBI gene identifier as text; tables write some as ``672.0``, and some not."""
    return text.strip().removesuffix(".0")


def _genes(
    local: Mapping[str, Path], number: Mapping[str, int]
) -> tuple[Genes, dict[str, MatrixBlock]]:
    """Return the genes, and what a molecule has of those that it acts on."""
    tables = {
        name: _read(local, stem, ["ncbi_gene_id", "mol_id"]) for name, stem in GENE_BLOCKS.items()
    }
    ids = {
        name: [_gene_id(g) for g in table["ncbi_gene_id"]] for name, (table, _) in tables.items()
    }
    names = tuple(dict.fromkeys(gene for genes in ids.values() for gene in genes if gene))
    index = {gene: i for i, gene in enumerate(names)}
    blocks, perturbed = {}, {}
    for name, (table, matrix) in tables.items():
        blocks[name], _ = first_observed([(matrix, _targets(ids[name], index))], len(names))
        of_molecules = [(matrix, _targets(table["mol_id"], number))]
        perturbed[f"perturbation.{name}"], _ = first_observed(of_molecules, len(number))
    edges = read_table(local[GENE_EDGES], ["source_id", "target_id"])
    ends = np.stack(
        [_targets([_gene_id(g) for g in edges[c]], index) for c in ("source_id", "target_id")]
    )
    kept = np.unique(
        np.sort(ends[:, (ends >= 0).all(axis=0) & (ends[0] != ends[1])], axis=0), axis=1
    )
    weights = np.ones(kept.shape[1], dtype=np.float32)
    return Genes(names, blocks, kept, weights), perturbed


def _gene_ids(local: Mapping[str, Path], expression: MatrixBlock) -> tuple[str, ...]:
    """Return the gene of each expression column, in the order of the identifier map."""
    ids = tuple(_gene_id(text) for text in read_table(local[GENE_IDS], ["ncbi_gene_id"]).iloc[:, 0])
    n_columns = np.asarray(expression.values).shape[1]
    if len(ids) != n_columns:
        raise DataError(f"{local[GENE_IDS]}: {len(ids)} genes for {n_columns} expression columns")
    return ids


def _named(block: MatrixBlock, ids: tuple[str, ...]) -> MatrixBlock:
    """Return the block with its columns named after genes; a gene's second column says so."""
    names: dict[str, None] = {}
    for gene in ids:
        names[free_name(gene, "#", names)] = None
    return replace(block, names=tuple(names))


def _with_columns(genes: Genes, columns: tuple[str, ...]) -> Genes:
    """Return the genes with the expression columns that are named after one of them."""
    index = {gene: i for i, gene in enumerate(genes.names)}
    known = {name: index.get(name.partition("#")[0], -1) for name in columns}
    return replace(genes, columns={name: gene for name, gene in known.items() if gene >= 0})
