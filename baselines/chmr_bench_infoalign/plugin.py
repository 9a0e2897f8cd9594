"""Registers InfoAlign, its variants and its controls. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chmr_bench import ModelSpec, hookimpl
from chmr_bench.contracts import CELL_MODALITIES

_PACKAGE = "chmr_bench_infoalign"
_RECIPES = Path(__file__).parent / "recipes"
_COMMON: dict[str, Any] = {
    "factory": f"{_PACKAGE}.model:InfoAlign",
    "config": f"{_PACKAGE}.config:InfoAlignConfig",
    "recipe": str(_RECIPES / "infoalign.toml"),
    "weights": f"{_PACKAGE}.pretraining.store:find_or_make",
    "requires": ("torch", "safetensors"),
    "extra": "torch",
    "accelerator": True,
    "precisions": ("float32", "bfloat16"),
    "learns": CELL_MODALITIES,
    "citation": "InfoAlign, arXiv 2406.12056 (ICLR 2025)",
    "notes": ("written anew after the paper; equal to the authors' code given their weights",),
}
MATCHING: dict[str, Any] = {
    "hidden": 128,
    "layers": 3,
    "dropout": 0.1,
    "decoder_hidden": 256,
    "batch_size": 64,
    "epochs": 40,
}
"""For the pairs of small atlases: the small encoder of the planted data."""


def _spec(name: str, title: str, **fields: Any) -> ModelSpec:
    return ModelSpec(name=name, title=title, **(_COMMON | fields))


MODELS: tuple[ModelSpec, ...] = (
    _spec(
        "infoalign",
        "InfoAlign: a frozen graph encoder that learnt cell context, a head on it",
        match=f"{_PACKAGE}.matching:InfoAlignMatcher",
        match_preset=MATCHING,
    ),
    _spec(
        "infoalign.no-prior",
        "InfoAlign without the prior on its latent (minimality)",
        preset={"minimality_weight": 0.0},
    ),
    _spec(
        "infoalign.molecule-only",
        "InfoAlign pretrained on molecules, no cells",
        preset={"cells": ()},
        learns=(),
    ),
    _spec(
        "infoalign.random-encoder",
        "InfoAlign, control: the encoder as initialised",
        preset={"encoder": "random"},
    ),
    _spec(
        "infoalign.paper",
        "InfoAlign with the paper's settings of pretraining",
        recipe=str(_RECIPES / "infoalign.paper.toml"),
    ),
    _spec(
        "infoalign.finetuned",
        "InfoAlign, its encoder trained on with the labels",
        factory=f"{_PACKAGE}.finetuned:FinetunedInfoAlign",
        config=f"{_PACKAGE}.config:InfoAlignTunedConfig",
        accelerator=False,
        precisions=("float32",),
    ),
)


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return InfoAlign, its variants and its controls."""
    return MODELS
