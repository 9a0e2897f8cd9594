"""Changes of a score over the rates of what is masked, paired over the seeds that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chmr_bench.statistics.paired import Difference, paired_difference
from chmr_bench.statistics.runs import Runs

Seed = int | None


def change_of(runs: Runs | None, start: Runs | None) -> tuple[Difference | None, tuple[Seed, ...]]:
    """Return the paired change, and the seeds that could not be paired."""
    if runs is None or start is None:
        return None, ()
    a, b, unpaired = common(runs, start)
    return (paired_difference(a, b) if a and b else None), unpaired


def common(a: Runs, b: Runs) -> tuple[Runs | None, Runs | None, tuple[Seed, ...]]:
    """Return both on the seeds they share, and those that only one has."""
    if not (a.drawn and b.drawn):
        return a, b, ()
    shared = [seed for seed in a.seeds if seed in b.seeds]
    unpaired = tuple(sorted({*a.seeds} ^ {*b.seeds}, key=str))
    return (
        (on_seeds(a, shared), on_seeds(b, shared), unpaired) if shared else (None, None, unpaired)
    )


def on_seeds(runs: Runs, seeds: Sequence[Seed]) -> Runs:
    """Return the runs on these seeds; one that draws nothing stands for each."""
    rows = [runs.seeds.index(seed) if runs.drawn else 0 for seed in seeds]
    return replace(
        runs, scores=runs.scores[rows], replicates=runs.replicates[rows], seeds=tuple(seeds)
    )


def mean_change(at: Mapping[float, Runs | None], start: Runs | None) -> Difference | None:
    """Return the mean change over the rates from the first to the last, by trapezoids.

    None where a rate has no score: a line over the gap would say what was not measured.

    Parameters
    ----------
    at :
        Rate, ascending -> the runs there.
    """
    known = [runs for runs in at.values() if runs is not None]
    if len(known) < max(len(at), 2) or start is None:
        return None
    rates = np.array([*at])
    weights = np.zeros(len(known))
    weights[:-1] += np.diff(rates) / 2
    weights[1:] += np.diff(rates) / 2
    weights /= rates[-1] - rates[0]
    drawn = [runs.seeds for runs in known if runs.drawn]
    shared = [seed for seed in drawn[0] if all(seed in s for s in drawn)] if drawn else [None]
    if not shared:
        return None
    parts = [on_seeds(runs, shared) for runs in known]
    together = replace(
        parts[0],
        scores=np.sum([w * r.scores for w, r in zip(weights, parts, strict=True)], axis=0),
        replicates=np.sum([w * r.replicates for w, r in zip(weights, parts, strict=True)], axis=0),
    )
    a, b, _ = common(together, start)
    return paired_difference(a, b) if a and b else None


def mean_over_datasets(per_dataset: Sequence[Runs | None]) -> Runs | None:
    """Return the mean over datasets of runs with the same seeds; None where they differ.

    It is taken to be known no better than on the smallest of them.
    """
    runs = [r for r in per_dataset if r is not None]
    if len(runs) < len(per_dataset) or len({r.seeds for r in runs}) != 1:
        return None
    return replace(
        runs[0],
        scores=np.mean([r.scores for r in runs], axis=0),
        replicates=np.mean([r.replicates for r in runs], axis=0),
        n_units=min((r.n_units for r in runs if r.n_units is not None), default=None),
        n_effective=min((r.n_effective for r in runs if r.n_effective is not None), default=None),
    )
