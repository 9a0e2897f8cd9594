"""deepchem's own network and fingerprint, registered; deepchem is imported when they are used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chmr_bench import FeatureSpec, ModelSpec, hookimpl

_MODULE = "chmr_bench_fingerprints.deepchem_multitask"
_RECIPE = Path(__file__).parent / "recipes" / "deepchem.multitask.toml"


@hookimpl
def chmr_bench_features() -> Iterable[FeatureSpec]:
    """Return deepchem's circular fingerprint."""
    return [
        FeatureSpec(
            name="deepchem_circular",
            title="deepchem's CircularFingerprint, bits",
            compute=f"{_MODULE}:circular_fingerprint",
            settings={"size": 1024, "radius": 4},
            depends=("rdkit", "deepchem"),
        )
    ]


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return deepchem's multi-task network."""
    return [
        ModelSpec(
            name="deepchem.multitask",
            title="deepchem's multi-task network on its own circular fingerprint",
            factory=f"{_MODULE}:DeepchemMultitask",
            config=f"{_MODULE}:DeepchemMultitaskConfig",
            recipe=str(_RECIPE),
            requires=("deepchem", "torch"),
            extra="deepchem",
            citation="Ramsundar et al., Deep Learning for the Life Sciences, O'Reilly, 2019",
        )
    ]
