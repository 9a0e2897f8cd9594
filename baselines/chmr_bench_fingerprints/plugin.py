"""The classical models, registered; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chmr_bench import ModelSpec, hookimpl

_PACKAGE = "chmr_bench_fingerprints"
_RECIPES = Path(__file__).parent / "recipes"


def _spec(name: str, title: str, module: str, class_name: str, **more: Any) -> ModelSpec:
    recipe = _RECIPES / f"{name}.toml"
    place = f"{_PACKAGE}.{module}:{class_name}"
    own = {"config": f"{place}Config", "recipe": str(recipe) if recipe.is_file() else ""}
    return ModelSpec(name=name, title=title, factory=place, **{**own, **more})


MODELS: tuple[ModelSpec, ...] = (
    _spec("mean", "Mean training label of each task", "mean", "Mean", deterministic=True),
    _spec(
        "fingerprint.forest",
        "Random forest on fingerprint bits",
        "forest",
        "Forest",
        requires=("numba",),
    ),
    _spec(
        "fingerprint.multi-forest",
        "Random forests, one a fingerprint, averaged",
        "multi_forest",
        "MultiForest",
        requires=("numba",),
        citation="after Multi-RF Fusion, arXiv 2603.20724, without its graph network",
        notes=("on toxcast a node tries the square root of the bits; the choice would take hours",),
    ),
    _spec(
        "fingerprint.forest-sklearn",
        "scikit-learn's random forest on fingerprint bits, settings of fingerprint.forest",
        "forest_sklearn",
        "SklearnForest",
        requires=("sklearn",),
        config=f"{_PACKAGE}.forest:ForestConfig",
        recipe=str(_RECIPES / "fingerprint.forest.toml"),
    ),
    _spec(
        "fingerprint.boosting",
        "Gradient boosting on fingerprint bits (LightGBM)",
        "boosting",
        "Boosting",
        requires=("lightgbm",),
        deterministic=True,
    ),
    _spec(
        "fingerprint.linear",
        "Logistic and ridge regression on fingerprint bits",
        "linear",
        "Linear",
        requires=("sklearn",),
        deterministic=True,
    ),
    _spec(
        "fingerprint.knn",
        "Nearest neighbours by Tanimoto similarity",
        "knn",
        "Knn",
        requires=("numba",),
        deterministic=True,
    ),
    _spec(
        "fingerprint.gp",
        "Gaussian process, Tanimoto kernel",
        "gp",
        "GaussianProcess",
        deterministic=True,
    ),
    _spec(
        "fingerprint.mlp",
        "Multi-task networks on fingerprint counts and descriptors, averaged",
        "mlp",
        "Mlp",
        version="2",
        requires=("torch",),
        extra="torch",
        accelerator=True,
    ),
)


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return the classical models."""
    return MODELS
