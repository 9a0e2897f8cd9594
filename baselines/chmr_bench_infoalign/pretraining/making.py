"""The pretraining of InfoAlign, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chmr_bench import FeatureRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench_infoalign.config import InfoAlignSettings
from chmr_bench_infoalign.network import InfoAlignNetwork
from chmr_bench_infoalign.pretraining.learning import InfoAlignLearner, new_network, prepare
from chmr_bench_infoalign.weights import INPUTS, WEIGHTS_FILE

SAMPLED = 256
"""Molecules of the atlas whose latents the card describes."""


@dataclass(frozen=True)
class InfoAlignPretraining(PretrainingPlan[AtlasMaterial, InfoAlignLearner]):
    """InfoAlign: its material and its network."""

    title = "InfoAlign"
    about = (
        "An encoder of molecules that learnt to reconstruct what walks on a graph of molecules, "
        "cells and genes meet, after InfoAlign, arXiv 2406.12056 (made by `chmr-bench pretrain`; "
        "not the authors' weights). Research use; what it learnt is that of its atlas."
    )
    kind = InfoAlignLearner
    file = WEIGHTS_FILE
    config: InfoAlignSettings

    def inputs(self) -> Mapping[str, FeatureRequest]:
        """Return what the network reads of a molecule: its graph."""
        return INPUTS

    def prepare(self, atlas: Atlas) -> AtlasMaterial:
        """Return everything that is read while learning."""
        return prepare(atlas, self.config, self.request, self.place.seed)

    def network(self, material: AtlasMaterial) -> InfoAlignNetwork:
        """Return the network as initialised by the seed."""
        return new_network(material, self.config, self.place.seed)

    def finish(self, learner: InfoAlignLearner) -> Mapping[str, Any]:
        """Return how wide the latents are: a collapsed encoder gives all molecules the same."""
        material = learner.material
        step = max(1, len(material) // SAMPLED)
        graph = graph_batch(material.graph, np.arange(0, len(material), step))
        with torch.no_grad():
            latent = learner.network.cpu().encode(graph)
        spread = latent.mu.std(0, correction=0)
        return {
            "latent": {
                "mu_sd": round(float(spread.mean()), 4),
                "sigma": round(float(latent.sigma.mean()), 4),
                "flat_columns": int((spread < 1e-4).sum()),
            }
        }

    def card_lines(self, info: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
        """Return how wide the latents are."""
        latent = made["latent"]
        return [
            f"- Latent: standard deviation of mu over molecules {latent['mu_sd']:g}, mean sigma "
            f"{latent['sigma']:g}, columns that are the same for all: {latent['flat_columns']}"
        ]
