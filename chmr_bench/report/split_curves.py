"""Curves over several splits of one dataset that a rule has drawn: the split is the unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench.report.families import Curve, Family, Point, numbered
from chmr_bench.report.masking import base_of
from chmr_bench.report.words import dataset_words
from chmr_bench.statistics import Difference, Runs
from chmr_bench.statistics.changes import on_seeds
from chmr_bench.statistics.resampled import corrected_resampled
from chmr_bench.types import FloatArray


@dataclass(frozen=True)
class _OnSplit:
    """A row on one split, the mean over the seeds that all its rates have.

    Attributes
    ----------
    start :
        The score that changes are against.
    at :
        Rate -> score.
    uneven :
        Some rate has more seeds.
    """

    curve: Curve
    start: float
    at: Mapping[float, float]
    uneven: bool

    @property
    def split(self) -> Any:
        """Return the seed of the split."""
        return self.curve.facts["split_seed"]

    def mean_change(self, rates: Sequence[float]) -> float:
        """Return the mean change over these rates; NaN where one has no score."""
        if not set(rates) <= self.at.keys():
            return np.nan
        area = np.trapezoid([self.at[rate] for rate in rates], rates)
        return float(area / (rates[-1] - rates[0]) - self.start)


def over_splits(families: Sequence[Family]) -> list[Family]:
    """Return the tables, those of a dataset's drawn splits as one; what is alone stays as it is.

    So do splits that the rule has drawn twice from one seed, each time another.
    """
    groups: dict[tuple[Any, ...], list[Family]] = defaultdict(list)
    for family in families:
        facts = family.curves[0].facts
        alike = facts["split_digest"] if facts["split_seed"] is None else facts["split"]
        data = (facts["dataset"], facts["dataset_digest"], alike)
        groups[(*data, family.metric, family.setting)].append(family)
    return [family for members in groups.values() for family in _as_one(members)]


def _as_one(members: Sequence[Family]) -> list[Family]:
    seeds = [family.curves[0].facts["split_seed"] for family in members]
    if len(members) < 2 or len(set(seeds)) < len(seeds):
        return list(members)
    first, facts = members[0], members[0].curves[0].facts
    rows: dict[tuple[str, bool], list[Curve]] = defaultdict(list)
    for curve in (curve for family in members for curve in family.curves):
        rows[base_of(curve.facts), curve.shuffled].append(curve)
    rates = sorted({point.rate for same in rows.values() for c in same for point in c.points})
    on_splits = [[one for curve in same if (one := _on_split(curve))] for same in rows.values()]
    pairs = [*zip(rows.values(), on_splits, strict=True)]
    curves = numbered((_curve(same, on, rates) for same, on in pairs), lambda curve: curve.title)
    uneven = [
        curve.title
        for curve, on in zip(curves, on_splits, strict=True)
        if any(one.uneven for one in on)
    ]
    splits = f"{len(members)} {facts['split']} splits"
    title = f"{dataset_words(facts)}, {splits}: {first.setting}"
    pooled = replace(first, title=title, curves=tuple(curves), n_splits=len(members))
    return [replace(pooled, uneven=tuple(uneven))]


def _on_split(curve: Curve) -> _OnSplit | None:
    """Return a row on its split; None where its rates share no seed with the start."""
    known = {point.rate: point.runs for point in curve.points if point.runs is not None}
    if curve.plain is None or not known:
        return None
    every = [curve.plain, *known.values()]
    drawn = [runs.seeds for runs in every if runs.drawn]
    shared = [s for s in drawn[0] if all(s in seeds for seeds in drawn)] if drawn else [None]
    if not shared:
        return None
    at = {rate: _mean(runs, shared) for rate, runs in known.items()}
    uneven = any(len(seeds) > len(shared) for seeds in drawn)
    return _OnSplit(curve, _mean(curve.plain, shared), at, uneven)


def _mean(runs: Runs, seeds: Sequence[int | None]) -> float:
    return float(on_seeds(runs, seeds).scores.mean())


def _curve(same: Sequence[Curve], splits: Sequence[_OnSplit], rates: Sequence[float]) -> Curve:
    """Return a row over splits; at each rate the splits that have it."""
    areas = np.array([one.mean_change(rates) for one in splits])
    counts = [c.n_masked for c in same if c.n_masked is not None]
    return replace(
        same[0],
        label=same[0].facts["named"],
        plain=_scores(same, {one.split: one.start for one in splits}),
        points=tuple(
            _point(same, splits, rate)
            for rate in sorted({point.rate for curve in same for point in curve.points})
        ),
        area=_difference(splits, areas),
        unmoved=all(curve.unmoved for curve in same),
        n_masked=sum(counts) if counts else None,
        identities=tuple(identity for curve in same for identity in curve.identities),
    )


def _point(same: Sequence[Curve], splits: Sequence[_OnSplit], rate: float) -> Point:
    points = [point for curve in same if (point := curve.at(rate)) is not None]
    changes = np.array([one.at.get(rate, np.nan) - one.start for one in splits])
    parts = {part for point in points for part in point.shares}
    shares = {part: [p.shares[part] for p in points if part in p.shares] for part in parts}
    return Point(
        rate,
        _scores(same, {one.split: one.at[rate] for one in splits if rate in one.at}),
        sum(point.n_failed for point in points),
        _difference(splits, changes),
        unpaired=tuple(one.split for one in splits if rate not in one.at),
        shares={part: float(np.mean(of)) for part, of in shares.items()},
        n_pretrainings=max(point.n_pretrainings for point in points),
    )


def _difference(splits: Sequence[_OnSplit], changes: FloatArray) -> Difference | None:
    """Return the mean over the splits with a change, and its interval."""
    known = np.isfinite(changes)
    if known.sum() < 2:
        return None
    facts = [one.curve.facts for one, k in zip(splits, known, strict=True) if k]
    sizes = [float(np.mean([of[name] for of in facts])) for name in ("n_train", "n_test")]
    return corrected_resampled(changes[known], *sizes)


def _scores(same: Sequence[Curve], scores: Mapping[Any, float]) -> Runs | None:
    """Return the scores of splits as those of runs; they share no test molecules to resample."""
    runs = next((curve.plain for curve in same if curve.plain is not None), None)
    if runs is None or not scores:
        return None
    seeds = tuple(sorted(scores))
    values = np.array([scores[seed] for seed in seeds])
    return replace(runs, scores=values, replicates=np.full((len(seeds), 1), np.nan), seeds=seeds)
