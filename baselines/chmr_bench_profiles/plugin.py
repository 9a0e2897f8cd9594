"""The models on cell profiles, registered; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chmr_bench import ModelSpec, hookimpl
from chmr_bench.contracts import CELL_MODALITIES

_PACKAGE = "chmr_bench_profiles"
_RECIPES = Path(__file__).parent / "recipes"
_MLP: dict[str, Any] = {
    "factory": f"{_PACKAGE}.mlp:CellsMlp",
    "config": f"{_PACKAGE}.mlp:CellsMlpConfig",
    "requires": ("torch",),
    "extra": "torch",
    "accelerator": True,
}
_COUNTS: dict[str, Any] = {
    **_MLP,
    "factory": f"{_PACKAGE}.counts:CellsCounts",
    "config": f"{_PACKAGE}.counts:CellsCountsConfig",
}
_FOREST: dict[str, Any] = {
    "factory": f"{_PACKAGE}.forest:CellsForest",
    "config": f"{_PACKAGE}.forest:CellsForestConfig",
}


def _spec(
    name: str, title: str, fields: dict[str, Any], recipe_of: str = "", **preset: Any
) -> ModelSpec:
    recipe = _RECIPES / f"{recipe_of or name}.toml"
    return ModelSpec(
        name=name,
        title=title,
        recipe=str(recipe) if recipe.is_file() else "",
        preset=preset,
        reads=CELL_MODALITIES,
        **fields,
    )


MODELS: tuple[ModelSpec, ...] = (
    _spec("cells.mlp", "Network on fingerprint bits and the molecule's own profiles", _MLP),
    _spec(
        "cells.mlp.late",
        "A network on the bits and one on each profile, averaged over what a molecule has",
        _MLP,
        fusion="late",
    ),
    _spec(
        "cells.counts", "Networks on counts, descriptors and the molecule's own profiles", _COUNTS
    ),
    _spec("cells.forest", "Random forest on bits and the molecule's own profiles", _FOREST),
    _spec(
        "cells.forest.late",
        "A forest on the bits and one on each profile, averaged over what a molecule has",
        _FOREST,
        recipe_of="cells.forest",
        fusion="late",
    ),
)


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return the models on cell profiles."""
    return MODELS
