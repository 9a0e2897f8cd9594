"""CHMR's pretrained weights as one file, and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest, WeightsRequest
from chmr_bench.nn.pretraining.network_file import NetworkFile
from chmr_bench.nn.pretraining.place import Place, place
from chmr_bench_chmr.config import PretrainConfig

if TYPE_CHECKING:
    from chmr_bench_chmr.network import ChmrNetwork

SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with the plugin: folders as `chmr-bench pretrain` writes them."""
PRETRAINING_VERSION = "5"
"""Changes whenever the same settings, data and seed give other weights."""


def feature_requests(config: PretrainConfig) -> dict[str, FeatureRequest]:
    """Return the inputs of the network: name -> feature with its settings."""
    bits = {"radius": config.radius, "n_bits": config.n_bits}
    requests = {
        "morgan": FeatureRequest("morgan", bits),
        "maccs": FeatureRequest("maccs"),
        "graph": FeatureRequest("graph"),
    }
    if config.geometry != "none":
        requests["geometry"] = FeatureRequest(config.geometry)
    return requests


def place_of(config: PretrainConfig, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    features = feature_requests(config).values()
    return place(config, PretrainConfig, features, PRETRAINING_VERSION, request, SHIPPED)


def _build(shape: Mapping[str, Any], n_tensors: int) -> ChmrNetwork:
    """Return a network of the shape that a header describes."""
    from chmr_bench_chmr.network import ChmrNetwork
    from chmr_bench_chmr.shape import NetworkShape

    built = NetworkShape.from_json(shape)
    if built.layers > n_tensors:  # to build them may take hours
        raise ValueError(f"{built.layers} layers, but {n_tensors} tensors")
    return ChmrNetwork(built)


WEIGHTS_FILE = NetworkFile(PretrainConfig, _build, half=True)
save_network, load_network = WEIGHTS_FILE.save, WEIGHTS_FILE.load
