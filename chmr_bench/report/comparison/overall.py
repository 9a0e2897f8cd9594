"""The models over several datasets: average ranks and signed-rank tests."""

from __future__ import annotations

import math
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
class Entry:
    """What one dataset gives to the ranks and tests.

    Attributes
    ----------
    scores :
        Model -> score, greater = better, over the splits and seeds that all models have; empty
        where there are none.
    gains :
        Model -> its paired difference from the baseline in units of its standard error
        (`Difference.in_errors`), above zero where it is better.
    missing :
        Models without a score.
    """

    scores: Mapping[str, float]
    gains: Mapping[str, float]
    missing: tuple[str, ...] = ()

    @property
    def lacking(self) -> str:
        """Return why the dataset cannot be used, "" where it can."""
        if self.missing:
            return f"{' and '.join(self.missing)} missing"
        if not self.scores:
            return "no split and seed that every model has"
        unknown = [model for model, gain in self.gains.items() if math.isnan(gain)]
        return f"standard error of {' and '.join(unknown)} not known" if unknown else ""


@dataclass(frozen=True)
class Overall:
    """What the datasets that all models have say together.

    Attributes
    ----------
    datasets, left_out :
        Used; and not used, with the reason.
    average_rank :
        By model, 1 = best.
    p, p_holm :
        Of each model against the baseline, signed-rank of the paired differences in units
        of their own standard errors; the second for all models.
    difference :
        Of average ranks that Nemenyi's test needs.
    groups :
        Models that Nemenyi's test does not tell apart, best rank first.
    warnings :
        What so few datasets cannot show.
    """

    datasets: tuple[str, ...]
    left_out: Mapping[str, str]
    average_rank: Mapping[str, float]
    friedman: Friedman
    p: Mapping[str, float]
    p_holm: Mapping[str, float]
    difference: float
    groups: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


def over_datasets(models: Sequence[str], entries: Mapping[str, Entry]) -> Overall | None:
    """Return the models over the datasets that all of them have; None below two such.

    Parameters
    ----------
    models :
        The baseline first.
    entries :
        Dataset -> what it gives.
    """
    whole = [name for name, entry in entries.items() if not entry.lacking]
    if len(whole) < 2:
        return None
    table = np.array([[entries[name].scores[m] for m in models] for name in whole])
    ranks = dataset_ranks(table)
    average = ranks.mean(axis=0)
    p = [signed_rank_p([entries[name].gains[m] for name in whole]) for m in models[1:]]
    difference = critical_difference(len(models), len(whole))
    groups = cliques(average.tolist(), difference)
    return Overall(
        datasets=tuple(whole),
        left_out={name: entry.lacking for name, entry in entries.items() if entry.lacking},
        average_rank=dict(zip(models, average.tolist(), strict=True)),
        friedman=friedman(ranks),
        p=dict(zip(models[1:], p, strict=True)),
        p_holm=dict(zip(models[1:], holm(p), strict=True)),
        difference=difference,
        groups=tuple(tuple(models[i] for i in group) for group in groups),
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
