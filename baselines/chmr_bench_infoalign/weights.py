"""InfoAlign's pretrained weights as one file, and what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest, WeightsRequest
from chmr_bench.nn.pretraining.features import feature_versions
from chmr_bench.nn.pretraining.network_file import NetworkFile, WeightsMetadata
from chmr_bench.nn.pretraining.place import Place, place
from chmr_bench_infoalign.config import InfoAlignSettings

if TYPE_CHECKING:
    from chmr_bench_infoalign.network import InfoAlignNetwork

PRETRAINING_VERSION = "1"
"""Changes whenever the same settings, data and seed give other weights."""
INPUTS: Mapping[str, FeatureRequest] = {"graph": FeatureRequest("graph")}
"""What the network reads of a molecule."""


def learnt_features(config: InfoAlignSettings) -> dict[str, FeatureRequest]:
    """Return what pretraining reads: the network's inputs, and the bits it reconstructs."""
    bits = {"radius": config.radius, "n_bits": config.n_bits}
    return {**INPUTS, "morgan": FeatureRequest("morgan", bits)}


def place_of(config: InfoAlignSettings, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    features = learnt_features(config).values()
    return place(config, InfoAlignSettings, features, PRETRAINING_VERSION, request)


def _build(shape: Mapping[str, Any], n_tensors: int) -> InfoAlignNetwork:
    """Return a network of the shape that a header describes."""
    from chmr_bench_infoalign.network import InfoAlignNetwork, InfoAlignShape

    described = InfoAlignShape.from_json(shape)
    if described.layers > n_tensors:  # to build them may take hours
        raise ValueError(f"{described.layers} layers, but {n_tensors} tensors")
    return InfoAlignNetwork(described)


_FILE = NetworkFile(InfoAlignSettings, _build)


def save_network(
    path: Path,
    network: InfoAlignNetwork,
    config: InfoAlignSettings,
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
    versions = feature_versions(INPUTS.values())
    metadata = WeightsMetadata(config, INPUTS, versions, info)
    return _FILE.save(path, network, network.shape.to_json(), metadata, write_card)


def load_network(path: Path) -> tuple[InfoAlignNetwork, WeightsMetadata[InfoAlignSettings]]:
    """Return the network, in eval mode on the CPU, and what the file says of it.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.load(path)


def read_metadata(path: Path) -> WeightsMetadata[InfoAlignSettings]:
    """Return what the file says of its network, without reading a tensor.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.read_metadata(path)
