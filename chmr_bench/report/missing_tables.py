"""What missing cells cost, as tables: a page, a CSV and a JSON file, from the records alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench.report.curves import Curve, Point, area, common
from chmr_bench.report.grids import NONE, Grid, heading, number, span
from chmr_bench.report.hidden_runs import Setting
from chmr_bench.statistics import Difference, Runs, paired_difference
from chmr_bench.types import MetricName

SCHEMA = "chmr-bench missing 1"
PLACES = ("pretrain", "train", "valid", "test")
"""Where entries are counted."""
INTRODUCTION = """\
A share of the cell read-outs is hidden on purpose, on top of what is missing by nature: of the
atlas that is pretrained on, of the training and validation molecules, of the test molecules, or of
all of them ("world"). Who loses it is drawn by connectivity, modality and seed alone; of scaffold
families ("scaffold") by the scaffold instead of the connectivity; "activity" is no draw: the
weakest phenotypes go first. So every model loses the same molecules, and what is hidden at a share
is hidden at every higher one.

How to read a row: the score with nothing hidden, then for each share the change against it with its
95 % interval, paired over seeds and test molecules (it holds the spread over both); below zero is
worse unless the metric's arrow points down. "mean change" is that over all shares of the table (the
area between the curve and its start), "-" where a share has no score. A row "shuffled" is the
control that gives read-outs to the wrong molecules; its changes are against the model itself. "does
not read it": no stored prediction moved when it was hidden, and nothing of it reaches the model.
Each split has a table of its own."""


@dataclass(frozen=True)
class Family:
    """Curves that share a table: one dataset, or several averaged, and one setting.

    Attributes
    ----------
    datasets : their names. title : of the table.
    """

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


def families(curves: Sequence[Curve]) -> list[Family]:
    """Return the tables: one a dataset and setting, then the mean over datasets of one metric."""
    groups: dict[tuple[Any, ...], list[Curve]] = {}
    for curve in curves:
        key = (curve.dataset.digest, curve.split.digest, curve.metric, curve.setting)
        groups.setdefault(key, []).append(curve)
    found = [
        Family((c[0].dataset.name,), _title(c[0]), c[0].metric, c[0].setting, tuple(c))
        for c in groups.values()
    ]
    return [*found, *_overall(found)]


def _title(curve: Curve) -> str:
    mark = " (SYNTHETIC)" if curve.dataset.synthetic else ""
    split = "" if curve.split.name == "reference" else f", {curve.split.name} split"
    seed = "" if curve.split.seed is None else f" (seed {curve.split.seed})"
    return f"{curve.dataset.name}{mark}{split}{seed}: {curve.setting}"


# ------------------------------------------------------------------------------- over the datasets


def _overall(found: Sequence[Family]) -> list[Family]:
    """Return the mean over the real datasets of one setting, split method and metric."""
    groups: dict[tuple[Any, ...], list[Family]] = {}
    for family in found:
        first = family.curves[0]
        if not first.dataset.synthetic and first.dataset.origin.kind == "registered":
            key = (family.setting, family.metric, first.split.name)
            groups.setdefault(key, []).append(family)
    result = []
    for members in groups.values():
        names = tuple(family.datasets[0] for family in members)
        if len(names) < 2 or len(set(names)) < len(names):
            continue
        curves = tuple(_mean_curves(members))
        if curves:
            title = f"mean over {', '.join(names)}: {members[0].setting}"
            setting, metric = members[0].setting, members[0].metric
            result.append(Family(names, title, metric, setting, curves))
    return result


def _mean_curves(members: Sequence[Family]) -> Iterable[Curve]:
    """Yield the mean of each row that every dataset has, at the rates that all of them have."""
    by_row = [{(c.label, c.shuffled): c for c in family.curves} for family in members]
    for key, curve in by_row[0].items():
        same = [rows[key] for rows in by_row if key in rows]
        if len(same) < len(members):
            continue
        rates = set.intersection(*({p.rate for p in c.points} for c in same))
        starts = [c.at(0.0) for c in same]
        points = [_mean_point(rate, [c.at(rate) for c in same], starts) for rate in sorted(rates)]
        begun = _mean_runs([p.runs if p else None for p in starts])
        yield dataclasses.replace(
            curve,
            points=tuple(points),
            area=area(points, begun),
            unmoved=all(c.unmoved for c in same),
            identities=tuple(i for c in same for i in c.identities),
        )


def _mean_point(
    rate: float, points: Sequence[Point | None], starts: Sequence[Point | None]
) -> Point:
    runs, start = (_mean_runs([p.runs if p else None for p in ps]) for ps in (points, starts))
    change: Difference | None = None
    unpaired: tuple[int | None, ...] = ()
    if runs is not None and start is not None:
        a, b, unpaired = common(runs, start)
        change = paired_difference(a, b) if a and b else None
    n_failed = sum(p.n_failed for p in points if p is not None)
    return Point(
        rate=rate,
        score=float(runs.scores.mean()) if runs is not None else None,
        n_runs=len(runs.seeds) if runs is not None else 0,
        n_failed=n_failed,
        change=change,
        unpaired=unpaired,
        runs=runs,
        n_pretrainings=min((p.n_pretrainings for p in points if p is not None), default=0),
    )


def _mean_runs(found: Sequence[Runs | None]) -> Runs | None:
    """Return the mean over datasets of runs with the same seeds; None where they differ.

    It is taken to be known no better than on the smallest of them.
    """
    runs = [r for r in found if r is not None]
    if len(runs) < len(found) or len({r.seeds for r in runs}) != 1:
        return None
    return Runs(
        np.mean([r.scores for r in runs], axis=0),
        np.mean([r.replicates for r in runs], axis=0),
        runs[0].seeds,
        runs[0].metric,
        n_units=min((r.n_units for r in runs if r.n_units is not None), default=None),
        n_effective=min((r.n_effective for r in runs if r.n_effective is not None), default=None),
    )


# ------------------------------------------------------------------------------------------- grids


def grids(found: Sequence[Family]) -> list[Grid]:
    """Return a table of text a family."""
    return [_grid(family) for family in found]


def _grid(family: Family) -> Grid:
    hit = "of molecules hit" if family.setting.mechanism == "asymmetric" else "hidden"
    columns = ["model", f"{heading(family.metric)}, nothing hidden", "runs"]
    columns += [f"{100 * rate:g} % {hit}" for rate in family.rates]
    columns += [f"mean change, 0 to {100 * rate:g} %" for rate in family.rates[-1:]]
    rows = tuple(tuple(_cells(family, curve)) for curve in family.curves)
    return Grid(family.title, tuple(columns), rows, notes=tuple(_notes(family)))


def row_label(curve: Curve) -> str:
    """Return what a curve is called in a table or picture."""
    return curve.label + (" (shuffled)" if curve.shuffled else "")


def unmoved_words(curve: Curve) -> str:
    """Return why the predictions of a curve do not move."""
    if curve.n_hidden is None:
        return "does not read it"
    return "did not move" if curve.n_hidden else "nothing was hidden"


def _cells(family: Family, curve: Curve) -> list[str]:
    start = curve.start()
    score = None if start is None else float(start.scores.mean())
    cells = [row_label(curve), number(family.metric, score)]
    counts = sorted({p.n_runs for p in curve.points})
    cells.append("-".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "0")
    ending = [NONE] * len(family.rates[-1:])
    if curve.unmoved:
        return [*cells, *(unmoved_words(curve) for _ in family.rates), *ending]
    for rate in family.rates:
        point = curve.at(rate)
        cells.append(NONE if point is None else _change(family.metric, point))
    return [*cells, *(_interval(family.metric, family.mean_change(curve)) for _ in ending)]


def _change(metric: MetricName, point: Point) -> str:
    if point.score is None:
        return "failed" if point.n_failed else NONE
    return _interval(metric, point.change) + (f", {point.n_failed} failed" * (point.n_failed > 0))


def _interval(metric: MetricName, change: Difference | None) -> str:
    if change is None:
        return NONE
    ends = [None if math.isnan(v) else v for v in (change.low, change.high)]
    mean = number(metric, change.mean)
    sign = "+" if float(mean) > 0 else ""
    return f"{sign}{mean} ({span(metric, *ends)})"


def _notes(family: Family) -> Iterable[str]:
    points = [(curve, p) for curve in family.curves for p in curve.points if not curve.unmoved]
    lone = [c for c, p in points if p.change is not None and p.change.note]
    if lone:
        names = ", ".join(dict.fromkeys(row_label(c) for c in lone))
        yield f"one seed, so that the interval does not hold what another would move: {names}"
    yield from _one_pretraining(family)
    if family.setting.mechanism == "asymmetric":
        yield "a molecule that is hit keeps one modality: the shares of entries are in the CSV file"
    for curve in family.curves:
        most = max((p.change.n_pairs for p in curve.points if p.change), default=0)
        whole = family.mean_change(curve)
        if whole is not None and whole.n_pairs < most and not curve.unmoved:
            n = whole.n_pairs
            yield f"mean change of {row_label(curve)}: over {n} of the seeds, which every share has"
        yield from _other_seeds(family, curve)
    for curve, point in points:
        if point.unpaired:
            seeds = ", ".join(map(str, point.unpaired))
            yield (
                f"{row_label(curve)} at {100 * point.rate:g} %: not in the change, since on record "
                f"there or at 0 % alone: seed {seeds}"
            )


def _other_seeds(family: Family, curve: Curve) -> Iterable[str]:
    """Say of which seeds the start is where not all shares have the same."""
    first, start = curve.at(0.0), curve.start()
    if curve.unmoved or curve.shuffled or first is None or first.runs is None or start is None:
        return
    pairs = {p.rate: common(p.runs, first.runs)[1] for p in curve.points if p.runs and p.change}
    others = [r for r, paired in pairs.items() if r and paired and paired.seeds != start.seeds]
    if start.seeds == first.runs.seeds and not others:
        return
    told = f"{row_label(curve)}, nothing hidden: over seed {', '.join(map(str, start.seeds))}"
    if start.seeds != first.runs.seeds:
        whole = number(family.metric, first.score)
        told += f", as the change at {100 * max(pairs):g} %; over all {first.n_runs} it is {whole}"
    if others:
        told += f"; the change at {', '.join(f'{100 * r:g}' for r in others)} % is over other seeds"
    yield told


def _one_pretraining(family: Family) -> Iterable[str]:
    """Say whose runs begin with the same weights: their spread is not that of a pretraining."""
    by_rates: dict[str, list[str]] = {}
    for curve in family.curves:
        alone = [p for p in curve.points if p.n_pretrainings == 1 and p.n_runs > 1]
        rates = ", ".join(f"{100 * p.rate:g}" for p in alone)
        if rates and not curve.unmoved:
            by_rates.setdefault(rates, []).append(row_label(curve))
    for rates, labels in by_rates.items():
        yield (
            f"{', '.join(labels)}: all runs at {rates} % begin with one pretraining, so that the "
            "intervals leave out what another would move"
        )


# ------------------------------------------------------------------------------------------- files


def as_rows(found: Sequence[Family]) -> list[dict[str, Any]]:
    """Return a row a model and rate, for CSV."""
    return [
        {
            "datasets": " + ".join(family.datasets),
            "synthetic": curve.dataset.synthetic,
            "split": curve.split.name,
            "metric": family.metric,
            "model": curve.label,
            "shuffled": curve.shuffled,
            **_setting(family.setting),
            "unmoved": curve.unmoved,
            "n_hidden": curve.n_hidden,
            **_point(point),
            **_mean_change(family, curve),
        }
        for family in found
        for curve in family.curves
        for point in curve.points
    ]


def as_document(found: Sequence[Family]) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {"schema": SCHEMA, "tables": [_table(family) for family in found]}


def _table(family: Family) -> dict[str, Any]:
    first = family.curves[0]
    return {
        "datasets": list(family.datasets),
        "synthetic": first.dataset.synthetic,
        "split": first.split.model_dump(mode="json") if len(family.datasets) == 1 else None,
        "metric": family.metric,
        "greater_is_better": first.greater_is_better,
        **_setting(family.setting),
        "rows": [_row(family, curve) for curve in family.curves],
    }


def _row(family: Family, curve: Curve) -> dict[str, Any]:
    return {
        "model": curve.label,
        "shuffled": curve.shuffled,
        "unmoved": curve.unmoved,
        "n_hidden": curve.n_hidden,
        "points": [_point(point) for point in curve.points],
        **_mean_change(family, curve),
        "mean_change": _difference(family.mean_change(curve)),
        "records": list(curve.identities),
    }


def _mean_change(family: Family, curve: Curve) -> dict[str, float | None]:
    """Return it, and from which share to which it goes; None three times where there is none."""
    found = family.mean_change(curve)
    ends = (found.mean, 0.0, family.rates[-1]) if found else (None, None, None)
    return dict(zip(("mean_change", "mean_change_from", "mean_change_to"), ends, strict=True))


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "stages": "+".join(setting.stages),
        "modalities": "+".join(setting.modalities) or "all",
        "mechanism": setting.mechanism,
        "fill": setting.fill,
        "draw": setting.draw,
    }


def _point(point: Point) -> dict[str, Any]:
    told = {"rate": point.rate, "score": point.score, "n_runs": point.n_runs}
    told |= {"n_pretrainings": point.n_pretrainings}
    shares = {f"hidden_{part}": point.shares.get(part) for part in PLACES}
    return {**told, "n_failed": point.n_failed, **shares, **_flat(point.change)}


def _flat(change: Difference | None) -> Mapping[str, Any]:
    names = ("mean", "low", "high", "p", "se", "se_molecules", "se_seeds", "n_pairs")
    keys = {"mean": "change", "n_pairs": "n_pairs"}
    return {
        keys.get(n, f"change_{n}"): _finite(getattr(change, n)) if change else None for n in names
    }


def _difference(change: Difference | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {name: _finite(value) for name, value in dataclasses.asdict(change).items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
