"""From an atlas to the arrays that pretraining learns from.

Everything is standardised, filled and linked once, before the first epoch; `batches` cuts it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from chmr_bench import DataError, FeatureRequest, GraphBlock, MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas, modality_of
from chmr_bench.cells.graph import GENE, ContextGraph, GraphSettings, build
from chmr_bench.contracts import Block
from chmr_bench.errors import UnknownNameError
from chmr_bench.features import cache
from chmr_bench.features.concatenation import concatenate
from chmr_bench.features.tanimoto import Neighbours, nearest
from chmr_bench.paths import feature_folder
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining.filling import NEEDS_NEIGHBOURS, Filled, fill
from chmr_bench_chmr.pretraining.seeding import generator, held_out
from chmr_bench_chmr.pretraining.values import Values, require_readouts, shuffled, standardised
from chmr_bench_chmr.weights import feature_requests, feature_spec

PERTURBATION = "perturbation"
"""The modality that genes' own features belong to."""
MAX_LINKS = 10
"""Structural neighbours a molecule is linked with in the context graph, at most."""
PART = 16_384
"""Molecules whose features are computed, and cached, at a time: a kill costs one part at most."""


@dataclass(frozen=True)
class Material:
    """What is learnt from: n molecules in the order of the atlas.

    Attributes
    ----------
    bits : sparse.csr_array
        (n, d) uint8, Morgan bits followed by MACCS.
    geometry : Values | None
        None where the settings want none.
    cells : Mapping[str, Values]
        Cell block -> its read-outs.
    filled : Mapping[str, Filled]
        Cell block -> the second view of eq. 3.
    links : ContextGraph | None
        The context graph; None where there is no walk.
    genes : Mapping[str, Values]
        ``gene.BLOCK`` -> what is known of the genes on the graph, (number of genes, d).
    train, valid : IntArray
        Rows.
    counts : Mapping[str, Any]
        JSON-able, for the card.
    """

    keys: tuple[str, ...]
    bits: sparse.csr_array
    graph: GraphBlock
    geometry: Values | None
    cells: Mapping[str, Values]
    filled: Mapping[str, Filled]
    links: ContextGraph | None
    train: IntArray
    valid: IntArray
    counts: Mapping[str, Any] = field(default_factory=dict)
    genes: Mapping[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


def prepare(atlas: Atlas, config: PretrainConfig, request: WeightsRequest, seed: int) -> Material:
    """Return everything pretraining reads.

    Raises
    ------
    UnknownNameError
        The settings name a cell modality the atlas does not have.
    DataError
        The atlas is empty.
    FeatureError
        A molecule cannot be featurised.
    """
    if len(atlas) < 2:
        raise DataError(
            f"atlas {atlas.name!r} has {len(atlas)} molecules left to learn from, expected 2 at "
            f"least; of its rows became: {dict(atlas.counts)}"
        )
    atlas = replace(atlas, blocks=cell_blocks(atlas, config, seed))
    features = compute_features(atlas.smiles, feature_requests(config), request)
    bits = joined_bits(features)
    geometry = standardised(features["geometry"]) if "geometry" in features else None
    cells = {name: standardised(block) for name, block in atlas.blocks.items()}
    learns = config.encoder == "pretrained" and config.epochs > 0
    filled: dict[str, Filled] = {}
    links = None
    if learns:
        morgan = sparse.csr_array(bits[:, : config.n_bits])
        near = _near(morgan, cells, config, request)
        if config.distribution_alignment:
            filled = fill(cells, near, config, seed)
        if config.reconstruction and config.walk:
            links = _link(atlas, cells, (morgan, near), config, request)
    graph = features["graph"]
    if not isinstance(graph, GraphBlock):
        raise DataError("the feature 'graph' gave no graphs")
    train, valid = held_out(len(atlas), seed)
    return Material(
        keys=atlas.keys,
        bits=bits,
        graph=graph,
        geometry=geometry,
        cells=cells,
        filled=filled,
        links=links,
        train=train,
        valid=valid,
        counts=_counts(atlas, geometry, cells, filled, links),
        genes={} if links is None else gene_blocks(atlas, config, seed),
    )


# ------------------------------------------------------------------------------------------- cells


def cell_blocks(atlas: Atlas, config: PretrainConfig, seed: int) -> dict[str, MatrixBlock]:
    """Return the blocks to learn from: those the settings name, shuffled where they say so.

    A block that no molecule has, since all of it was masked on purpose, is left out.
    """
    blocks = {n: b for n, b in _chosen_blocks(atlas, config).items() if b.observed.any()}
    if not config.shuffle_cells:
        return blocks
    return {
        name: shuffled(block, generator(seed, "shuffle", name)) for name, block in blocks.items()
    }


def _chosen_blocks(atlas: Atlas, config: PretrainConfig) -> dict[str, MatrixBlock]:
    """Return the blocks that the settings name; all where they name none."""
    if config.cells is None:
        return dict(atlas.blocks)
    for wanted in config.cells:
        if wanted not in atlas.modalities and wanted not in atlas.blocks:
            hint = f"(atlas {atlas.name!r})"
            raise UnknownNameError("cell modality", wanted, atlas.modalities, hint)
    chosen = set(config.cells)
    return {n: block for n, block in atlas.blocks.items() if {n, modality_of(n)} & chosen}


def check_readouts(atlas: Atlas, config: PretrainConfig, *, masked: bool) -> None:
    """Raise DataError where read-outs are to be learnt from and there are none.

    Parameters
    ----------
    masked : bool
        Read-outs were masked on purpose, so that there may be none left.
    """
    if config.cells != ():
        require_readouts(atlas.name, _chosen_blocks(atlas, config), masked=masked)


def gene_blocks(atlas: Atlas, config: PretrainConfig, seed: int) -> dict[str, Values]:
    """Return what walks reconstruct of genes: nothing where the settings leave perturbation out."""
    wanted = config.cells is None or PERTURBATION in config.cells
    if atlas.genes is None or not wanted:
        return {}
    found = {}
    for name, block in atlas.genes.blocks.items():
        if config.shuffle_cells:
            block = shuffled(block, generator(seed, "shuffle", GENE, name))
        found[f"{GENE}.{name}"] = standardised(block)
    return found


# ---------------------------------------------------------------------------------------- features


def compute_features(
    smiles: tuple[str, ...], wanted: Mapping[str, FeatureRequest], request: WeightsRequest
) -> dict[str, Block]:
    """Return features by the names they are wanted by, from the cache or computed part by part."""
    return {name: _feature(feature, smiles, request) for name, feature in wanted.items()}


def _feature(wanted: FeatureRequest, smiles: tuple[str, ...], request: WeightsRequest) -> Block:
    request.stage(f"feature {wanted.feature}")

    def compute(start: int) -> Block:
        def progress(done: int, total: int, unit: str) -> None:
            request.progress(start + done, len(smiles), unit)

        return cache.featurise(
            feature_spec(wanted),
            wanted.settings,
            smiles[start : start + PART],
            n_jobs=request.n_jobs,
            progress=progress,
            cache=feature_folder(),
        )

    return concatenate([compute(start) for start in range(0, len(smiles), PART)])


def joined_bits(features: Mapping[str, Block]) -> sparse.csr_array:
    """Return Morgan bits and MACCS keys side by side, (n, d) uint8."""
    parts = [features[name] for name in ("morgan", "maccs")]
    matrices = [sparse.csr_array(p.values) for p in parts if isinstance(p, MatrixBlock)]
    return sparse.csr_array(sparse.hstack(matrices, format="csr", dtype=np.uint8))


# ------------------------------------------------------------------------------------------- links


def _near(
    morgan: sparse.csr_array,
    cells: Mapping[str, Values],
    config: PretrainConfig,
    request: WeightsRequest,
) -> Neighbours:
    """Return each molecule's nearest by Morgan bits: nobody where nothing asks for them."""
    walks = config.reconstruction and config.walk
    fills = cells and config.distribution_alignment and config.fill in NEEDS_NEIGHBOURS
    if not (walks or fills):
        nobody = np.zeros((morgan.shape[0], 0))
        return Neighbours(nobody.astype(np.int32), nobody.astype(np.float32))
    request.stage("nearest molecules")
    return nearest(morgan, config.neighbours, n_jobs=request.n_jobs, progress=request.progress)


def _link(
    atlas: Atlas,
    cells: Mapping[str, Values],
    structure: tuple[sparse.csr_array, Neighbours],
    config: PretrainConfig,
    request: WeightsRequest,
) -> ContextGraph:
    """Return the context graph; profiles are compared by their standardised columns."""
    request.stage("context graph")
    blocks = {
        name: MatrixBlock(
            values.targets(np.arange(len(values.x))),
            values.observed if values.entries is None else values.entries,
            atlas.blocks[name].names,
        )
        for name, values in cells.items()
    }
    morgan, near = structure
    return build(
        replace(atlas, blocks=blocks),
        morgan,
        GraphSettings(neighbours=min(MAX_LINKS, config.neighbours)),
        neighbours=near,
        n_jobs=request.n_jobs,
        progress=request.progress,
    )


# ----------------------------------------------------------------------------------------- numbers


def _counts(
    atlas: Atlas,
    geometry: Values | None,
    cells: Mapping[str, Values],
    filled: Mapping[str, Filled],
    links: ContextGraph | None,
) -> dict[str, Any]:
    """Return what the card says of the material."""
    counts: dict[str, Any] = {"n_molecules": len(atlas), "cells": {}}
    for name, values in cells.items():
        cell_counts: dict[str, Any] = {
            "observed": int(values.observed.sum()),
            "columns": values.x.shape[1],
            "binary": values.binary,
        }
        if values.entries is not None:
            cell_counts |= _entry_counts(atlas.blocks[name], values.entries)
        if name in filled:
            reached = filled[name].reached
            rows = reached.any(axis=1) if reached.ndim == 2 else reached
            cell_counts["not_reached"] = int((~rows).sum())
        counts["cells"][name] = cell_counts
    if geometry is not None:
        counts["geometry_failed"] = int((~geometry.observed).sum())
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
