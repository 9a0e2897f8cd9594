"""Where pretrained weights are kept: one folder for every set of things they depend on.

``<folder>/<key[:16]>/`` holds ``weights.safetensors``, ``README.md`` (the model card),
``card.json``, ``losses.csv``, ``losses.png`` and ``seen.npy``; while they are being made, also
``checkpoint/``. The weights file is written last: where it is, everything is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

from chmr_bench import DataError, PendingWeights, Weights, WeightsRequest
from chmr_bench_chmr.config import ChmrConfig, PretrainConfig
from chmr_bench_chmr.weights import feature_requests, feature_spec, read_metadata, sha256_of

PRETRAINING_VERSION = "1"
"""Changes whenever the same settings, data and seed give other weights."""

WEIGHTS, CARD, CARD_JSON, SEEN = "weights.safetensors", "README.md", "card.json", "seen.npy"
LOSSES, FIGURE, CHECKPOINT = "losses.csv", "losses.png", "checkpoint"
KEY_LENGTH = 16
"""Characters of the key in a folder's name."""


@dataclass(frozen=True)
class Place:
    """Where one set of weights is, or will be, and all that it depends on.

    Attributes
    ----------
    key : sha256 over `inputs`. seed : of pretraining, settled.
    inputs : JSON-able; whatever can change a number in the weights.
    """

    folder: Path
    key: str
    seed: int
    inputs: Mapping[str, Any]


def find_or_make(
    config: PretrainConfig, request: WeightsRequest
) -> Weights | PendingWeights | None:
    """Return the weights a fit starts from; where they are not there, make them if asked to.

    None where the settings read no encoder (a head on the raw bits alone).

    Raises
    ------
    DataError : the file named by the setting ``weights`` cannot be read, or the atlas is no good.
    """
    if isinstance(config, ChmrConfig):
        if config.head_inputs == ("bits",):
            return None
        if config.weights:
            return _of_file(Path(config.weights).expanduser())
    place = place_of(config, request)
    found = _found(place)
    if found is not None:
        return found
    if not request.make:
        return PendingWeights(_title(config, place))
    from chmr_bench_chmr.pretraining.making import make

    make(config, request, place)
    found = _found(place)
    if found is None:
        raise DataError(f"pretraining ended, but {place.folder / WEIGHTS} is not there")
    return found


def place_of(config: PretrainConfig, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    seed = request.seed if config.pretrain_seed == "run" else config.pretrain_seed
    inputs = {
        "version": PRETRAINING_VERSION,
        "config": settings_of(config),
        "seed": seed,
        "data": request.data.digest(config.atlas, config.transductive),
        "device": request.device,
        "precision": request.precision,
        "features": feature_versions(config),
    }
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return Place(request.folder / key[:KEY_LENGTH], key, seed, inputs)


def settings_of(config: PretrainConfig) -> dict[str, Any]:
    """Return the settings of pretraining alone; the seed, which 'run' leaves open, is not among them."""
    return config.model_dump(
        mode="json", include=set(PretrainConfig.model_fields) - {"pretrain_seed"}
    )


def feature_versions(config: PretrainConfig) -> dict[str, Any]:
    """Return feature -> its version, and the versions of the packages that compute it."""
    versions: dict[str, Any] = {}
    for request in feature_requests(config).values():
        spec = feature_spec(request)
        depends = {package: _distribution(package) for package in sorted(spec.depends)}
        versions[spec.name] = {"version": spec.version, "depends": depends}
    return versions


def _distribution(package: str) -> str:
    try:
        return distributions.version(package)
    except distributions.PackageNotFoundError:
        return "not installed"  # the feature itself says so when it is computed


def _found(place: Place) -> Weights | None:
    """Return the weights of that place, None where they are not (all) there."""
    path = place.folder / WEIGHTS
    if not path.is_file():
        return None
    return _of_file(path)


def _of_file(path: Path) -> Weights:
    """Return weights by their file; what was seen lies beside it, if it does."""
    seen = path.parent / SEEN
    return Weights(
        path=path,
        sha256=sha256_of(path),
        info=read_metadata(path).info,
        seen=seen if seen.is_file() else None,
    )


def _title(config: PretrainConfig, place: Place) -> str:
    atlas = " + ".join(config.atlas)
    if config.encoder == "random":
        return f"an untrained encoder, standardised on {atlas} (seed {place.seed})"
    return f"pretrain on {atlas}, {config.epochs} epochs (seed {place.seed})"
