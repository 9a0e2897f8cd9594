"""The protocol of Ash et al. (2025): 5 x 5 cross-validation, analysis of variance, Tukey.

Folds of one dataset share molecules, and the analysis takes them for independent: of simulated data
on which three models are equally good, Tukey's test called two of them different in 65 % (150 rows,
least squares; tests/unit/statistics/test_false_positives.py has the like). So it is shown, as the
protocol asks, and verdicts rest on the difference corrected for the overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import UsageError
from chmr_bench.statistics import (
    Difference,
    RepeatedMeasures,
    TukeyPair,
    corrected_resampled,
    repeated_measures,
    tukey_pairs,
)
from chmr_bench.types import FloatArray

CV5X5 = "cv5x5"
"""Split method whose seed s is fold s % 5 of repeat s // 5."""
N_FOLDS = 25


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
