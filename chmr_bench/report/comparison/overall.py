"""The models over several datasets, by ranks and signed-rank tests; and over 25 folds of one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench import statistics
from chmr_bench.errors import UsageError
from chmr_bench.statistics import LEVEL, Difference, Friedman, RepeatedMeasures, TukeyPair
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
    """Return the models, the baseline first, over the datasets that all have; None below two."""
    whole = [name for name, entry in entries.items() if not entry.lacking]
    if len(whole) < 2:
        return None
    table = np.array([[entries[name].scores[m] for m in models] for name in whole])
    ranks = statistics.dataset_ranks(table)
    average = ranks.mean(axis=0)
    p = [statistics.signed_rank_p([entries[name].gains[m] for name in whole]) for m in models[1:]]
    difference = statistics.critical_difference(len(models), len(whole))
    groups = statistics.cliques(average.tolist(), difference)
    return Overall(
        datasets=tuple(whole),
        left_out={name: entry.lacking for name, entry in entries.items() if entry.lacking},
        average_rank=dict(zip(models, average.tolist(), strict=True)),
        friedman=statistics.friedman(ranks),
        p=dict(zip(models[1:], p, strict=True)),
        p_holm=dict(zip(models[1:], statistics.holm(p), strict=True)),
        difference=difference,
        groups=tuple(tuple(models[i] for i in group) for group in groups),
        warnings=_warnings(len(whole), len(models) - 1),
    )


def _warnings(n_datasets: int, n_tests: int) -> tuple[str, ...]:
    """Return what a signed-rank test of so few datasets cannot do, whatever the scores."""
    least = statistics.smallest_p(n_datasets)
    if least > 1 - LEVEL:
        return (
            f"{n_datasets} datasets: even if one model wins on all, the signed-rank p is "
            f"{least:.3g}; it cannot reach 0.05 below {statistics.datasets_needed(1)} datasets",
        )
    if least * n_tests > 1 - LEVEL:
        return (
            f"{n_datasets} datasets and {n_tests} tests: the least signed-rank p is {least:.3g}, "
            f"{min(1.0, least * n_tests):.3g} after Holm; it cannot reach 0.05 for {n_tests} tests "
            f"below {statistics.datasets_needed(n_tests)} datasets",
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
    tukey :
        Interval and p for all pairs at once; takes folds for independent, which they are not.
    corrected :
        Of this pair alone, corrected for the training rows that folds share.
    """

    a: str
    b: str
    tukey: TukeyPair
    corrected: Difference


@dataclass(frozen=True)
class Folds:
    """The models on 25 folds of one dataset; `sd` is over folds."""

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

    `runs` is model -> its folds; `unscored` those that were run without anything to be evaluated.
    """
    for model, folds in runs.items():
        never = sorted(f for f in unscored.get(model, ()) if f not in folds)
        if never:
            raise UsageError(
                f"dataset {dataset!r}: {model} was run on {len(never)} of the {N_FOLDS} folds of "
                f"{CV5X5} (split seeds {', '.join(map(str, never))}) whose test rows no task can "
                "be evaluated on, so the protocol, which needs every fold, cannot be followed; "
                f"leave out --protocol and compare with --split {CV5X5}, or another"
            )
        lacking = [fold for fold in range(N_FOLDS) if fold not in folds]
        if lacking:
            raise UsageError(
                f"dataset {dataset!r}: {model} has no score on {len(lacking)} of the {N_FOLDS} "
                f"folds of {CV5X5} (split seeds {', '.join(map(str, lacking))}); run these first"
            )


def over_folds(
    means: Mapping[str, Mapping[int, float]], sign: float, sizes: tuple[float, float]
) -> Folds:
    """Return the analysis of the folds.

    Parameters
    ----------
    means :
        Model -> fold (0 to 24) -> score, of every fold.
    sign :
        -1 where a smaller score is better.
    sizes :
        Training and test rows of a fold; those of one stand for all.
    """
    models = tuple(means)
    scores = sign * np.array([[means[m][fold] for m in models] for fold in range(N_FOLDS)])
    pairs = [_pair(models, scores, tukey, sizes) for tukey in statistics.tukey_pairs(scores)]
    spread = scores.std(axis=0, ddof=1).tolist()
    sd = dict(zip(models, spread, strict=True))
    return Folds(sd, statistics.repeated_measures(scores), tuple(pairs))


def _pair(
    models: Sequence[str], scores: FloatArray, tukey: TukeyPair, sizes: tuple[float, float]
) -> FoldPair:
    difference = scores[:, tukey.a] - scores[:, tukey.b]
    corrected = statistics.corrected_resampled(difference, *sizes)
    return FoldPair(models[tukey.a], models[tukey.b], tukey, corrected)
