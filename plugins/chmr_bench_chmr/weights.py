"""CHMR's pretrained weights as one file: `nn.pretraining.network_file`, and what is CHMR's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest
from chmr_bench.nn.pretraining.network_file import NetworkFile, WeightsMetadata
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
    from chmr_bench_chmr.network import ChmrNetwork, NetworkShape

    built = NetworkShape.from_json(shape)
    if built.layers > n_tensors:  # to build them may take hours
        raise ValueError(f"{built.layers} layers, but {n_tensors} tensors")
    return ChmrNetwork(built)


_FILE = NetworkFile(PretrainConfig, _build)


def save_network(
    path: Path,
    network: ChmrNetwork,
    metadata: WeightsMetadata[PretrainConfig],
    write_card: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write the network, atomically; return the sha256 of the file.

    The same network and metadata always give the same bytes.

    Parameters
    ----------
    write_card : Callable[[str], None]
        Called with the sha256 before the file is there.
    """
    return _FILE.save(path, network, network.shape.to_json(), metadata, write_card)


def load_network(path: Path) -> tuple[ChmrNetwork, WeightsMetadata[PretrainConfig]]:
    """Return the network, in eval mode on the CPU, and what the file says of it.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.load(path)


def read_metadata(path: Path) -> WeightsMetadata[PretrainConfig]:
    """Return what the file says of its network, without reading a tensor.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _FILE.read_metadata(path)
