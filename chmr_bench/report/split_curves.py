"""Curves over several splits of one dataset that a rule has drawn: the split is the unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chmr_bench.report.families import Curve, Family, Point
from chmr_bench.statistics import Difference, Runs
from chmr_bench.statistics.changes import common
from chmr_bench.statistics.resampled import corrected_resampled
from chmr_bench.types import FloatArray


def over_splits(families: Sequence[Family]) -> list[Family]:
    """Return the tables, those of a dataset's drawn splits as one; what is alone stays as it is."""
    groups: dict[tuple[Any, ...], list[Family]] = defaultdict(list)
    for family in families:
        facts = family.curves[0].facts
        alike = facts["split_digest"] if facts["split_seed"] is None else facts["split"]
        groups[(facts["dataset_digest"], alike, family.metric, family.setting)].append(family)
    return [of[0] if len(of) == 1 else _together(of) for of in groups.values()]


def _together(members: Sequence[Family]) -> Family:
    first, n = members[0], len(members)
    facts = first.curves[0].facts
    mark = " (SYNTHETIC)" if facts["synthetic"] else ""
    title = f"{facts['dataset']}{mark}, {n} {facts['split']} splits: {first.setting}"
    rows: dict[tuple[str, bool], list[Curve]] = defaultdict(list)
    for family in members:
        for curve in family.curves:
            rows[curve.label, curve.shuffled].append(curve)
    return replace(first, title=title, n_splits=n, curves=tuple(map(_curve, rows.values())))


def _curve(same: Sequence[Curve]) -> Curve:
    """Return a row over splits; at each rate the splits that have it."""
    rates = sorted({point.rate for curve in same for point in curve.points})
    areas = [curve.area.mean if curve.area else np.nan for curve in same]
    return replace(
        same[0],
        plain=_scores([(curve, curve.plain) for curve in same]),
        points=tuple(_point(same, rate) for rate in rates),
        area=_difference(same, np.array(areas)),
        unmoved=all(curve.unmoved for curve in same),
        n_masked=sum(n) if (n := [c.n_masked for c in same if c.n_masked is not None]) else None,
        identities=tuple(identity for curve in same for identity in curve.identities),
    )


def _point(same: Sequence[Curve], rate: float) -> Point:
    have = [(curve, point) for curve in same if (point := curve.at(rate)) is not None]
    changes = np.array([_change(curve, point.runs) for curve, point in have])
    parts = {part for _, point in have for part in point.shares}
    shares = {part: [p.shares[part] for _, p in have if part in p.shares] for part in parts}
    return Point(
        rate,
        _scores([(curve, point.runs) for curve, point in have]),
        sum(point.n_failed for _, point in have),
        _difference([curve for curve, _ in have], changes),
        shares={part: float(np.mean(of)) for part, of in shares.items()},
        n_pretrainings=max(point.n_pretrainings for _, point in have),
    )


def _change(curve: Curve, runs: Runs | None) -> float:
    """Return the change of the mean over the seeds that a rate shares with the start."""
    if runs is None or curve.plain is None:
        return np.nan
    mine, start, _ = common(runs, curve.plain)
    return float(mine.scores.mean() - start.scores.mean()) if mine and start else np.nan


def _difference(curves: Sequence[Curve], changes: FloatArray) -> Difference | None:
    """Return the mean over the splits with a change, and its interval."""
    known = np.isfinite(changes)
    if known.sum() < 2:
        return None
    facts = [curve.facts for curve, k in zip(curves, known, strict=True) if k]
    sizes = [float(np.mean([of[name] for of in facts])) for name in ("n_train", "n_test")]
    return corrected_resampled(changes[known], *sizes)


def _scores(of: Sequence[tuple[Curve, Runs | None]]) -> Runs | None:
    """Return the mean scores of splits, as if each were a seed; they share no test molecules."""
    known = [(curve.facts["split_seed"], runs) for curve, runs in of if runs is not None]
    if not known:
        return None
    scores = np.array([runs.scores.mean() for _, runs in known])
    nothing = np.full((len(known), 1), np.nan)
    return replace(
        known[0][1], scores=scores, replicates=nothing, seeds=tuple(seed for seed, _ in known)
    )
