"""The pretraining of CHMR, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.pretraining.files import WEIGHTS
from chmr_bench.nn.pretraining.learner import Keep, Learner
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench.nn.pretraining.material import AtlasMaterial
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.pretraining import card
from chmr_bench_chmr.pretraining.loop import ChmrLearner, new_network
from chmr_bench_chmr.pretraining.material import Material, prepare
from chmr_bench_chmr.pretraining.state import learn_state
from chmr_bench_chmr.pretraining.usage import tree_usage
from chmr_bench_chmr.weights import feature_requests, save_network


@dataclass(frozen=True)
class ChmrPretraining(PretrainingPlan):
    """CHMR: its material, network, cell state and tree."""

    config: PretrainConfig

    def prepare(self, atlas: Atlas) -> Material:
        """Return everything that is read while learning."""
        return prepare(atlas, self.config, self.request, self.place.seed)

    def learner(self, material: AtlasMaterial, keep: Keep, keep_seconds: float) -> ChmrLearner:
        """Return the learner at its start; an encoder that stays random learns for 0 epochs."""
        own = cast(Material, material)
        network = new_network(own, self.config, self.place.seed)
        return self.started(ChmrLearner, own, network, keep, keep_seconds)

    def finish(self, learner: Learner) -> Mapping[str, Any]:
        """Learn the cell state; return how it was calibrated, and how the tree is used.

        Both are of the network as its file holds it, rounded.
        """
        own = cast(ChmrLearner, learner)
        with torch.no_grad():
            for parameter in own.network.parameters():
                parameter.copy_(parameter.half())
        calibration = learn_state(own.network, own.material, self.request)
        usage = tree_usage(own.network, own.material, self.request.device)
        return {"tree": usage, "cell_state": dict(calibration)}

    def readme(self, info: Mapping[str, Any], made: Mapping[str, Any]) -> str:
        """Return the card as Markdown."""
        return card.readme(info, made)

    def save(
        self, learner: Learner, info: Mapping[str, Any], write_card: Callable[[str], None]
    ) -> None:
        """Write the weights; `write_card` is called with their sha256 before they are there."""
        network = cast(ChmrLearner, learner).network
        network.drop_bit_decoder()
        metadata = WeightsMetadata.now(self.config, feature_requests(self.config), info)
        save_network(self.place.folder / WEIGHTS, network, metadata, write_card)
