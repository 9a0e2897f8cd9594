"""Registers MMSA and its variants. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chmr_bench import ModelSpec, hookimpl
from chmr_bench_mmsa.names import CONFORMER, GRAPH, IMAGE

_PACKAGE = "chmr_bench_mmsa"
RECONSTRUCTION = "reconstruction, not the authors' code"
_COMMON: dict[str, Any] = {
    "factory": f"{_PACKAGE}.model:Mmsa",
    "config": f"{_PACKAGE}.config:MmsaConfig",
    "recipe": str(Path(__file__).parent / "recipes" / "mmsa.toml"),
    "weights": f"{_PACKAGE}.pretraining.store:find_or_make",
    "requires": ("torch", "torch_geometric", "safetensors"),
    "extra": "torch",
    "accelerator": True,
    "precisions": ("float32", "bfloat16"),
    "views": (IMAGE, CONFORMER),
    "citation": f"after MMSA, arXiv 2505.05877 (IEEE TIP 2025): {RECONSTRUCTION}",
    "notes": (f"{RECONSTRUCTION}: of the paper only the abstract could be read",),
}


def _spec(name: str, title: str, **fields: Any) -> ModelSpec:
    return ModelSpec(name=name, title=f"{title}; {RECONSTRUCTION}", **(_COMMON | fields))


MODELS: tuple[ModelSpec, ...] = (
    _spec("mmsa", "MMSA: graph, drawing and conformer in one code, hypergraph and anchors"),
    _spec("mmsa.no-hypergraph", "MMSA without its hypergraph", preset={"hypergraph": False}),
    _spec("mmsa.no-memory", "MMSA without its memory of anchors", preset={"anchors": 0}),
    _spec(
        "mmsa.no-image",
        "MMSA without drawings",
        preset={"modalities": (GRAPH, CONFORMER)},
        views=(CONFORMER,),
    ),
    _spec(
        "mmsa.no-3d",
        "MMSA without conformers",
        preset={"modalities": (GRAPH, IMAGE)},
        views=(IMAGE,),
    ),
    _spec("mmsa.graph-only", "MMSA from graphs alone", preset={"modalities": (GRAPH,)}, views=()),
)


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return MMSA and its variants."""
    return MODELS
