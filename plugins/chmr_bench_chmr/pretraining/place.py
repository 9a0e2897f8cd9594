"""Where the weights of given settings belong: a folder named after all that they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

from chmr_bench import WeightsRequest
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.weights import feature_requests, feature_spec

PRETRAINING_VERSION = "4"
"""Changes whenever the same settings, data and seed give other weights."""

CARD, SEEN = "README.md", "seen.npy"
LOSSES, FIGURE, CHECKPOINT = "losses.csv", "losses.png", "checkpoint"
KEY_LENGTH = 16
"""Characters of the key in a folder's name."""


@dataclass(frozen=True)
class Place:
    """Where one set of weights is, or will be, and all that it depends on.

    Attributes
    ----------
    key : str
        sha256 over `inputs`.
    seed : int
        Of pretraining, settled.
    inputs : Mapping[str, Any]
        JSON-able; whatever can change a number in the weights.
    """

    folder: Path
    key: str
    seed: int
    inputs: Mapping[str, Any]


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
    """Return the settings of pretraining alone, without the seed, which 'run' leaves open."""
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
