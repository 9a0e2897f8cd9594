"""MMSA's pretrained weights as one file, and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest, WeightsRequest
from chmr_bench.nn.pretraining.network_file import NetworkFile
from chmr_bench.nn.pretraining.place import Place, place
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.names import CONFORMER, GRAPH, IMAGE

if TYPE_CHECKING:
    from chmr_bench_mmsa.network import MmsaNetwork

PRETRAINING_VERSION = "1"
"""Changes whenever the same settings, data and seed give other weights."""


def feature_requests(config: MmsaSettings) -> dict[str, FeatureRequest]:
    """Return modality -> its feature, of those that the settings name."""
    settings: dict[str, dict[str, Any]] = {
        GRAPH: {},
        IMAGE: {"size": config.image_size},
        CONFORMER: {"relaxed": config.relaxed},
    }
    return {name: FeatureRequest(name, settings[name]) for name in config.modalities}


def place_of(config: MmsaSettings, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    from chmr_bench_mmsa.pretraining.begun import begun_from

    features = feature_requests(config).values()
    found = place(config, MmsaSettings, features, PRETRAINING_VERSION, request)
    begun = begun_from(config)
    if begun is None:
        return found
    inputs = {**found.inputs, "graph_encoder": begun.sha256}
    return Place.of(request.folder, found.seed, inputs)


def _build(shape: Mapping[str, Any], n_tensors: int) -> MmsaNetwork:
    """Return a network of the shape that a header describes."""
    from chmr_bench_mmsa.network import MmsaNetwork, MmsaShape

    built = MmsaShape.from_json(shape)
    if built.layers + built.conformer_layers > n_tensors:  # to build them may take hours
        raise ValueError(f"{built.layers} and {built.conformer_layers} layers, {n_tensors} tensors")
    return MmsaNetwork(built)


WEIGHTS_FILE = NetworkFile(MmsaSettings, _build)
save_network, load_network = WEIGHTS_FILE.save, WEIGHTS_FILE.load
