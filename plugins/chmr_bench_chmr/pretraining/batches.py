"""A batch of molecules as tensors: cut from the material without a loop over molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch as GeometricBatch

from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.losses import Bounds
from chmr_bench.nn.pretraining.batches import TargetSampler
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench.types import BoolArray, IntArray
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining.material import Material
from chmr_bench_chmr.shape import GEOMETRY


@dataclass(frozen=True)
class Batch:
    """b molecules as the network and the objective read them.

    Attributes
    ----------
    fingerprint : Tensor
        (b, d) float32.
    geometry : Tensor | None
        (b, d) standardised, None where there is none.
    observed : Mapping[str, Tensor]
        ``geometry`` and cell block -> (b,) bool.
    cells, augmented : Mapping[str, Tensor]
        Cell block -> (b, d) standardised, the own read-out and the second view.
    entries : Mapping[str, Tensor]
        Cell block measured in part -> (b, d) bool, its entries that were measured.
    walks : Mapping[str, WalkTargets]
        ``molecule`` and cell block -> what is to be reconstructed.
    bounds : Mapping[str, Bounds]
        Cell block -> where its numbers are censored.
    """

    fingerprint: Tensor
    graph: GeometricBatch
    geometry: Tensor | None
    observed: Mapping[str, Tensor]
    cells: Mapping[str, Tensor]
    augmented: Mapping[str, Tensor]
    entries: Mapping[str, Tensor]
    walks: Mapping[str, WalkTargets]
    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.fingerprint.shape[0])


class Batcher:
    """Cuts batches from the material.

    Parameters
    ----------
    held_out : BoolArray | None
        (n,) bool, molecules whose read-outs no walk may reach: those held out.
    """

    def __init__(
        self,
        material: Material,
        config: PretrainConfig,
        device: torch.device,
        held_out: BoolArray | None = None,
    ) -> None:
        self.material, self.config, self.device = material, config, device
        self.sampler = TargetSampler(material, config.walk_length, device, held_out)

    def batch(self, rows: IntArray, rng: np.random.Generator) -> Batch:
        """Return the batch of these molecules; `rng` draws the walks."""
        m, tensor = self.material, self.sampler.tensor
        observed = {name: tensor(values.observed[rows]) for name, values in m.cells.items()}
        geometry = None
        if m.geometry is not None:
            geometry = tensor(m.geometry.x[rows])
            observed[GEOMETRY] = tensor(m.geometry.observed[rows])
        return Batch(
            fingerprint=tensor(m.bits[rows].toarray()).float(),
            graph=graph_batch(m.graph, rows, self.device),
            geometry=geometry,
            observed=observed,
            cells={name: tensor(values.x[rows]) for name, values in m.cells.items()},
            entries={
                name: tensor(values.entries[rows])
                for name, values in m.cells.items()
                if values.entries is not None
            },
            augmented={name: tensor(filled.x[rows]) for name, filled in m.filled.items()},
            walks=self._targets(rows, rng) if self.config.reconstruction else {},
            bounds=self.sampler.bounds,
        )

    def _targets(self, rows: IntArray, rng: np.random.Generator) -> dict[str, WalkTargets]:
        """Return what walks met, and labelled assays, where no walk goes: the molecules' own."""
        targets = self.sampler.targets(rows, rng)
        for name, values in self.material.assays.items():
            targets[name] = self.sampler.measured(values, rows)
        return targets
