"""Weights of the published code: the released checkpoint, or a file of the same tensors.

A ``.pt`` file is a pickle, which may run code when it is read. It is read by
``torch.load(weights_only=True)``, which refuses all but tensors; then it is stored as safetensors,
as weights of `chmr-bench pretrain` are, and never read again.
"""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import DataError, PendingWeights, WeightsRequest, paths
from chmr_bench.cells.sources.hub import HubDataset, hub_files
from chmr_bench.data.fetch import FetchOptions, file_sha256
from chmr_bench.errors import FetchError
from chmr_bench.nn.pretraining.files import WEIGHTS
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_infoalign.config import InfoAlignSettings
from chmr_bench_infoalign.weights import INPUTS, save_network

if TYPE_CHECKING:
    from torch import Tensor

    from chmr_bench_infoalign.network import InfoAlignShape

OFFICIAL = "official"
REPOSITORY, FILE = "liuganghuggingface/InfoAlign-Pretrained", "pretrain.pt"
REVISION_VARIABLE = "CHMR_BENCH_INFOALIGN_WEIGHTS_REVISION"
"""Branch, tag or commit to take, ``main`` where unset; its commit is pinned at the first fetch."""
FOLDER = "infoalign-pretrained"
INNER = ("model_state_dict", "state_dict", "model")
"""Entries of a checkpoint in which the tensors may lie; else they are its entries themselves."""
UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
"""What reading bytes that are no checkpoint may raise, besides `UnpicklingError`."""
PAPER: Mapping[str, Any] = {
    "atlas": ("infoalign",),
    "transductive": True,
    "dropout": 0.5,
    "epochs": 300,
    "batch_size": 3072,
    "learning_rate": 1e-4,
    "average": 0.0,
}
"""How the paper says its weights were made; nothing in a file of tensors tells."""


def fetch(request: WeightsRequest) -> Path | PendingWeights:
    """Return the released checkpoint, verified; fetch it where the request says make.

    Raises
    ------
    FetchError
        It cannot be had, or is not what the hub, or the pin of the first download, says.
    """
    revision = os.environ.get(REVISION_VARIABLE) or "main"
    wanted = HubDataset(REPOSITORY, revision, (FILE,), kind="model")
    folder = paths.data_folder() / FOLDER
    options = getattr(request.data, "options", FetchOptions())
    try:
        return hub_files(wanted, folder, FetchOptions(offline=True))[FILE]
    except FetchError:
        if not request.make:
            return PendingWeights(f"fetch {FILE} of {REPOSITORY} ({revision})")
    request.stage(f"fetching {REPOSITORY}")
    return hub_files(wanted, folder, options, request.progress)[FILE]


def converted(path: Path, folder: Path) -> Path:
    """Return the weights of a published file as safetensors below a folder, written once.

    Raises
    ------
    DataError
        The file holds more than tensors, or not those of InfoAlign.
    """
    sha256 = file_sha256(path)
    stored = folder / f"published-{sha256[:16]}" / WEIGHTS
    if not stored.is_file():
        _convert(path, stored, sha256)
    return stored


def _convert(path: Path, stored: Path, sha256: str) -> None:
    from chmr_bench_infoalign import parity
    from chmr_bench_infoalign.published_keys import published_shape

    tensors = _tensors(path)
    try:
        network = parity.load(tensors)
        config = _settings(published_shape(tensors))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    info = {"published": {"file": path.name, "sha256": sha256}}
    save_network(stored, network, WeightsMetadata.now(config, INPUTS, info))


def _settings(shape: InfoAlignShape) -> InfoAlignSettings:
    """Return the paper's settings with the shape of the tensors."""
    return InfoAlignSettings(
        **PAPER,
        n_bits=shape.targets[0].d,
        hidden=shape.hidden,
        layers=shape.layers,
        decoder_hidden=shape.decoder_hidden,
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by their names, float32; nothing in it is executed."""
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{path} is refused: it is damaged, or holds more than tensors, which may be code "
            f"({first}); expected a state dict as torch.save writes it"
        ) from None
    except UNREADABLE as error:
        first = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} cannot be read as a file of torch.save: {first}") from None
    for name in INNER:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        raise DataError(f"{path} holds no state dict: expected tensors by name")
    floats = {str(k): t.float() if t.is_floating_point() else t for k, t in content.items()}
    for name, tensor in floats.items():
        if not tensor.isfinite().all():
            raise DataError(f"{path}: its tensor {name} holds numbers that are not finite")
    return floats
