"""The pretraining of MMSA, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chmr_bench import FeatureRequest, Weights
from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench.types import IntArray
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.molecules import molecule_batch
from chmr_bench_mmsa.network import MmsaNetwork
from chmr_bench_mmsa.objective import spread
from chmr_bench_mmsa.plugin import RECONSTRUCTION
from chmr_bench_mmsa.pretraining import begun
from chmr_bench_mmsa.pretraining.learning import (
    MmsaLearner,
    MmsaMaterial,
    new_network,
    prepare,
)
from chmr_bench_mmsa.weights import WEIGHTS_FILE, feature_requests

SAMPLED = 256
"""Molecules whose representations the card describes."""


@dataclass(frozen=True)
class MmsaPretraining(PretrainingPlan[MmsaMaterial, MmsaLearner]):
    """MMSA: its material and its network."""

    title = "MMSA"
    about = (
        "Encoders of a molecule's graph, drawing and conformer that learnt one code for all three, "
        "with a hypergraph and a memory of anchors, after MMSA, arXiv 2505.05877: a "
        f"{RECONSTRUCTION}. Of the paper only the abstract could be read; docs/mmsa.md says what "
        "was assumed. Research use; what it learnt is that of its atlas's structures."
    )
    kind = MmsaLearner
    file = WEIGHTS_FILE
    config: MmsaSettings

    def inputs(self) -> Mapping[str, FeatureRequest]:
        """Return modality -> its feature."""
        return feature_requests(self.config)

    def prepare(self, atlas: Atlas) -> MmsaMaterial:
        """Return everything that is read while learning."""
        return prepare(atlas, self.config, self.request, self.place.seed)

    def network(self, material: MmsaMaterial) -> MmsaNetwork:
        """Return the network as initialised by the seed, its graph encoder begun elsewhere."""
        network = new_network(material, self.config, self.place.seed)
        if self._begun is not None:
            begun.begin(network, self._begun)
        return network

    def also_seen(self) -> IntArray:
        """Return what the graph encoder had learnt from before."""
        return begun.seen_by(self._begun)

    @property
    def _begun(self) -> Weights | None:
        return begun.begun_from(self.config)

    def finish(self, learner: MmsaLearner) -> Mapping[str, Any]:
        """Return whether the representations are healthy: all the same is a collapse."""
        n = len(learner.material)
        rows = np.arange(0, n, -(-n // SAMPLED))
        return {"health": health(learner.network.cpu(), learner.material, rows)}

    def card_lines(self, info: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
        """Return what it learnt from, how healthy it is, and where its graph encoder begins."""
        lines = _lines(info["material"], made["health"])
        return [*lines, f"- Note: {begun.words(self._begun)}"] if self._begun else lines

    def note(self) -> str:
        """Return that it is a reconstruction, and where its graph encoder begins."""
        return "; ".join([RECONSTRUCTION, *([begun.words(self._begun)] if self._begun else [])])


@torch.no_grad()
def health(network: MmsaNetwork, material: MmsaMaterial, rows: Any) -> dict[str, Any]:
    """Return how far the molecules of these rows lie apart, and how the anchors are used."""
    unified = network.encode(molecule_batch(material.modalities, rows)).unified()
    measured = {"molecules": len(rows), "spread_unified": round(float(spread(unified)), 4)}
    last = unified
    if network.hypergraph is not None:
        last = network.hypergraph(unified)
        measured["spread_hypergraph"] = round(float(spread(last)), 4)
    if network.memory is not None:
        recall = network.memory(last)
        measured["anchors"] = recall.attention.shape[1]
        measured["anchors_in_use"] = round(float(recall.anchors_in_use()), 1)
        measured["attention_entropy"] = round(float(recall.attention_entropy()), 4)
    return measured


def _lines(material: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Return what is this model's own of a card."""
    mixed = measured.get("spread_hypergraph")
    has = ", ".join(f"{name} {n}" for name, n in material["modalities"].items())
    lines = [
        f"- Molecules drawn from the {material['n_in_atlas']} of the atlas; they have: {has}",
        f"- Spread over {measured['molecules']} molecules (0 = collapsed, 1 = all over the "
        "sphere): "
        f"unified code {measured['spread_unified']:g}"
        + ("" if mixed is None else f", hypergraph {mixed:g}"),
    ]
    if "anchors" in measured:
        uniform = np.log(measured["anchors"])
        lines.append(
            f"- Memory: {measured['anchors_in_use']:g} of {measured['anchors']} anchors in use; "
            f"mean entropy of a molecule's attention {measured['attention_entropy']:g} (all alike "
            f"would be {uniform:.2f})"
        )
    return lines
