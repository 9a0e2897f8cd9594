"""Registers CHMR, its variants and its controls. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chmr_bench import ModelSpec, hookimpl
from chmr_bench.contracts import ASSAY, CELL_MODALITIES

_PACKAGE = "chmr_bench_chmr"
_RECIPES = Path(__file__).parent / "recipes"
_CITATION = "CHMR, arXiv 2511.21120 (AAAI 2026)"
_COMMON: dict[str, Any] = {
    "version": "3",
    "config": f"{_PACKAGE}.config:ChmrConfig",
    "weights": f"{_PACKAGE}.pretraining.store:find_or_make",
    "requires": ("torch", "safetensors"),
    "extra": "torch",
    "accelerator": True,
    "precisions": ("float32", "bfloat16"),
    "learns": CELL_MODALITIES,
    "citation": _CITATION,
}

ABLATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "no-sca": (
        "no alignment of molecule and cells (SCA)",
        {"instance_alignment": False, "distribution_alignment": False},
    ),
    "no-da": ("no distribution alignment (VICReg)", {"distribution_alignment": False}),
    "no-ia": ("no instance alignment (InfoNCE)", {"instance_alignment": False}),
    "no-tree": ("no quantisation", {"tree": "none"}),
    "flat-vq": ("one flat codebook in place of the tree", {"tree": "flat"}),
    "no-cpr": ("no reconstruction (CPR)", {"reconstruction": False}),
    "no-walk": ("reconstruction of the molecule alone, no walk", {"walk": False}),
    "fill-zero": ("the second view of read-outs (eq. 3) is zeros", {"fill": "zero"}),
    "fill-random": ("the second view of read-outs (eq. 3) is noise", {"fill": "random"}),
    "fill-neighbour": (
        "the second view of read-outs (eq. 3) is the neighbours' mean",
        {"fill": "neighbour"},
    ),
    "molecule-only": ("pretrained on molecules, no cells", {"cells": ()}),
    "molecule+gene": ("pretrained on molecules and perturbation", {"cells": ("perturbation",)}),
    "molecule+morphology": ("pretrained on molecules and morphology", {"cells": ("morphology",)}),
    "molecule+expression": ("pretrained on molecules and expression", {"cells": ("expression",)}),
    "all-cells": (
        "pretrained on every real read-out at hand, the small ones too (these need --mirror)",
        {"atlas": ("jump-activity", "cmea", "lincs-cellcount", "l1000-skb100")},
    ),
    "with-assays": (
        "pretrained on labelled assays of other molecules, too",
        {"atlas": ("jump-activity", "assays")},
    ),
    "shuffled-cells": (
        "negative control: pretrained on permuted profiles",
        {"shuffle_cells": True},
    ),
    "as-published": (
        "with the published code's losses, where they depart from the paper",
        {"as_published": True},
    ),
    "random-encoder": ("control: the encoder as initialised", {"encoder": "random"}),
    "head-only": (
        "control: heads on the raw bits, no encoder, no pretraining",
        {"head_inputs": ("bits",), "heads": ("network", "bits")},
    ),
}
"""What differs from `chmr`: the preset of each variant."""


_FINETUNED: dict[str, Any] = {
    "title": "CHMR, its encoder trained on with the labels, beside networks without it",
    "factory": "finetuning:Finetuned",
    "config": f"{_PACKAGE}.config:FinetunedConfig",
    "explain": "",
    "version": "1",
}
_CELL_FINETUNED: dict[str, Any] = {
    **_FINETUNED,
    "title": "CHMR, trained on with the labels; its networks also read the molecule's own cells",
    "factory": "finetuning:CellFinetuned",
    "config": f"{_PACKAGE}.config:CellFinetunedConfig",
    "reads": CELL_MODALITIES,
}
_REGRESSOR: dict[str, Any] = {
    "title": "Control: a network from bits to cells, logistic regression on its last hidden layer",
    "factory": "regressor:Regressor",
    "config": f"{_PACKAGE}.regressor_config:RegressorConfig",
    "weights": f"{_PACKAGE}.regressor:find_or_make",
    "recipe": str(_RECIPES / "regressor.toml"),
    "explain": "",
    "version": "1",
    "precisions": ("float32",),
    "accelerator": False,
    "citation": "",
    "match": f"{_PACKAGE}.regressor_matching:RegressorMatcher",
    "match_preset": {"batch_size": 64},
}
_MATCHING: dict[str, Any] = {
    "match": f"{_PACKAGE}.matching:ChmrMatcher",
    "match_preset": {
        "hidden": 128,
        "layers": 3,
        "dropout": 0.1,
        "decoder_hidden": 256,
        "batch_size": 64,
        "epochs": 40,
        "state_factors": 0,
    },
}
"""The preset is for the pairs of small atlases: the small encoder of the planted data."""


def _spec(name: str, title: str, factory: str = "model:Chmr", **more: Any) -> ModelSpec:
    recipe = str(_RECIPES / "chmr.toml")
    fields = _COMMON | {"recipe": recipe, "explain": f"{_PACKAGE}.explain:explain"} | more
    return ModelSpec(name=name, title=title, factory=f"{_PACKAGE}.{factory}", **fields)


def _learns(preset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cell modalities that the weights of a variant are made from."""
    if preset.get("head_inputs") == ("bits",):
        return ()  # it starts from no weights
    assays = (ASSAY,) if "assays" in preset.get("atlas", ()) else ()
    return (*preset.get("cells", CELL_MODALITIES), *assays)


def _models() -> Iterable[ModelSpec]:
    title = "CHMR: structure and cells aligned, a head on the frozen encoder"
    yield _spec("chmr", title, **_MATCHING)
    for name, (title, preset) in ABLATIONS.items():
        yield _spec(f"chmr.{name}", f"CHMR, {title}", preset=preset, learns=_learns(preset))
    yield _spec(
        "chmr.cell-input",
        "CHMR, whose head also reads the molecule's own cells, or its neighbours'",
        preset={
            "head_inputs": ("bits", "fingerprint", "graph", "geometry", "cells"),
            "heads": ("network", "bits", "anchor", "readouts", "cells"),
        },
        version="4",
        reads=CELL_MODALITIES,
        needs_cells="learnt",
    )
    yield _spec("chmr.finetuned", **_FINETUNED)
    yield _spec("chmr.cell-finetuned", **_CELL_FINETUNED)
    yield _spec(
        "chmr.forest-ensemble",
        "The mean of CHMR and a random forest on fingerprint bits",
        factory="ensemble:ForestEnsemble",
        preset={"forest_weight": 1.0},
    )
    yield _spec(
        "chmr.paper",
        "CHMR with the paper's settings for each dataset, but one radius throughout",
        recipe=str(_RECIPES / "paper.toml"),
    )
    yield _spec("cells.regressor", **_REGRESSOR)


@hookimpl
def chmr_bench_models() -> Iterable[ModelSpec]:
    """Return CHMR, its variants and its controls."""
    return tuple(_models())
