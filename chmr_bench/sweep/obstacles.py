"""Why a model cannot run on a dataset, told before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chmr_bench.contracts import AtlasSpec, ModelSpec, modality_of
from chmr_bench.errors import MissingDependencyError
from chmr_bench.runner import Job, LoadedDataset
from chmr_bench.runner.pretraining import atlas_specs
from chmr_bench.settings import require
from chmr_bench.sweep.draws import modalities_of


def obstacle(spec: ModelSpec, data: LoadedDataset) -> str:
    """Return why the model cannot run on the dataset, "" where it can."""
    try:
        require(spec)
    except MissingDependencyError as error:
        return str(error)
    if data.spec.task_type not in spec.task_types:
        return f"{spec.name} does not do {data.spec.task_type}"
    if spec.needs_cells and not set(spec.reads) & modalities_of(data):
        wanted = " or ".join(spec.reads)
        where = " or ".join(part.atlas for part in data.own_profiles)
        there = (
            f", and no molecule of it is in {where}" if where else "; --cells ATLAS attaches some"
        )
        return (
            f"{spec.name} reads a molecule's own {wanted}; {data.spec.name} comes with none{there}"
        )
    return ""


def unlearnt(job: Job) -> str:
    """Return why the weights cannot read the dataset's profiles, "" where they may."""
    spec, data = job.model.spec, job.data
    known = _learnt(job.config) if spec.needs_cells == "learnt" else set()
    blocks = data.dataset.blocks
    if not known or any({name, modality_of(name)} & known for name in blocks):
        return ""
    whole = data.part_of[0] if data.part_of else data
    own = [part.atlas for part in whole.own_profiles if part.observed.any()]
    names = ",".join(own) if not any(":" in name for name in own) else ""  # a folder has no name
    advice = f"; --set {spec.name}:atlas={names} learns from them" if names else ""
    return (
        f"{spec.name} reads what its weights learnt from, {' and '.join(sorted(known))} of "
        f"{','.join(_atlases(job.config))}; {data.spec.name} comes with "
        f"{' and '.join(sorted(blocks))}{advice}"
    )


def _learnt(config: Any) -> set[str]:
    """Return the modalities that the weights learn from; none where that is not known yet."""
    if getattr(config, "weights", None) or getattr(config, "cells", None) is not None:
        return set()
    specs = atlas_specs(_atlases(config))
    modalities = [s.modalities if isinstance(s, AtlasSpec) else () for s in specs]
    return {m for one in modalities for m in one} if all(modalities) else set()


def _atlases(config: Any) -> Sequence[str]:
    atlases: str | Sequence[str] = getattr(config, "atlas", ())
    return (atlases,) if isinstance(atlases, str) else atlases
