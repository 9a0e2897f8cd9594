"""What InfoAlign learns from, its network at the start, and the loss terms of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch_geometric.data import Batch

from chmr_bench import DataError, MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.graph import GraphSettings
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.pretraining.batches import TargetSampler
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.learner import Learner
from chmr_bench.nn.pretraining.material import (
    AtlasMaterial,
    atlas_counts,
    cell_blocks,
    context_graph,
    gene_blocks,
    graphs_of,
    require_molecules,
)
from chmr_bench.nn.pretraining.seeding import held_out, number
from chmr_bench.nn.pretraining.values import min_max, standardised
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_infoalign.config import InfoAlignSettings
from chmr_bench_infoalign.network import MOLECULE, InfoAlignNetwork, InfoAlignShape, TargetSpace
from chmr_bench_infoalign.objective import objective
from chmr_bench_infoalign.weights import learnt_features


def prepare(
    atlas: Atlas, config: InfoAlignSettings, request: WeightsRequest, seed: int
) -> AtlasMaterial:
    """Return everything pretraining reads; targets are scaled from 0 to 1.

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
    features = compute_features(atlas.smiles, learnt_features(config), request)
    morgan = features["morgan"]
    if not isinstance(morgan, MatrixBlock):
        raise DataError("the feature 'morgan' gave no matrix")
    bits: sparse.csr_array = sparse.csr_array(sparse.csr_matrix(morgan.values, dtype=np.uint8))
    cells = {n: min_max(block, atlas.censored.get(n)) for n, block in atlas.blocks.items()}
    links = None
    if config.encoder == "pretrained" and config.epochs > 0:
        compared = {name: standardised(block) for name, block in atlas.blocks.items()}
        settings = GraphSettings(neighbours=config.neighbours)
        links = context_graph(atlas, compared, (bits, None), settings, request)
    train, valid = held_out(len(atlas), seed)
    return AtlasMaterial(
        keys=atlas.every_key,
        bits=bits,
        graph=graphs_of(features),
        cells=cells,
        links=links,
        train=train,
        valid=valid,
        counts=atlas_counts(atlas, cells, links),
        genes={} if links is None else gene_blocks(atlas, config, seed, min_max),
    )


def new_network(material: AtlasMaterial, config: InfoAlignSettings, seed: int) -> InfoAlignNetwork:
    """Return the network as initialised by the seed."""
    known = {**material.cells, **material.genes}
    widths = {MOLECULE: material.bits.shape[1], **{n: v.x.shape[1] for n, v in known.items()}}
    shape = InfoAlignShape(
        targets=tuple(TargetSpace(name, int(d)) for name, d in widths.items()),
        hidden=config.hidden,
        layers=config.layers,
        dropout=config.dropout,
        decoder_hidden=config.decoder_hidden,
        decoder_dropout=config.decoder_dropout,
    )
    torch.manual_seed(number(seed, "network"))
    return InfoAlignNetwork(shape)


@dataclass(frozen=True)
class InfoAlignBatch:
    """b molecules: their graphs, and what their walks met by target space."""

    graph: Batch
    walks: Mapping[str, WalkTargets]

    def __len__(self) -> int:
        return int(self.graph.num_graphs)


class InfoAlignBatches:
    """Cuts batches from the material; no walk reaches a read-out of the molecules held out."""

    def __init__(
        self,
        material: AtlasMaterial,
        config: InfoAlignSettings,
        device: torch.device,
        held_out: BoolArray | None = None,
    ) -> None:
        self.graphs, self.device = material.graph, device
        self.sampler = TargetSampler(material, config.walk_length, device, held_out)

    def batch(self, rows: IntArray, rng: np.random.Generator) -> InfoAlignBatch:
        """Return the batch of these molecules; `rng` draws the walks."""
        graph = graph_batch(self.graphs, rows, self.device)
        return InfoAlignBatch(graph, self.sampler.targets(rows, rng))


@dataclass
class InfoAlignLearner(Learner):
    """A pretraining of InfoAlign."""

    config: InfoAlignSettings
    network: InfoAlignNetwork

    def batches(self, device: torch.device, held_out: BoolArray | None) -> InfoAlignBatches:
        """Return what cuts batches; no walk reaches a read-out of the molecules held out."""
        return InfoAlignBatches(self.material, self.config, device, held_out)

    def terms(self, batch: InfoAlignBatch, network: InfoAlignNetwork) -> dict[str, Tensor]:
        """Return the loss terms of a batch, and their ``total``."""
        latent = network.encode(batch.graph)
        return objective(network, latent, batch.walks, self.config.minimality_weight)
