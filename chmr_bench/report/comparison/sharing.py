"""The splits and seeds that models have in common, and what one of them alone has.

Every function takes the runs of a `Selection`: a line a run, with ``asked`` (the model),
``split_key`` and ``seed_key``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chmr_bench.report.comparison.selection import ANY

if TYPE_CHECKING:
    import pandas as pd


def shared(runs: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the models' runs on the splits and seeds that all of them have.

    A model that draws nothing stands for every seed. A split without a common seed is left out.
    """
    mine = runs[runs["asked"].isin(models)]
    kept = [
        there.index[_is_common(there)]
        for _, there in mine.reset_index().groupby("split_key", sort=False)
        if there["asked"].nunique() == len(models)
    ]
    return mine.iloc[[i for index in kept for i in index]]


def _is_common(there: pd.DataFrame) -> pd.Series[bool]:
    """Return which runs of one split are of a seed that every model has which draws any."""
    seeds = there.groupby("asked")["seed_key"].agg(set)
    drawn = [of for of in seeds if of != {ANY}]
    common = set.intersection(*drawn) if drawn else set()
    fixed = there["asked"].map(seeds).map(lambda of: of == {ANY}) & (bool(common) or not drawn)
    return there["seed_key"].isin(common) | fixed


def split_means(runs: pd.DataFrame) -> pd.Series[float]:
    """Return one model's mean over seeds on each split, by split seed."""
    return runs.groupby("split_key", sort=False)["score"].mean()


def score(runs: pd.DataFrame) -> float | None:
    """Return one model's mean over seeds, then over splits; None where there is no run."""
    return None if runs.empty else float(split_means(runs).mean())


def one_pretraining(runs: pd.DataFrame) -> bool:
    """Return whether several runs begin with the same weights: their spread is not that of one."""
    return len(runs) > 1 and bool(runs["weights"].notna().all()) and runs["weights"].nunique() == 1


def unshared(runs: pd.DataFrame, models: Sequence[str]) -> list[str]:
    """Return in words which splits and seeds only some of the models have, a line a model."""
    kept = set(zip(*_keys(shared(runs, models)), strict=True))
    splits = {m: list(dict.fromkeys(runs["split_key"][runs["asked"] == m])) for m in models}
    everywhere = set.intersection(*(set(of) for of in splits.values()))
    whose = "alone" if len(models) == 2 else "but not of every model"
    lines = []
    for model, mine in splits.items():
        lone = [split for split in mine if split not in everywhere]
        if lone:
            lines.append(f"splits {_listed(lone)} of {model} {whose}, not compared")
    for model in models:
        seeds: dict[int, list[int]] = {}
        for name, split, seed in zip(*_keys(runs), strict=True):
            if name == model and split in everywhere and (name, split, seed) not in kept:
                seeds.setdefault(split, []).append(seed)
        where: dict[str, list[int]] = {}
        for split, own in seeds.items():
            where.setdefault(_listed(own), []).append(split)
        for own_seeds, these in where.items():
            on = f" on split{'s' * (len(these) > 1)} {_listed(these)}"
            place = on if len(everywhere) > 1 else ""
            lines.append(f"seeds {own_seeds} of {model} {whose}{place}, not compared")
    return lines


def _keys(runs: pd.DataFrame) -> list[pd.Series[int]]:
    return [runs[column] for column in ("asked", "split_key", "seed_key")]


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join("none" if seed == ANY else str(seed) for seed in sorted(seeds))
