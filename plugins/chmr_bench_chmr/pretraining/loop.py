"""CHMR's network at its start, and the loss terms of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from chmr_bench.nn.pretraining.learner import Learner
from chmr_bench.nn.pretraining.seeding import number
from chmr_bench.nn.pretraining.values import Values
from chmr_bench.types import BoolArray
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.objective import StepInputs, objective
from chmr_bench_chmr.pretraining.balance import column_means, shares, unexplained, weights
from chmr_bench_chmr.pretraining.batches import Batch, Batcher
from chmr_bench_chmr.pretraining.material import Material
from chmr_bench_chmr.pretraining.state import factors
from chmr_bench_chmr.shape import GEOMETRY, GRAPH, Modality, NetworkShape


def new_network(material: Material, config: PretrainConfig, seed: int) -> ChmrNetwork:
    """Return the network as initialised by the seed, with the scales of the material."""
    shape = NetworkShape(
        fingerprint=material.bits.shape[1],
        geometry=0 if material.geometry is None else material.geometry.x.shape[1],
        cells=_modalities(material.cells),
        genes=_modalities(material.genes),
        assays=tuple(Modality(n, a.d, a.binary) for n, a in material.assays.items()),
        hidden=config.hidden,
        layers=config.layers,
        dropout=config.dropout,
        decoder_hidden=config.decoder_hidden,
        tree=config.tree,
        depth=config.depth,
        fingerprint_hidden=config.fingerprint_hidden,
        latent_dropout=config.latent_dropout,
        state=factors(material, config),
    )
    torch.manual_seed(number(seed, "network"))
    network = ChmrNetwork(shape)
    scaled = dict(material.cells)
    if material.geometry is not None:
        scaled[GEOMETRY] = material.geometry
    for name, values in scaled.items():
        network.set_scale(name, torch.from_numpy(values.mean), torch.from_numpy(values.sd))
    return network


def _modalities(values: Mapping[str, Values]) -> tuple[Modality, ...]:
    return tuple(
        Modality(name, v.x.shape[1], v.binary, v.entries is not None) for name, v in values.items()
    )


@dataclass
class ChmrLearner(Learner):
    """A pretraining of CHMR."""

    material: Material
    config: PretrainConfig
    network: ChmrNetwork

    def batches(self, device: torch.device, held_out: BoolArray | None) -> Batcher:
        """Return what cuts batches; no walk reaches a read-out of the molecules held out."""
        return Batcher(self.material, self.config, device, held_out)

    def terms(self, batch: Batch, network: ChmrNetwork) -> dict[str, Tensor]:
        """Return the loss terms of a batch, and their ``total``."""
        latents = network.encode(
            batch.fingerprint, batch.graph, batch.geometry, batch.observed.get(GEOMETRY)
        )
        there = self._left_in(batch) if network.training else batch.observed
        inputs = StepInputs(
            latents,
            there,
            batch.cells,
            batch.augmented,
            batch.walks,
            batch.entries,
            batch.bounds,
        )
        return objective(network, self.config, inputs, self._weights(network.training))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the mean loss terms of the molecules held out, and what is left unexplained."""
        means = super().validate()
        if not self._by_uncertainty:
            return means
        network: Any = self.averaged.module
        left = unexplained(network, self._means, self.held_out_batches())
        return means | {f"unexplained.{name}": value for name, value in left.items()}

    def _weights(self, learning: bool) -> Mapping[str, float]:
        """Return what each cell modality counts; held-out losses are compared across epochs, so
        that there it is by molecules alone.
        """
        if self.config.balance == "even":
            return {}
        last = self.standing.history[-1] if learning and self.standing.history else {}
        known = {n: last[f"unexplained.{n}"] for n in self._shares if f"unexplained.{n}" in last}
        return weights(self._shares, known)

    @property
    def _by_uncertainty(self) -> bool:
        """Whether weights depend on what anchors predict: decoders must have learnt from them."""
        config = self.config
        learnt = config.reconstruction and not config.as_published
        return config.balance == "uncertainty" and learnt

    @cached_property
    def _means(self) -> dict[str, Tensor]:
        return {n: column_means(v, self.material.train) for n, v in self.material.cells.items()}

    @cached_property
    def _shares(self) -> dict[str, float]:
        return shares(self.material.cells, self.material.train)

    def _left_in(self, batch: Batch) -> dict[str, Tensor]:
        """Return who has what, after bits and shapes were dropped by chance; graphs never are."""
        there, chance = dict(batch.observed), self.config.modality_dropout
        for name in self.network.shape.molecular if chance else ():
            if name != GRAPH:
                kept = torch.rand(len(batch), device=batch.fingerprint.device) >= chance
                there[name] = there[name] & kept if name in there else kept
        return there
