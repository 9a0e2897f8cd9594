"""Which runs of an ablation there are to be: a draw a seed, and one check where nothing applies."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from chmr_bench.ablation.missing import Missing
from chmr_bench.contracts import ModelSpec, modality_of
from chmr_bench.runner import LoadedDataset


@dataclass(frozen=True)
class Draw:
    """A run of a model on a dataset.

    Attributes
    ----------
    seed :
        None where the model draws nothing.
    inapplicable :
        Why nothing of what is masked reaches the model, which by its spec reads none of it; the
        run is to show that its predictions do not move. "" where something does.
    """

    seed: int | None
    missing: Missing | None
    inapplicable: str = ""


def draws(
    wanted: Sequence[Missing | None],
    seeds: Sequence[int],
    hide_seed: int | None,
    spec: ModelSpec,
    data: LoadedDataset,
) -> list[Draw]:
    """Return every run, each once.

    The seed of what is masked is that of the run unless `hide_seed` is one for all. Where nothing
    applies to the model there is one run with something masked: of the most that is wanted.
    """
    result = []
    reasons = {one: inapplicable(spec, data, one) if one else "" for one in wanted}
    idle = [one for one, reason in reasons.items() if one and reason]
    check = max(idle, key=lambda one: one.rate, default=None)
    for one, reason in reasons.items():
        if reason and one is not check:
            continue
        for seed in seeds[:1] if reason else seeds:
            missing = None
            if one:
                drawn = seed if hide_seed is None else hide_seed
                missing = dataclasses.replace(one, seed=drawn).settled()
            result.append(Draw(None if spec.deterministic else seed, missing, reason))
    return list(dict.fromkeys(result))


def inapplicable(spec: ModelSpec, data: LoadedDataset, missing: Missing) -> str:
    """Return why a model does not read what is masked, by its spec; "" where it may."""
    in_data = bool({"finetune", "test"} & set(missing.stages))
    computed = set(spec.views) & set(missing.modalities)
    if missing.is_nothing or (computed and (in_data or spec.weights)):
        return ""
    reasons = []
    if "pretrain" in missing.stages:
        if spec.weights and _common(spec.learns, missing):
            return ""
        reasons.append(
            "learns from no cells" if not spec.learns else "learns from other modalities"
        )
    if in_data:
        there = modalities_of(data)
        if _common([m for m in spec.reads if m in there], missing):
            return ""
        what = " or ".join(missing.modalities) or "cells"
        name = data.spec.name
        reasons.append(f"reads no {what} of {name}" if there else f"{name} has no cells")
    return f"{spec.name} " + ", ".join(reasons)


def modalities_of(data: LoadedDataset) -> set[str]:
    """Return the cell modalities that come with a dataset."""
    return {modality_of(name) for name in data.dataset.blocks}


def _common(modalities: Sequence[str], missing: Missing) -> bool:
    return bool(set(modalities) & set(missing.modalities or modalities))
