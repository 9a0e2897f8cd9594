"""Curves of what a model loses as more is masked, and the tables they share, from the records."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from chmr_bench.data.requests import MEASURED_IN
from chmr_bench.records import RecordStore
from chmr_bench.report.evidence import MeasuredCurve, measure
from chmr_bench.report.families import Curve, Family, Point, numbered
from chmr_bench.report.masking import Setting, masked_counts, masked_of
from chmr_bench.report.runs import REFERENCE, Run, load_runs
from chmr_bench.report.split_curves import over_splits
from chmr_bench.report.words import dataset_words
from chmr_bench.statistics import Runs
from chmr_bench.statistics.changes import change_of, mean_change, mean_over_datasets


def curves(store: RecordStore) -> list[Curve]:
    """Return every curve that the records of a store give."""
    loaded = load_runs(store)
    return curves_of(measure(loaded, masked=masked_of(loaded.lines)).curves)


def families_of(store: RecordStore) -> list[Family]:
    """Return the tables of a store; none where nothing was ever masked."""
    return families(curves(store))


def curves_of(measured: Iterable[MeasuredCurve]) -> list[Curve]:
    """Return curves by dataset, setting and model."""
    return numbered(sorted([_curve(one) for one in measured], key=_order), _order)


def _order(curve: Curve) -> tuple[object, ...]:
    names = ("synthetic", "dataset", "dataset_digest", "split_digest")
    facts = (curve.facts[name] for name in names)
    return (*facts, str(curve.setting), curve.label, curve.shuffled, curve.facts["dataset_metric"])


# --------------------------------------------------------------------------------------- one curve


def _curve(measured: MeasuredCurve) -> Curve:
    of, lines = measured.of, [run.run for run in measured.of.masked]
    points = [
        _point(rate, [run for _, run in pairs], measured.at[rate], measured.start)
        for rate, pairs in of.by_rate.items()
    ]
    counts = masked_counts(lines)
    values = {run["seed"]: run["values_sha256"] for run in of.plain if run["values_sha256"]}
    return Curve(
        facts=lines[0],
        label=lines[0]["named"],
        setting=of.setting,
        shuffled=of.shuffled,
        plain=measured.start,
        points=tuple(points),
        area=mean_change(measured.at, measured.start),
        unmoved=all(
            r["values_sha256"] and values.get(r["seed"]) == r["values_sha256"] for r in lines
        ),
        n_masked=sum(n for _, n in counts.values()) if counts else None,
        identities=tuple(run["identity"] for run in [*of.plain, *lines]),
    )


def _point(rate: float, shown: Sequence[Run], runs: Runs | None, start: Runs | None) -> Point:
    good = [run for run in shown if not math.isnan(run["score"])]
    n_weights = len({run["weights"] for run in good if run["weights"] is not None})
    shares = {part: n / of for part, (of, n) in masked_counts(shown).items() if of}
    return Point(rate, runs, len(shown) - len(good), *change_of(runs, start), shares, n_weights)


# ------------------------------------------------------------------------------------ shared tables


def families(curves: Sequence[Curve]) -> list[Family]:
    """Return the tables: one a dataset and setting, then the mean over datasets of one metric.

    The measured molecules of a dataset are a part of it, so they are in no mean; nor are tables
    over several splits.
    """
    groups: dict[tuple[Any, ...], list[Curve]] = defaultdict(list)
    for curve in curves:
        names = ("dataset", "dataset_digest", "split_digest", "dataset_metric")
        groups[(*(curve.facts[name] for name in names), curve.setting)].append(curve)
    each = [
        Family((of[0].facts["dataset"],), _title(of[0]), metric, setting, tuple(of))
        for (*_, metric, setting), of in groups.items()
    ]
    single = over_splits(each)
    alike: dict[tuple[Any, ...], list[Family]] = defaultdict(list)
    for family in single:
        facts = family.curves[0].facts
        whole = facts["origin"] == "registered" and MEASURED_IN not in facts["dataset"]
        if whole and not facts["synthetic"] and family.n_splits == 1:
            alike[family.setting, family.metric, facts["split"]].append(family)
    means = [_mean_family(members) for members in alike.values()]
    return [*single, *(family for family in means if family is not None)]


def _title(curve: Curve) -> str:
    facts = curve.facts
    split = "" if facts["split"] == REFERENCE else f", {facts['split']} split"
    seed = "" if facts["split_seed"] is None else f" (seed {facts['split_seed']})"
    return f"{dataset_words(facts)}{split}{seed}: {curve.setting}"


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
    start = mean_over_datasets([c.plain for c in same])
    points = []
    for rate in sorted(set.intersection(*({p.rate for p in c.points} for c in same))):
        at_rate = [p for c in same if (p := c.at(rate)) is not None]
        runs = mean_over_datasets([p.runs for p in at_rate])
        n_failed = sum(p.n_failed for p in at_rate)
        n_weights = min(p.n_pretrainings for p in at_rate)
        points.append(Point(rate, runs, n_failed, *change_of(runs, start), {}, n_weights))
    return replace(
        same[0],
        plain=start,
        points=tuple(points),
        area=mean_change({point.rate: point.runs for point in points}, start),
        unmoved=all(c.unmoved for c in same),
        identities=tuple(identity for c in same for identity in c.identities),
    )


# ---------------------------------------------------------------------------------------- pictures


def pictures(families: Sequence[Family]) -> dict[str, list[Family]]:
    """Return file name -> the tables it shows: a picture a setting, a panel a dataset.

    A table without a curve to draw has no panel, and a setting of such tables no picture; nor have
    measured molecules at one share, whose row says as much.
    """
    panels: dict[str, list[Family]] = {}
    for family in families:
        (name, *others) = family.datasets
        told = bool(others) or (MEASURED_IN in name and len(family.rates) < 2)
        if not told and any(curve.is_line for curve in family.curves):
            panels.setdefault(f"missing-{slug(family.setting)}.png", []).append(family)
    return panels


def slug(setting: Setting) -> str:
    """Return a setting as part of a file name; names of files keep the word of the first ones."""
    words = str(setting).lower().replace("masked", "hidden", 1)
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
