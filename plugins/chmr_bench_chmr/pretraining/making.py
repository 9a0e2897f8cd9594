"""The pretraining of CHMR, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from chmr_bench import FeatureRequest
from chmr_bench.cells.atlas import Atlas
from chmr_bench.nn.pretraining.making import PretrainingPlan
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining.loop import ChmrLearner, new_network
from chmr_bench_chmr.pretraining.material import Material, prepare
from chmr_bench_chmr.pretraining.state import learn_state
from chmr_bench_chmr.pretraining.usage import tree_usage
from chmr_bench_chmr.weights import WEIGHTS_FILE, feature_requests


@dataclass(frozen=True)
class ChmrPretraining(PretrainingPlan[Material, ChmrLearner]):
    """CHMR: its material, network, cell state and tree."""

    title = "CHMR"
    about = (
        "An encoder of molecules that learnt from cell read-outs, after arXiv 2511.21120 "
        "(made by `chmr-bench pretrain`). Research use; what it learnt is that of its atlas."
    )
    kind = ChmrLearner
    file = WEIGHTS_FILE
    config: PretrainConfig

    def inputs(self) -> Mapping[str, FeatureRequest]:
        """Return what the network reads of a molecule: name -> feature."""
        return feature_requests(self.config)

    def prepare(self, atlas: Atlas) -> Material:
        """Return everything that is read while learning."""
        return prepare(atlas, self.config, self.request, self.place.seed)

    def network(self, material: Material) -> ChmrNetwork:
        """Return the network as initialised by the seed, with the scales of the material."""
        return new_network(material, self.config, self.place.seed)

    def finish(self, learner: ChmrLearner) -> Mapping[str, Any]:
        """Learn the cell state; return how it was calibrated, and how the tree is used.

        Both are of the network as its file holds it, rounded. The decoder of bits is not kept.
        """
        network, material = learner.network, learner.material
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(parameter.half())
        calibration = learn_state(network, material, self.request)
        usage = tree_usage(network, material, self.request.device)
        network.drop_bit_decoder()
        return {"tree": usage, "cell_state": dict(calibration)}

    def card_lines(self, info: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
        """Return how the tree is used, and how far the cell state believes structure."""
        return _tree_lines(made["tree"]) + _state_lines(made["cell_state"])


def _tree_lines(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    if not levels:
        return []
    levels_used = ", ".join(
        f"{at['used']} of {at['codes']} ({at['perplexity']:g})" for at in levels
    )
    return [f"- Codes used by level of the tree, and their perplexity: {levels_used}"]


def _state_lines(state: Mapping[str, float]) -> list[str]:
    if not state:
        return []
    return [
        f"- Cell state: by {state['held_out']} molecules held out, what structure predicts counts "
        f"{state['trust']:g} times, and its variance {state['width']:g} times, as while learning"
    ]
