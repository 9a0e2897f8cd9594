"""The models over several datasets: average ranks and signed-rank tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.statistics import (
    LEVEL,
    Friedman,
    cliques,
    critical_difference,
    dataset_ranks,
    datasets_needed,
    friedman,
    holm,
    signed_rank_p,
    smallest_p,
)


@dataclass(frozen=True)
class Overall:
    """What the datasets that all models have say together.

    Attributes
    ----------
    datasets, left_out : used; and not used, with the models that lack a score there.
    average_rank : by model, 1 = best.
    p, p_holm : of each model against the baseline, signed-rank; the second for all of them.
    difference : of average ranks that Nemenyi's test needs.
    groups : models that Nemenyi's test does not tell apart, best rank first.
    warnings : what so few datasets cannot show.
    """

    datasets: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    average_rank: Mapping[str, float]
    friedman: Friedman
    p: Mapping[str, float]
    p_holm: Mapping[str, float]
    difference: float
    groups: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


def over_datasets(
    models: Sequence[str], scores: Mapping[str, Mapping[str, float]]
) -> Overall | None:
    """Return the models over the datasets that all of them have; None below two such.

    Parameters
    ----------
    scores : dataset -> model -> score, greater = better.
    """
    whole = [name for name, found in scores.items() if all(m in found for m in models)]
    if len(whole) < 2:
        return None
    table = np.array([[scores[name][m] for m in models] for name in whole])
    ranks = dataset_ranks(table)
    average = ranks.mean(axis=0)
    p = [signed_rank_p(table[:, j] - table[:, 0]) for j in range(1, len(models))]
    difference = critical_difference(len(models), len(whole))
    found = cliques(average.tolist(), difference)
    return Overall(
        datasets=tuple(whole),
        left_out={
            name: tuple(m for m in models if m not in found)
            for name, found in scores.items()
            if name not in whole
        },
        average_rank=dict(zip(models, average.tolist(), strict=True)),
        friedman=friedman(ranks),
        p=dict(zip(models[1:], p, strict=True)),
        p_holm=dict(zip(models[1:], holm(p), strict=True)),
        difference=difference,
        groups=tuple(tuple(models[i] for i in group) for group in found),
        warnings=_warnings(len(whole), len(models) - 1),
    )


def _warnings(n_datasets: int, n_tests: int) -> tuple[str, ...]:
    """Return what a signed-rank test of so few datasets cannot do, whatever the scores."""
    least = smallest_p(n_datasets)
    if least > 1 - LEVEL:
        return (
            f"{n_datasets} datasets: even if one model wins on all, the signed-rank p is "
            f"{least:.3g}; it cannot reach 0.05 below {datasets_needed(1)} datasets",
        )
    if least * n_tests > 1 - LEVEL:
        return (
            f"{n_datasets} datasets and {n_tests} tests: the least signed-rank p is {least:.3g}, "
            f"{min(1.0, least * n_tests):.3g} after Holm; it cannot reach 0.05 for {n_tests} tests "
            f"below {datasets_needed(n_tests)} datasets",
        )
    return ()
