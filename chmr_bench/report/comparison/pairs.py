"""One model against another on one dataset, on the splits and seeds that both have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chmr_bench.records import Record
from chmr_bench.report.comparison.choosing import Chosen
from chmr_bench.report.comparison.measuring import Measure
from chmr_bench.report.comparison.sharing import (
    BySplit,
    one_pretraining,
    score,
    shared,
    split_means,
    unshared,
)
from chmr_bench.statistics import (
    Difference,
    Runs,
    corrected_resampled,
    paired_difference,
)

Verdict = Literal["better", "worse", "no difference shown", "no interval", "not compared"]


@dataclass(frozen=True)
class Gain:
    """A model against the baseline on one dataset, above zero where the model is better.

    Attributes
    ----------
    difference : None where the two could not be compared.
    base_score, score : the baseline's and the model's, over the pairs compared: `difference` is
        the one less the other. Where one of the two has no run, the other's over all its runs; None
        where both have runs and none can be paired.
    p_holm : adjusted for the datasets this model is compared on, not for the models named.
    verdict : ``better`` and ``worse`` only where the adjusted p is at most 0.05, and so zero
        outside the interval. ``no interval`` where the data cannot give one; the notes say why.
    one_pretraining : which of the two has several runs in it that all begin with the same weights,
        so that the interval leaves out what another pretraining would move.
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
    chosen: Chosen,
    model: str,
    baseline: str,
    sign: float,
    measure: Callable[[int | None], Measure],
) -> Gain:
    """Return the gain of a model, over splits where both have several in common.

    Parameters
    ----------
    sign : -1 where a smaller score is better.
    measure : split -> what resamples its test molecules; asked where there is one split in common.
    """
    runs = {model: chosen.of(model), baseline: chosen.of(baseline)}
    if not all(runs.values()):
        return Gain(model, None, score(runs[baseline]), score(runs[model]))
    notes = unshared(runs)
    mine, theirs = shared(list(runs.values()))
    if not mine:
        return Gain(model, None, notes=tuple(notes))
    if len(mine) > 1:
        found = _over_splits(mine, theirs, sign)
    else:
        split = next(iter(mine))
        found = _over_molecules(mine[split], theirs[split], sign, measure(split))
    return replace(
        described(model, baseline, mine, theirs, found),
        notes=(*notes, *([found.note] if found.note else [])),
    )


def described(
    model: str, baseline: str, mine: BySplit, theirs: BySplit, difference: Difference
) -> Gain:
    """Return a difference with the scores it is of."""
    alone = [m for m, runs in ((baseline, theirs), (model, mine)) if one_pretraining(runs)]
    return Gain(model, difference, score(theirs), score(mine), one_pretraining=tuple(alone))


def _over_splits(mine: BySplit, theirs: BySplit, sign: float) -> Difference:
    a, b = split_means(mine), split_means(theirs)
    parts = [records[0].split for records in mine.values()]
    return corrected_resampled(
        sign * np.array([a[split] - b[split] for split in mine]),
        n_train=float(np.mean([p.n_train for p in parts])),
        n_test=float(np.mean([p.n_test for p in parts])),
    )


def _over_molecules(
    mine: Sequence[Record], theirs: Sequence[Record], sign: float, measure: Measure
) -> Difference:
    a, b = (_turned(measure.runs(records), sign) for records in (mine, theirs))
    return paired_difference(a, b)


def _turned(runs: Runs, sign: float) -> Runs:
    """Return the runs with scores of which greater is better."""
    return replace(runs, scores=sign * runs.scores, replicates=sign * runs.replicates)
