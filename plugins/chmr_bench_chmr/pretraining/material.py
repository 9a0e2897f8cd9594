"""From an atlas to the arrays that pretraining learns from.

Everything is standardised, filled and linked once, before the first epoch; `batches` cuts it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from chmr_bench import MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.graph import ContextGraph, GraphSettings
from chmr_bench.contracts import Block
from chmr_bench.features.neighbours import kept_nearest
from chmr_bench.features.tanimoto import Neighbours
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.material import (
    AtlasMaterial,
    atlas_counts,
    cell_blocks,
    context_graph,
    gene_blocks,
    graphs_of,
    require_molecules,
)
from chmr_bench.nn.pretraining.seeding import held_out
from chmr_bench.nn.pretraining.values import Values, standardised
from chmr_bench.paths import neighbour_folder
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining.assays import AssayValues, assay_values
from chmr_bench_chmr.pretraining.filling import NEEDS_NEIGHBOURS, Filled, fill
from chmr_bench_chmr.weights import feature_requests

MAX_LINKS = 10
"""Structural neighbours a molecule is linked with in the context graph, at most."""


@dataclass(frozen=True)
class Material(AtlasMaterial):
    """What CHMR learns from: `bits` are Morgan bits followed by MACCS.

    Attributes
    ----------
    geometry : Values | None
        None where the settings want none.
    filled : Mapping[str, Filled]
        Cell block -> the second view of eq. 3.
    assays : Mapping[str, AssayValues]
        Block -> labelled assays, sparse.
    """

    geometry: Values | None = None
    filled: Mapping[str, Filled] = field(default_factory=dict)
    assays: Mapping[str, AssayValues] = field(default_factory=dict)


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
    require_molecules(atlas)
    atlas = replace(atlas, blocks=cell_blocks(atlas, config, seed))
    features = compute_features(atlas.smiles, feature_requests(config), request)
    bits = joined_bits(features)
    geometry = standardised(features["geometry"]) if "geometry" in features else None
    cells = {
        name: standardised(block, atlas.censored.get(name)) for name, block in atlas.blocks.items()
    }
    learns = config.encoder == "pretrained" and config.epochs > 0
    filled: dict[str, Filled] = {}
    links = None
    if learns:
        morgan = sparse.csr_array(bits[:, : config.n_bits])
        near = _near(morgan, cells, config, request)
        if config.distribution_alignment:
            filled = fill(cells, near, config, seed)
        if config.reconstruction and config.walk:
            settings = GraphSettings(neighbours=min(MAX_LINKS, config.neighbours))
            links = context_graph(atlas, cells, (morgan, near), settings, request)
    train, valid = held_out(len(atlas), seed)
    return Material(
        keys=atlas.every_key,
        bits=bits,
        graph=graphs_of(features),
        geometry=geometry,
        cells=cells,
        filled=filled,
        links=links,
        train=train,
        valid=valid,
        counts=_counts(atlas, geometry, cells, filled, links),
        genes={} if links is None else gene_blocks(atlas, config, seed),
        assays=assay_values(atlas.assays, seed, shuffled=config.shuffle_cells),
    )


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
    return kept_nearest(
        morgan,
        config.neighbours,
        neighbour_folder(),
        n_jobs=request.n_jobs,
        progress=request.progress,
    )


def _counts(
    atlas: Atlas,
    geometry: Values | None,
    cells: Mapping[str, Values],
    filled: Mapping[str, Filled],
    links: ContextGraph | None,
) -> dict[str, Any]:
    """Return what the card says of the material."""
    counts = atlas_counts(atlas, cells, links)
    for name, second in filled.items():
        reached = second.reached
        rows = reached.any(axis=1) if reached.ndim == 2 else reached
        counts["cells"][name]["not_reached"] = int((~rows).sum())
    if geometry is not None:
        counts["geometry_failed"] = int((~geometry.observed).sum())
    return counts
