"""Features of an atlas's molecules, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata as distributions
from typing import Any

from chmr_bench import FeatureRequest, FeatureSpec, WeightsRequest
from chmr_bench.contracts import Block
from chmr_bench.errors import UnknownNameError
from chmr_bench.features import cache
from chmr_bench.features.concatenation import concatenate
from chmr_bench.features.plugin import FEATURES
from chmr_bench.paths import feature_folder

PART = 16_384
"""Molecules whose features are computed, and cached, at a time: a kill costs one part at most."""


def compute_features(
    smiles: tuple[str, ...], wanted: Mapping[str, FeatureRequest], request: WeightsRequest
) -> dict[str, Block]:
    """Return features by the names they are wanted by, from the cache or computed part by part."""
    return {name: _feature(feature, smiles, request) for name, feature in wanted.items()}


def _feature(wanted: FeatureRequest, smiles: tuple[str, ...], request: WeightsRequest) -> Block:
    request.stage(f"feature {wanted.feature}")

    def compute(start: int) -> Block:
        def progress(done: int, total: int, unit: str) -> None:
            request.progress(start + done, len(smiles), unit)

        return cache.featurise(
            feature_spec(wanted),
            wanted.settings,
            smiles[start : start + PART],
            n_jobs=request.n_jobs,
            progress=progress,
            cache=feature_folder(),
        )

    return concatenate([compute(start) for start in range(0, len(smiles), PART)])


def feature_spec(request: FeatureRequest) -> FeatureSpec:
    """Return the specification of a feature that comes with chmr-bench."""
    specs = {spec.name: spec for spec in FEATURES}
    if request.feature not in specs:
        raise UnknownNameError("feature", request.feature, specs)
    return specs[request.feature]


def feature_versions(requests: Iterable[FeatureRequest]) -> dict[str, Any]:
    """Return feature -> its version, and the versions of the packages that compute it."""
    versions: dict[str, Any] = {}
    for request in requests:
        spec = feature_spec(request)
        depends = {package: _distribution(package) for package in sorted(spec.depends)}
        versions[spec.name] = {"version": spec.version, "depends": depends}
    return versions


def _distribution(package: str) -> str:
    try:
        return distributions.version(package)
    except distributions.PackageNotFoundError:
        return "not installed"  # the feature itself says so when it is computed
