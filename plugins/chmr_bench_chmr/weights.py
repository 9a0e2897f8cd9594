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
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from chmr_bench import DataError, FeatureRequest, FeatureSpec, UsageError
from chmr_bench.errors import UnknownNameError
from chmr_bench.features.plugin import FEATURES
from chmr_bench_chmr.config import PretrainConfig

if TYPE_CHECKING:
    import torch

    from chmr_bench_chmr.network import ChmrNetwork

FORMAT = 1
WEIGHTS, CARD_JSON, SHA256 = "weights.safetensors", "card.json", ".sha256"
"""Names in the folder of pretrained weights; the sha256 has the weights' name and this ending."""
HEADER = "chmr"
"""The one key of the safetensors metadata: one, because several come in no fixed order."""


@dataclass(frozen=True)
class WeightsMetadata:
    """What the header of a weights file says.

    Attributes
    ----------
    config : PretrainConfig
        The settings of pretraining.
    features : Mapping[str, FeatureRequest]
        Name of an input -> the feature it is: ``morgan``, ``maccs``, ``graph`` and, unless the
        geometry is off, ``geometry``. A fingerprint is the Morgan bits followed by MACCS.
    feature_versions : Mapping[str, Any]
        Feature -> version and the versions of the packages it was computed with.
    info : Mapping[str, Any]
        JSON-able; what a record says of the weights (atlas, molecules, epochs, hardware).
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


class WeightsHeader(BaseModel):
    """The header of a weights file as it is written."""

    format: Literal[1]
    shape: dict[str, Any]
    config: PretrainConfig
    features: dict[str, FeatureRequest]
    feature_versions: dict[str, Any]
    info: dict[str, Any]


def save_network(
    path: Path,
    network: ChmrNetwork,
    metadata: WeightsMetadata,
    write_card: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write the network, atomically; return the sha256 of the file.

    The same network and metadata always give the same bytes.

    Parameters
    ----------
    write_card : Callable[[str], None]
        Called with the sha256 before the file is there.
    """
    header = {
        "format": FORMAT,
        "shape": network.shape.to_json(),
        "config": metadata.config.model_dump(mode="json", include=set(PretrainConfig.model_fields)),
        "features": {name: asdict(request) for name, request in metadata.features.items()},
        "feature_versions": dict(metadata.feature_versions),
        "info": dict(metadata.info),
    }
    return write_tensors(path, network.state_dict(), header, write_card)


def load_network(path: Path) -> tuple[ChmrNetwork, WeightsMetadata]:
    """Return the network, in eval mode on the CPU, and what the file says of it.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    from chmr_bench_chmr.network import ChmrNetwork, NetworkShape

    metadata, header = _metadata(path)
    tensors, _ = read_tensors(path)
    try:
        shape = NetworkShape.from_json(header.shape)
        if shape.layers > len(tensors):  # to build them may take hours
            raise ValueError(f"{shape.layers} layers, but {len(tensors)} tensors")
        network = ChmrNetwork(shape)
        network.load_state_dict(tensors, strict=True)
    except (
        ArithmeticError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        raise DataError(
            f"{path}: its tensors do not fit the network its header describes: {error}; "
            "make the weights again with chmr-bench pretrain"
        ) from error
    except UsageError as error:
        raise DataError(f"{path}: its header describes no network: {error}") from error
    network.eval()
    return network, metadata


def read_metadata(path: Path) -> WeightsMetadata:
    """Return what the file says of its network, without reading a tensor.

    Raises
    ------
    DataError
        There is no such file, or it is damaged, or holds something else.
    """
    return _metadata(path)[0]


def _metadata(path: Path) -> tuple[WeightsMetadata, WeightsHeader]:
    stored = read_header(path)
    if stored.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {stored.get('format')!r}, expected {FORMAT}: it is no file of "
            "chmr-bench pretrain, or of another version"
        )
    try:
        header = WeightsHeader.model_validate(stored)
    except ValidationError as error:
        raise DataError(f"{path}: its header cannot be read: {error}") from error
    parts = (header.config, header.features, header.feature_versions, header.info)
    return WeightsMetadata(*parts), header


# ------------------------------------------------------------------------------------------- files


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    header: Any,
    write_card: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write tensors and a JSON-able header as safetensors; return the sha256 of the file.

    It is written beside its place and renamed into it; its sha256 is there before, in a file of
    the same name that ends in ``.sha256``.

    Parameters
    ----------
    write_card : Callable[[str], None]
        Called with the sha256 before the file is there.
    """
    from safetensors.torch import save

    copied = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(copied, metadata={HEADER: json.dumps(header, sort_keys=True)})
    sha256 = hashlib.sha256(content).hexdigest()
    write_card(sha256)
    write_atomically(path.with_suffix(SHA256), f"{sha256}\n".encode())
    write_atomically(path, content)
    return sha256


def checked_sha256(path: Path) -> str:
    """Return the sha256 of a weights file, after a look at what lies beside it.

    Raises
    ------
    DataError
        It is not the sha256 that was written down when the weights were made.
    """
    sha256 = sha256_of(path)
    for source, expected in _written_sha256(path).items():
        if expected != sha256:
            raise DataError(
                f"{path} is damaged: its sha256 is {sha256[:16]}..., expected {expected[:16]!r}... "
                f"as {source} beside it says; copy the file again, or make the weights again with "
                "chmr-bench pretrain"
            )
    return sha256


def _written_sha256(path: Path) -> dict[str, str]:
    """Return file -> the sha256 that it says the weights have."""
    found: dict[str, str] = {}
    digest, card = path.with_suffix(SHA256), path.parent / CARD_JSON
    with contextlib.suppress(OSError):
        found[digest.name] = digest.read_text(encoding="utf-8", errors="replace").strip()
    if path.name == WEIGHTS:
        expected = read_card(card).get("sha256")
        found |= {} if expected is None else {card.name: str(expected)}
    return found


def read_card(path: Path) -> dict[str, Any]:
    """Return a model card for programs; nothing where there is none that can be read."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def write_atomically(path: Path, content: bytes) -> None:
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
    """Return the tensors and the header of a file that `write_tensors` wrote; all are finite."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DataError(
                f"{path} is damaged: its tensor {name} holds numbers that are not finite"
            )
    return tensors, header


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a file that `write_tensors` wrote; no tensor is read."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"there is no weights file {path}; chmr-bench pretrain makes one")
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get(HEADER)
        header = json.loads(text) if text is not None else None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}") from error
    if not isinstance(header, dict):
        raise DataError(f"{path} is no file of chmr-bench pretrain: its header is not there")
    return header


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
