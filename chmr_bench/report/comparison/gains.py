"""One model against another on one dataset, on the splits and seeds that both have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from chmr_bench.report.comparison.measuring import Measure
from chmr_bench.report.comparison.selection import Selection
from chmr_bench.report.comparison.sharing import (
    one_pretraining,
    score,
    shared,
    split_means,
    unshared,
)
from chmr_bench.statistics import Difference, corrected_resampled, paired_difference

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "no difference shown", "no interval", "not compared"]


@dataclass(frozen=True)
class Gain:
    """A model against the baseline on one dataset, above zero where the model is better.

    Attributes
    ----------
    difference : Difference or None
        None where the two could not be compared.
    base_score, score : float or None
        The baseline's and the model's, over the pairs compared: `difference` is the one less the
        other. Where one of the two has no run, the other's over all its runs; None where both have
        runs and none can be paired.
    p_holm : float
        Adjusted for the datasets this model is compared on, not for the models named.
    verdict : Verdict
        ``better`` and ``worse`` only where the adjusted p is at most 0.05, and so the 95 % CI
        excludes 0. ``no interval`` where the data cannot give one; the notes say why.
    one_pretraining : tuple of str
        Which of the two has several runs in it that all begin with the same weights, so that the
        interval leaves out what another pretraining would move.
    """

    model: str
    difference: Difference | None
    base_score: float | None = None
    score: float | None = None
    p_holm: float = math.nan
    verdict: Verdict = "not compared"
    one_pretraining: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def paired_gain(
    chosen: Selection,
    model: str,
    baseline: str,
    sign: float,
    measure: Callable[[pd.DataFrame], Measure],
) -> Gain:
    """Return the gain of a model, over splits where both have several in common.

    Parameters
    ----------
    chosen : Selection
        The runs.
    model, baseline : str
        Names they were asked for by.
    sign : float
        -1 where a smaller score is better.
    measure : callable
        Runs of one split -> what resamples its test molecules.
    """
    if chosen.of(model).empty or chosen.of(baseline).empty:
        return Gain(model, None, score(chosen.of(baseline)), score(chosen.of(model)))
    notes = unshared(chosen.runs, (model, baseline))
    common = shared(chosen.runs, (model, baseline))
    if common.empty:
        return Gain(model, None, notes=tuple(notes))
    mine, theirs = (common[common["asked"] == name] for name in (model, baseline))
    if common["split_key"].nunique() > 1:
        difference = _over_splits(mine, theirs, sign)
    else:
        resampled = measure(common)
        difference = paired_difference(resampled.runs(mine), resampled.runs(theirs))
        difference = difference.turned() if sign < 0 else difference
    gain = described(model, baseline, common, difference)
    return replace(gain, notes=(*notes, *([difference.note] if difference.note else [])))


def described(model: str, baseline: str, common: pd.DataFrame, difference: Difference) -> Gain:
    """Return a difference with the scores it is of."""
    runs = {name: common[common["asked"] == name] for name in (baseline, model)}
    alone = tuple(name for name, of in runs.items() if one_pretraining(of))
    base_score, own_score = (score(of) for of in runs.values())
    return Gain(model, difference, base_score, own_score, one_pretraining=alone)


def _over_splits(mine: pd.DataFrame, theirs: pd.DataFrame, sign: float) -> Difference:
    a, b = split_means(mine), split_means(theirs)
    of_split = mine.groupby("split_key", sort=False)[["n_train", "n_test"]].first().astype(float)
    return corrected_resampled(
        sign * np.asarray(a - b.loc[a.index], dtype=np.float64),
        n_train=float(of_split["n_train"].mean()),
        n_test=float(of_split["n_test"].mean()),
    )
