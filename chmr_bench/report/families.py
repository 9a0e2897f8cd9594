"""Curves that share a table: those of one dataset and setting, and means over datasets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench.records import RecordStore
from chmr_bench.report.curves import Curve, Point, area, change_of, curves
from chmr_bench.report.masking import Setting
from chmr_bench.statistics import Difference, Runs
from chmr_bench.types import MetricName


@dataclass(frozen=True)
class Family:
    """Curves that share a table: one dataset, or several averaged, and one setting."""

    datasets: tuple[str, ...]
    title: str
    metric: MetricName
    setting: Setting
    curves: tuple[Curve, ...]

    @property
    def rates(self) -> list[float]:
        """Return all rates but 0, ascending."""
        return sorted({p.rate for c in self.curves for p in c.points} - {0.0})

    def mean_change(self, curve: Curve) -> Difference | None:
        """Return the mean change from 0 to the last rate, None where any rate has no score."""
        scored = {p.rate for p in curve.points if p.score is not None}
        return curve.area if scored >= {0.0, *self.rates} else None


def families_of(store: RecordStore) -> list[Family]:
    """Return the tables of a store; none where nothing was ever masked."""
    return families(curves(store))


def families(curves: Sequence[Curve]) -> list[Family]:
    """Return the tables: one a dataset and setting, then the mean over datasets of one metric."""
    groups: dict[tuple[Any, ...], list[Curve]] = defaultdict(list)
    for curve in curves:
        names = ("dataset_digest", "split_digest", "dataset_metric")
        groups[(*(curve.facts[name] for name in names), curve.setting)].append(curve)
    single = [
        Family((of[0].facts["dataset"],), _title(of[0]), metric, setting, tuple(of))
        for (_, _, metric, setting), of in groups.items()
    ]
    alike: dict[tuple[Any, ...], list[Family]] = defaultdict(list)
    for family in single:
        facts = family.curves[0].facts
        if not facts["synthetic"] and facts["origin"] == "registered":
            alike[family.setting, family.metric, facts["split"]].append(family)
    means = [_mean_family(members) for members in alike.values()]
    return [*single, *(family for family in means if family is not None)]


def _title(curve: Curve) -> str:
    facts = curve.facts
    mark = " (SYNTHETIC)" if facts["synthetic"] else ""
    split = "" if facts["split"] == "reference" else f", {facts['split']} split"
    seed = "" if facts["split_seed"] is None else f" (seed {facts['split_seed']})"
    return f"{facts['dataset']}{mark}{split}{seed}: {curve.setting}"


def _mean_family(members: Sequence[Family]) -> Family | None:
    """Return the mean over the real datasets of one setting, split method and metric."""
    names = tuple(family.datasets[0] for family in members)
    if len(names) < 2 or len(set(names)) < len(names):
        return None
    by_row = [{(c.label, c.shuffled): c for c in family.curves} for family in members]
    shared = [[rows[key] for rows in by_row] for key in by_row[0] if all(key in r for r in by_row)]
    if not shared:
        return None
    first = members[0]
    means = tuple(_mean_curve(same) for same in shared)
    title = f"mean over {', '.join(names)}: {first.setting}"
    return Family(names, title, first.metric, first.setting, means)


def _mean_curve(same: Sequence[Curve]) -> Curve:
    """Return the mean of a row over datasets, at the rates that all of them have."""
    start = _mean_runs([c.plain for c in same])
    points = []
    for rate in sorted(set.intersection(*({p.rate for p in c.points} for c in same))):
        at_rate = [p for c in same if (p := c.at(rate)) is not None]
        runs = _mean_runs([p.runs for p in at_rate])
        n_failed = sum(p.n_failed for p in at_rate)
        n_weights = min(p.n_pretrainings for p in at_rate)
        points.append(Point(rate, runs, n_failed, *change_of(runs, start), {}, n_weights))
    return replace(
        same[0],
        plain=start,
        points=tuple(points),
        area=area(points, start),
        unmoved=all(c.unmoved for c in same),
        identities=tuple(identity for c in same for identity in c.identities),
    )


def _mean_runs(per_dataset: Sequence[Runs | None]) -> Runs | None:
    """Return the mean over datasets of runs with the same seeds; None where they differ.

    It is taken to be known no better than on the smallest of them.
    """
    runs = [r for r in per_dataset if r is not None]
    if len(runs) < len(per_dataset) or len({r.seeds for r in runs}) != 1:
        return None
    return replace(
        runs[0],
        scores=np.mean([r.scores for r in runs], axis=0),
        replicates=np.mean([r.replicates for r in runs], axis=0),
        n_units=min((r.n_units for r in runs if r.n_units is not None), default=None),
        n_effective=min((r.n_effective for r in runs if r.n_effective is not None), default=None),
    )
