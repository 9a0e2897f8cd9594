"""CHMR's pretrained weights as one file: `nn.pretraining.network_file`, and what is CHMR's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest
from chmr_bench.nn.pretraining.network_file import NetworkFile
from chmr_bench_chmr.config import PretrainConfig

if TYPE_CHECKING:
    from chmr_bench_chmr.network import ChmrNetwork


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
read_metadata = WEIGHTS_FILE.read_metadata
