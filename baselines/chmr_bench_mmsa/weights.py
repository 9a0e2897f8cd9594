"""MMSA's pretrained weights as one file, and what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import WeightsRequest
from chmr_bench.nn.pretraining.features import feature_versions
from chmr_bench.nn.pretraining.network_file import NetworkFile, WeightsMetadata
from chmr_bench.nn.pretraining.place import Place, place
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.requests import feature_requests

if TYPE_CHECKING:
    from chmr_bench_mmsa.network import MmsaNetwork

PRETRAINING_VERSION = "1"
"""Changes whenever the same settings, data and seed give other weights."""


def place_of(config: MmsaSettings, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    features = feature_requests(config).values()
    return place(config, MmsaSettings, features, PRETRAINING_VERSION, request)


def _build(shape: Mapping[str, Any], n_tensors: int) -> MmsaNetwork:
    """Return a network of the shape that a header describes."""
    from chmr_bench_mmsa.network import MmsaNetwork, MmsaShape

    built = MmsaShape.from_json(shape)
    if built.layers + built.conformer_layers > n_tensors:  # to build them may take hours
        raise ValueError(f"{built.layers} and {built.conformer_layers} layers, {n_tensors} tensors")
    return MmsaNetwork(built)


_FILE = NetworkFile(MmsaSettings, _build)


def save_network(
    path: Path,
    network: MmsaNetwork,
    config: MmsaSettings,
    info: Mapping[str, Any],
    write_card: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write the network, atomically; return the sha256 of the file.

    Parameters
    ----------
    info : Mapping[str, Any]
        JSON-able; what a record says of the weights.
    write_card : Callable[[str], None]
        Called with the sha256 before the file is there.
    """
    requests = feature_requests(config)
    metadata = WeightsMetadata(config, requests, feature_versions(requests.values()), info)
    return _FILE.save(path, network, network.shape.to_json(), metadata, write_card)


def load_network(path: Path) -> tuple[MmsaNetwork, WeightsMetadata[MmsaSettings]]:
    """Return the network, in eval mode on the CPU, and what the file says of it.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.load(path)


def read_metadata(path: Path) -> WeightsMetadata[MmsaSettings]:
    """Return what the file says of its network, without reading a tensor.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.read_metadata(path)
