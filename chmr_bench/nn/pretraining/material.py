"""What of an atlas a pretraining learns from: read-outs, the context graph, who is held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from chmr_bench import DataError, GraphBlock, MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.graph import GENE, ContextGraph, GraphSettings, build
from chmr_bench.contracts import Block, modality_of
from chmr_bench.errors import UnknownNameError
from chmr_bench.features.tanimoto import Neighbours
from chmr_bench.nn.pretraining.seeding import generator
from chmr_bench.nn.pretraining.settings import AtlasSettings
from chmr_bench.nn.pretraining.values import Values, require_readouts, shuffled, standardised
from chmr_bench.types import BoolArray, IntArray

PERTURBATION = "perturbation"
"""The modality that genes' own features belong to."""


@dataclass(frozen=True)
class AtlasMaterial:
    """What is learnt from: n molecules in the order of the atlas.

    Attributes
    ----------
    keys : tuple[str, ...]
        `Atlas.every_key` of these molecules.
    bits : sparse.csr_array
        (n, d) uint8, what walks reconstruct of a molecule.
    cells : Mapping[str, Values]
        Cell block -> its read-outs.
    links : ContextGraph | None
        The context graph; None where there is no walk.
    train, valid : IntArray
        Rows.
    counts : Mapping[str, Any]
        JSON-able, for the card.
    genes : Mapping[str, Values]
        ``gene.BLOCK`` -> what is known of the genes on the graph, (number of genes, d).
    """

    keys: tuple[str, ...]
    bits: sparse.csr_array
    graph: GraphBlock
    cells: Mapping[str, Values]
    links: ContextGraph | None
    train: IntArray
    valid: IntArray
    counts: Mapping[str, Any] = field(default_factory=dict)
    genes: Mapping[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.graph)


def require_molecules(atlas: Atlas) -> None:
    """Raise DataError where an atlas has fewer than two molecules left."""
    if len(atlas) < 2:
        raise DataError(
            f"atlas {atlas.name!r} has {len(atlas)} molecules left to learn from, expected 2 at "
            f"least; of its rows became: {dict(atlas.counts)}"
        )


def graphs_of(features: Mapping[str, Block]) -> GraphBlock:
    """Return the feature ``graph``; DataError where it is something else."""
    graph = features["graph"]
    if not isinstance(graph, GraphBlock):
        raise DataError("the feature 'graph' gave no graphs")
    return graph


def cell_blocks(atlas: Atlas, config: AtlasSettings, seed: int) -> dict[str, MatrixBlock]:
    """Return the blocks to learn from: those the settings name, shuffled where they say so.

    A block that no molecule has, since all of it was masked on purpose, is left out.
    """
    blocks = {n: b for n, b in _chosen_blocks(atlas, config).items() if b.observed.any()}
    if not config.shuffle_cells:
        return blocks
    return {
        name: shuffled(block, generator(seed, "shuffle", name)) for name, block in blocks.items()
    }


def _chosen_blocks(atlas: Atlas, config: AtlasSettings) -> dict[str, MatrixBlock]:
    """Return the blocks that the settings name; all where they name none."""
    if config.cells is None:
        return dict(atlas.blocks)
    for wanted in config.cells:
        if wanted not in atlas.modalities and wanted not in atlas.blocks:
            hint = f"(atlas {atlas.name!r})"
            raise UnknownNameError("cell modality", wanted, atlas.modalities, hint)
    chosen = set(config.cells)
    return {n: block for n, block in atlas.blocks.items() if {n, modality_of(n)} & chosen}


def check_readouts(atlas: Atlas, config: AtlasSettings, *, masked: bool) -> None:
    """Raise DataError where read-outs are to be learnt from and there are none.

    Labelled assays are something to learn from, too.

    Parameters
    ----------
    masked : bool
        Read-outs were masked on purpose, so that there may be none left.
    """
    if config.cells != () and (atlas.blocks or not atlas.assays):
        require_readouts(atlas.name, _chosen_blocks(atlas, config), masked=masked)


def gene_blocks(
    atlas: Atlas,
    config: AtlasSettings,
    seed: int,
    scaled: Callable[[MatrixBlock], Values] = standardised,
) -> dict[str, Values]:
    """Return what walks reconstruct of genes: nothing where the settings leave perturbation out."""
    wanted = config.cells is None or PERTURBATION in config.cells
    if atlas.genes is None or not wanted:
        return {}
    blocks = {}
    for name, block in atlas.genes.blocks.items():
        if config.shuffle_cells:
            block = shuffled(block, generator(seed, "shuffle", GENE, name))
        blocks[f"{GENE}.{name}"] = scaled(block)
    return blocks


def context_graph(
    atlas: Atlas,
    cells: Mapping[str, Values],
    structure: tuple[sparse.csr_array, Neighbours | None],
    settings: GraphSettings,
    request: WeightsRequest,
) -> ContextGraph:
    """Return the context graph; profiles are compared by their standardised columns.

    Parameters
    ----------
    cells : Mapping[str, Values]
        The blocks of the atlas, standardised.
    structure : tuple[sparse.csr_array, Neighbours | None]
        Morgan bits (n, d), and each molecule's nearest by them where they are known.
    """
    request.stage("context graph")
    blocks = {
        name: MatrixBlock(
            values.profiles,
            values.observed if values.entries is None else values.entries,
            atlas.blocks[name].names,
        )
        for name, values in cells.items()
    }
    morgan, near = structure
    return build(
        replace(atlas, blocks=blocks),
        morgan,
        settings,
        neighbours=near,
        n_jobs=request.n_jobs,
        progress=request.progress,
    )


def atlas_counts(
    atlas: Atlas, cells: Mapping[str, Values], links: ContextGraph | None
) -> dict[str, Any]:
    """Return what a card says of the material."""
    counts: dict[str, Any] = {"n_molecules": len(atlas), "cells": {}}
    for name, values in cells.items():
        cell_counts: dict[str, Any] = {
            "observed": int(values.observed.sum()),
            "columns": values.x.shape[1],
            "binary": values.binary,
        }
        if values.entries is not None:
            cell_counts |= _entry_counts(atlas.blocks[name], values.entries)
        counts["cells"][name] = cell_counts
    if atlas.assays:
        counts["assays"] = {
            name: {
                "observed": int(block.observed_rows.sum()),
                "columns": len(block.names),
                "entries": block.values.nnz,
            }
            for name, block in atlas.assays.items()
        }
    if links is not None:
        sizes = np.diff(links.offsets).tolist()
        counts["context_graph"] = {
            "nodes": dict(zip(links.kinds, sizes, strict=True)),
            "edges": links.n_edges,
        }
    return counts


def _entry_counts(block: MatrixBlock, entries: BoolArray) -> dict[str, int]:
    """Return what the card says of a block measured in part, entry by entry."""
    values = np.where(entries, np.asarray(block.values), np.nan)
    there = entries.any(axis=0)
    seen = values[:, there]
    same = np.nanmax(seen, axis=0) == np.nanmin(seen, axis=0)
    return {
        "entries": int(entries.sum()),
        "not_finite": int((block.observed & ~entries).sum()) if block.in_part else 0,
        "empty_columns": int((~there).sum()),
        "constant_columns": int(same.sum()),
    }
