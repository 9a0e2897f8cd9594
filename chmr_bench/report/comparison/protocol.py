"""The protocol of Ash et al. (2025): 5 x 5 cross-validation, analysis of variance, Tukey."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import UsageError
from chmr_bench.records import SplitInfo
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
TUKEY = "Tukey over the folds of 5 x 5 cross-validation, all pairs at once"


@dataclass(frozen=True)
class FoldPair:
    """Two models over the folds, above zero where `a` is better.

    Attributes
    ----------
    tukey : interval and p for all pairs at once; takes folds for independent, which they are not.
    corrected : of this pair alone, corrected for the training rows that folds share.
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
        """Return model minus other with Tukey's interval."""
        pair = next(p for p in self.pairs if {p.a, p.b} == {model, other})
        sign = 1.0 if pair.a == model else -1.0
        ends = sorted((sign * pair.tukey.low, sign * pair.tukey.high))
        return Difference(
            mean=sign * pair.tukey.mean,
            low=ends[0],
            high=ends[1],
            p=pair.tukey.p,
            se_molecules=0.0,
            se_seeds=math.sqrt(2 * self.anova.error / N_FOLDS),
            df=self.anova.df_error,
            n_pairs=N_FOLDS,
            note=TUKEY,
        )


def over_folds(
    dataset: str,
    means: Mapping[str, Mapping[int | None, float]],
    sign: float,
    split: SplitInfo,
) -> Folds:
    """Return the analysis of the folds.

    Parameters
    ----------
    means : model -> fold (0 to 24) -> score.
    sign : -1 where a smaller score is better.
    split : of any fold; its sizes stand for all.

    Raises
    ------
    UsageError : a model lacks folds.
    """
    models = tuple(means)
    for model, folds in means.items():
        lacking = [str(fold) for fold in range(N_FOLDS) if fold not in folds]
        if lacking:
            raise UsageError(
                f"dataset {dataset!r}: {model} has no score on {len(lacking)} of the {N_FOLDS} "
                f"folds of {CV5X5} (split seeds {', '.join(lacking)}); run these first"
            )
    scores = sign * np.array([[means[m][fold] for m in models] for fold in range(N_FOLDS)])
    pairs = [_pair(models, scores, tukey, split) for tukey in tukey_pairs(scores)]
    spread = scores.std(axis=0, ddof=1).tolist()
    return Folds(
        models, dict(zip(models, spread, strict=True)), repeated_measures(scores), tuple(pairs)
    )


def _pair(
    models: Sequence[str], scores: FloatArray, tukey: TukeyPair, split: SplitInfo
) -> FoldPair:
    difference = scores[:, tukey.a] - scores[:, tukey.b]
    corrected = corrected_resampled(difference, split.n_train, split.n_test)
    return FoldPair(models[tukey.a], models[tukey.b], tukey, corrected)
