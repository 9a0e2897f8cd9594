"""Pretrained weights as one file: safetensors, with all that is needed to use them in its header.

The header holds the network's shape, the settings of pretraining, the features that were its
inputs, and what a record says of the weights. So a file is complete by itself, and nothing in it
is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from chmr_bench import DataError, FeatureRequest, FeatureSpec, UsageError
from chmr_bench.errors import UnknownNameError
from chmr_bench.features.plugin import FEATURES
from chmr_bench_chmr.config import PretrainConfig

if TYPE_CHECKING:
    import torch

    from chmr_bench_chmr.network import ChmrNetwork

FORMAT = 1
HEADER = "chmr"
"""The one key of the safetensors metadata: one, because several come in no fixed order."""


@dataclass(frozen=True)
class WeightsMetadata:
    """What the header of a weights file says.

    Attributes
    ----------
    config : the settings of pretraining.
    features : name of an input -> the feature it is: ``morgan``, ``maccs``, ``graph`` and, unless
        the geometry is off, ``geometry``. A fingerprint is the Morgan bits followed by MACCS.
    feature_versions : feature -> version and the versions of the packages it was computed with.
    info : JSON-able; what a record says of the weights (atlas, molecules, epochs, hardware).
    """

    config: PretrainConfig
    features: Mapping[str, FeatureRequest] = field(default_factory=dict)
    feature_versions: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)


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


def feature_spec(request: FeatureRequest) -> FeatureSpec:
    """Return the specification of a feature that comes with chmr-bench."""
    specs = {spec.name: spec for spec in FEATURES}
    if request.feature not in specs:
        raise UnknownNameError("feature", request.feature, specs)
    return specs[request.feature]


def save_network(path: Path, network: ChmrNetwork, metadata: WeightsMetadata) -> str:
    """Write the network, atomically; return the sha256 of the file.

    The same network and metadata always give the same bytes.
    """
    header = {
        "format": FORMAT,
        "shape": network.shape.to_json(),
        "config": metadata.config.model_dump(mode="json", include=set(PretrainConfig.model_fields)),
        "features": {name: asdict(request) for name, request in metadata.features.items()},
        "feature_versions": dict(metadata.feature_versions),
        "info": dict(metadata.info),
    }
    write_tensors(path, network.state_dict(), header, path.with_suffix(".sha256"))
    return sha256_of(path)


def load_network(path: Path) -> tuple[ChmrNetwork, WeightsMetadata]:
    """Return the network, in eval mode on the CPU, and what the file says of it.

    Raises
    ------
    DataError : there is no such file, or it is damaged, or holds something else.
    """
    from chmr_bench_chmr.network import ChmrNetwork, NetworkShape

    metadata, header = _metadata(path)
    tensors, _ = read_tensors(path)
    try:
        network = ChmrNetwork(NetworkShape.from_json(header["shape"]))
        network.load_state_dict(tensors, strict=True)
    except (KeyError, TypeError, RuntimeError, UsageError) as error:
        raise DataError(
            f"{path}: its tensors do not fit the network its header describes: {error}; "
            "make the weights again with chmr-bench pretrain"
        ) from error
    network.eval()
    return network, metadata


def read_metadata(path: Path) -> WeightsMetadata:
    """Return what the file says of its network, without reading a tensor.

    Raises
    ------
    DataError : there is no such file, or it is damaged, or holds something else.
    """
    return _metadata(path)[0]


def _metadata(path: Path) -> tuple[WeightsMetadata, dict[str, Any]]:
    header = read_header(path)
    if header.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {header.get('format')!r}, expected {FORMAT}: it is no file of "
            "chmr-bench pretrain, or of another version"
        )
    try:
        requests = TypeAdapter(dict[str, FeatureRequest]).validate_python(header["features"])
        metadata = WeightsMetadata(
            config=PretrainConfig.model_validate(header["config"]),
            features=requests,
            feature_versions=header["feature_versions"],
            info=header["info"],
        )
    except (KeyError, ValidationError) as error:
        raise DataError(f"{path}: its header cannot be read: {error}") from error
    return metadata, header


# ------------------------------------------------------------------------------------------- files


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], header: Any, digest: Path | None = None
) -> None:
    """Write tensors and a JSON-able header as safetensors, beside the place and renamed into it.

    Parameters
    ----------
    digest : a file that is given the sha256, before.
    """
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(whole, metadata={HEADER: json.dumps(header, sort_keys=True)})
    if digest is not None:
        write_whole(digest, f"{hashlib.sha256(content).hexdigest()}\n".encode())
    write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the header of a file that `write_tensors` wrote."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        return load_file(path), header
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a file that `write_tensors` wrote; no tensor is read."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"there is no weights file {path}; chmr-bench pretrain makes one")
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get(HEADER)
        header = json.loads(text) if text is not None else None
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error
    if not isinstance(header, dict):
        raise DataError(f"{path} is no file of chmr-bench pretrain: its header is not there")
    return header


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
