"""The splits and seeds that models have in common, and what one of them alone has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from chmr_bench.records import Record

BySplit = Mapping[int | None, Sequence[Record]]
"""Split seed (None where the method draws nothing) -> runs with a score."""


def shared(runs: Sequence[BySplit]) -> list[dict[int | None, tuple[Record, ...]]]:
    """Return each model's runs on the splits and seeds that all of the models have.

    A model that draws nothing stands for every seed. A split without a common seed is left out.
    """
    kept: list[dict[int | None, tuple[Record, ...]]] = [{} for _ in runs]
    for split in runs[0]:
        if not all(split in one for one in runs):
            continue
        common = _common_seeds([one[split] for one in runs])
        for mine, one in zip(kept, runs, strict=True):
            if common is None or common:
                mine[split] = _of_seeds(one[split], common)
    return kept


def _of_seeds(runs: Sequence[Record], seeds: Collection[int] | None) -> tuple[Record, ...]:
    """Return the runs with these seeds; all of a model that draws none."""
    fixed = seeds is None or all(r.seed is None for r in runs)
    return tuple(r for r in runs if fixed or r.seed in (seeds or ()))


def _common_seeds(runs: Sequence[Sequence[Record]]) -> set[int] | None:
    """Return the seeds that all models have which draw any; None where no model does."""
    drawn = [{r.seed for r in records if r.seed is not None} for records in runs]
    drawn = [seeds for seeds in drawn if seeds]
    return set.intersection(*drawn) if drawn else None


def split_means(runs: BySplit) -> dict[int | None, float]:
    """Return the mean over seeds on each split."""
    return {split: float(np.mean([_macro(r) for r in rs])) for split, rs in runs.items()}


def score(runs: BySplit) -> float | None:
    """Return the mean over seeds, then over splits; None where there is no run."""
    return float(np.mean(list(split_means(runs).values()))) if runs else None


def _macro(record: Record) -> float:
    value = record.metrics.macro if record.metrics else None
    return math.nan if value is None else value


def one_pretraining(runs: BySplit) -> bool:
    """Return whether several runs begin with the same weights: their spread is not that of one."""
    records = [record for rs in runs.values() for record in rs]
    weights = {record.model.weights for record in records}
    return len(records) > 1 and len(weights) == 1 and None not in weights


def unshared(runs: Mapping[str, BySplit]) -> list[str]:
    """Return in words which splits and seeds only some of the models have, a line a model."""
    kept = shared(list(runs.values()))
    n_common = len(set.intersection(*(set(one) for one in runs.values())))
    whose = "alone" if len(runs) == 2 else "but not of every model"
    told = []
    for model, mine in runs.items():
        others = [one for name, one in runs.items() if name != model]
        lone = [s for s in mine if not all(s in one for one in others)]
        if lone:
            told.append(f"splits {_listed(lone)} of {model} {whose}, not compared")
    for (model, own), these in _lone_seeds(runs, kept).items():
        where = f" on {_n_splits(these)}" if n_common > 1 else ""
        told.append(f"seeds {_listed(own)} of {model} {whose}{where}, not compared")
    return told


def _lone_seeds(
    runs: Mapping[str, BySplit], kept: Sequence[BySplit]
) -> dict[tuple[str, tuple[int | None, ...]], list[int | None]]:
    """Return (model, seeds that are not kept) -> the splits of all models where that is so."""
    found: dict[tuple[str, tuple[int | None, ...]], list[int | None]] = defaultdict(list)
    for (model, mine), left in zip(runs.items(), kept, strict=True):
        for split in (s for s in mine if all(s in one for one in runs.values())):
            have = {r.identity for r in left.get(split, ())}
            own = {r.seed for r in mine[split] if r.identity not in have}
            if own:
                found[model, tuple(sorted(own, key=_place))].append(split)
    return found


def _n_splits(splits: Sequence[int | None]) -> str:
    return f"split{'s' if len(splits) > 1 else ''} {_listed(splits)}"


def _listed(seeds: Collection[int | None]) -> str:
    return ", ".join("none" if s is None else str(s) for s in sorted(seeds, key=_place))


def _place(seed: int | None) -> int:
    return -1 if seed is None else seed
