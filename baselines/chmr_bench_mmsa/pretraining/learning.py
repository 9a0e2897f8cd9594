"""What MMSA learns from, its network at the start, and the loss terms of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from chmr_bench import MatrixBlock, WeightsRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.contracts import Block
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.learner import Learner
from chmr_bench.nn.pretraining.material import AtlasMaterial, graphs_of, require_molecules
from chmr_bench.nn.pretraining.seeding import generator, held_out, number
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.molecules import MoleculeBatch, molecule_batch
from chmr_bench_mmsa.network import MmsaNetwork, MmsaShape
from chmr_bench_mmsa.objective import objective
from chmr_bench_mmsa.weights import feature_requests


@dataclass(frozen=True)
class MmsaMaterial(AtlasMaterial):
    """What is learnt from: n molecules of the atlas, without its read-outs.

    Attributes
    ----------
    modalities : Mapping[str, Block]
        Modality -> its feature, n rows; without those that no molecule has.
    """

    modalities: Mapping[str, Block] = field(default_factory=dict)


def prepare(atlas: Atlas, config: MmsaSettings, request: WeightsRequest, seed: int) -> MmsaMaterial:
    """Return everything pretraining reads.

    Raises
    ------
    DataError
        The atlas is empty.
    FeatureError
        A molecule cannot be featurised.
    """
    require_molecules(atlas)
    n_in_atlas = len(atlas)
    if 0 < config.molecules < n_in_atlas:
        drawn = generator(seed, "molecules").permutation(n_in_atlas)[: config.molecules]
        atlas = atlas.take(np.sort(drawn))
    features = compute_features(atlas.smiles, feature_requests(config), request)
    masked = {name: _masked(block, atlas.hidden.get(name)) for name, block in features.items()}
    observed = {name: _observed(block) for name, block in masked.items()}
    train, valid = held_out(len(atlas), seed)
    return MmsaMaterial(
        keys=atlas.every_key,
        bits=sparse.csr_array(np.zeros((len(atlas), 0), dtype=np.uint8)),
        graph=graphs_of(features),
        cells={},
        links=None,
        train=train,
        valid=valid,
        counts={
            "n_molecules": len(atlas),
            "n_in_atlas": n_in_atlas,
            "cells": {},
            "modalities": {name: int(rows.sum()) for name, rows in observed.items()},
        },
        modalities={name: block for name, block in masked.items() if observed[name].any()},
    )


def _masked(block: Block, hidden: BoolArray | None) -> Block:
    """Return a modality without what is masked on purpose."""
    if hidden is None or not isinstance(block, MatrixBlock):
        return block
    return replace(block, observed=block.observed_rows & ~hidden)


def _observed(block: Block) -> BoolArray:
    """Return (n,) who has a modality."""
    return block.observed_rows if isinstance(block, MatrixBlock) else block.observed


def new_network(material: MmsaMaterial, config: MmsaSettings, seed: int) -> MmsaNetwork:
    """Return the network as initialised by the seed."""
    settings: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(MmsaShape)}
    shape = MmsaShape(**{**settings, "modalities": tuple(material.modalities)})
    torch.manual_seed(number(seed, "network"))
    return MmsaNetwork(shape)


@dataclass(frozen=True)
class MmsaBatches:
    """Cuts batches from the material; nothing is drawn."""

    material: MmsaMaterial
    device: torch.device

    def batch(self, rows: IntArray, rng: np.random.Generator) -> MoleculeBatch:
        """Return the batch of these molecules."""
        return molecule_batch(self.material.modalities, rows, self.device)


@dataclass
class MmsaLearner(Learner):
    """A pretraining of MMSA."""

    material: MmsaMaterial
    config: MmsaSettings
    network: MmsaNetwork

    def batches(self, device: torch.device, held_out: BoolArray | None) -> MmsaBatches:
        """Return what cuts batches; there are no read-outs to hold out."""
        return MmsaBatches(self.material, device)

    def terms(self, batch: MoleculeBatch, network: MmsaNetwork) -> dict[str, Tensor]:
        """Return the loss terms of a batch, their ``total``, and the numbers of health."""
        return objective(network, network.encode(batch), self.config)
