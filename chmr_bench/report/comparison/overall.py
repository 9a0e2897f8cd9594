"""The models over several datasets, by ranks and signed-rank tests; and over 25 folds of one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import UsageError
from chmr_bench.statistics import (
    LEVEL,
    Difference,
    Friedman,
    RepeatedMeasures,
    TukeyPair,
    cliques,
    corrected_resampled,
    critical_difference,
    dataset_ranks,
    datasets_needed,
    friedman,
    holm,
    repeated_measures,
    signed_rank_p,
    smallest_p,
    tukey_pairs,
)
from chmr_bench.types import FloatArray

CV5X5 = "cv5x5"
"""Split method whose seed s is fold s % 5 of repeat s // 5."""
N_FOLDS = 25


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


# ------------------------------------------------------------------------- over folds, as cv5x5
#
# The protocol of Ash et al. (2025): 5 x 5 cross-validation, analysis of variance, Tukey. Folds of
# one dataset share molecules, and the analysis takes them for independent: of simulated data on
# which three models are equally good, Tukey's test called two of them different in 65 % (150 rows,
# least squares; tests/unit/statistics/test_false_positives.py has the like). So it is shown, as
# the protocol asks, and verdicts rest on the difference corrected for the overlap.


@dataclass(frozen=True)
class FoldPair:
    """Two models over the folds, above zero where `a` is better.

    Attributes
    ----------
    tukey : TukeyPair
        Interval and p for all pairs at once; takes folds for independent, which they are not.
    corrected : Difference
        Of this pair alone, corrected for the training rows that folds share.
    """

    a: str
    b: str
    tukey: TukeyPair
    corrected: Difference


@dataclass(frozen=True)
class Folds:
    """The models on 25 folds of one dataset; `sd` is over folds."""

    models: tuple[str, ...]
    sd: Mapping[str, float]
    anova: RepeatedMeasures
    pairs: tuple[FoldPair, ...]

    def difference(self, model: str, other: str) -> Difference:
        """Return model minus other, corrected for the training rows that folds share."""
        pair = next(p for p in self.pairs if {p.a, p.b} == {model, other})
        return pair.corrected if pair.a == model else pair.corrected.turned()


def check_folds(
    dataset: str,
    runs: Mapping[str, Collection[int]],
    unscored: Mapping[str, Collection[int]],
) -> None:
    """Raise UsageError where a model lacks any of the folds.

    Parameters
    ----------
    dataset : str
        Its name.
    runs : dict
        Model -> its folds.
    unscored : dict
        Model -> folds that were run and have no score: nothing to be evaluated there.
    """
    for model, folds in runs.items():
        never = sorted(f for f in unscored.get(model, ()) if f not in folds)
        if never:
            raise UsageError(
                f"dataset {dataset!r}: {model} was run on {len(never)} of the {N_FOLDS} folds of "
                f"{CV5X5} (split seeds {_listed(never)}) whose test rows no task can be evaluated "
                "on, so the protocol, which needs every fold, cannot be followed; leave out "
                f"--protocol and compare with --split {CV5X5}, or another"
            )
        lacking = [fold for fold in range(N_FOLDS) if fold not in folds]
        if lacking:
            raise UsageError(
                f"dataset {dataset!r}: {model} has no score on {len(lacking)} of the {N_FOLDS} "
                f"folds of {CV5X5} (split seeds {_listed(lacking)}); run these first"
            )


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(str(fold) for fold in folds)


def over_folds(
    dataset: str,
    means: Mapping[str, Mapping[int, float]],
    sign: float,
    sizes: tuple[float, float],
) -> Folds:
    """Return the analysis of the folds.

    Parameters
    ----------
    dataset : str
        Its name, for messages.
    means : dict
        Model -> fold (0 to 24) -> score.
    sign : float
        -1 where a smaller score is better.
    sizes : (float, float)
        Training and test rows of a fold; those of one stand for all.

    Raises
    ------
    UsageError
        A model lacks folds.
    """
    check_folds(dataset, means, {})
    models = tuple(means)
    scores = sign * np.array([[means[m][fold] for m in models] for fold in range(N_FOLDS)])
    pairs = [_pair(models, scores, tukey, sizes) for tukey in tukey_pairs(scores)]
    spread = scores.std(axis=0, ddof=1).tolist()
    return Folds(
        models, dict(zip(models, spread, strict=True)), repeated_measures(scores), tuple(pairs)
    )


def _pair(
    models: Sequence[str], scores: FloatArray, tukey: TukeyPair, sizes: tuple[float, float]
) -> FoldPair:
    difference = scores[:, tukey.a] - scores[:, tukey.b]
    corrected = corrected_resampled(difference, *sizes)
    return FoldPair(models[tukey.a], models[tukey.b], tukey, corrected)
