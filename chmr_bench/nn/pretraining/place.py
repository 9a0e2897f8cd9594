"""Where the weights of given settings belong: a folder named after all that they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chmr_bench import FeatureRequest, WeightsRequest
from chmr_bench.nn.pretraining.features import feature_versions
from chmr_bench.nn.pretraining.settings import AtlasSettings

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
    shipped : Path | None
        The plugin's folder of weights that came with it; None = none did.
    recipe : str
        sha256 over the `inputs` that weights which came with the plugin must agree with: they serve
        every device and precision, and other versions of the packages that read molecules.
    """

    folder: Path
    key: str
    seed: int
    inputs: Mapping[str, Any]
    shipped: Path | None = None
    recipe: str = ""

    @classmethod
    def of(
        cls,
        folder: Path,
        seed: int,
        inputs: Mapping[str, Any],
        shipped: Path | None = None,
        recipe: str = "",
    ) -> Place:
        """Return the place in a folder of all weights of a model."""
        key = sha256_of(inputs)
        return cls(folder / key[:KEY_LENGTH], key, seed, inputs, shipped, recipe)


def place(
    config: AtlasSettings,
    settings: type[AtlasSettings],
    features: Iterable[FeatureRequest],
    version: str,
    request: WeightsRequest,
    shipped: Path | None = None,
) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed.

    Parameters
    ----------
    settings : type[AtlasSettings]
        The settings of pretraining; `config` may have more.
    features : Iterable[FeatureRequest]
        What pretraining reads of a molecule.
    version : str
        Changes whenever the same settings, data and seed give other weights.
    shipped : Path | None
        The plugin's folder of weights that come with it.
    """
    seed = request.seed if config.pretrain_seed == "run" else config.pretrain_seed
    recipe = {"version": version, "config": settings_of(config, settings), "seed": seed}
    versions = feature_versions(features)
    inputs = {
        **recipe,
        "data": request.data.digest(config.atlas, config.transductive),
        "device": request.device,
        "precision": request.precision,
        "features": versions,
    }
    if shipped is None:
        return Place.of(request.folder, seed, inputs)
    recipe["data"] = request.data.digest(config.atlas, config.transductive, packages=False)
    recipe["features"] = {name: feature["version"] for name, feature in versions.items()}
    return Place.of(request.folder, seed, inputs, shipped, sha256_of(recipe))


def sha256_of(inputs: Mapping[str, Any]) -> str:
    """Return the sha256 of all that weights depend on."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def settings_of(config: AtlasSettings, settings: type[AtlasSettings]) -> dict[str, Any]:
    """Return the settings of pretraining alone, without the seed, which 'run' leaves open."""
    return config.model_dump(mode="json", include=set(settings.model_fields) - {"pretrain_seed"})
