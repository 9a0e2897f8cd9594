"""What masked cells cost, as tables: a page, a CSV and a JSON file, from the records alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chmr_bench.metrics import METRICS
from chmr_bench.report.digits import NONE, finite, without_nan
from chmr_bench.report.exports import split_json
from chmr_bench.report.families import Curve, Family, Point
from chmr_bench.report.grids import Grid, decimals_of, heading, number, pairs_apart, span
from chmr_bench.report.masking import Setting
from chmr_bench.report.runs import REFERENCE
from chmr_bench.report.words import dataset_words, grouped, notes, split_words
from chmr_bench.statistics import Difference
from chmr_bench.statistics.changes import common
from chmr_bench.types import MetricName

STEM = "missing"
PAGE, CSV, JSON = f"{STEM}.md", f"{STEM}.csv", f"{STEM}.json"
SCHEMA = "chmr-bench missing 1"
PLACES = ("pretrain", "train", "valid", "test")
"""Where entries are counted."""


# ------------------------------------------------------------------------------------------- grids


SHUFFLED = (
    "rows (shuffled) have permuted profiles; their changes, that at 0 % too, are against the model "
    "itself with nothing masked, not against their own start"
)


def curve_grid(family: Family, *, terminal: bool = False) -> Grid:
    """Return the table of text of a family of curves.

    Parameters
    ----------
    terminal :
        No page says how to read it: shuffled rows have their change at share 0 too, which is what
        the permutation alone costs, and a note on it.
    """
    decimals = _decimals(family)
    at_0 = terminal and any(curve.shuffled and curve.at(0.0) for curve in family.curves)
    rows = [_grid_row(family, curve, decimals, at_0) for curve in family.curves]
    below = _notes(family, decimals) + (SHUFFLED,) * at_0
    return Grid.of(family.title, rows, ("model",), below)


def _decimals(family: Family) -> int:
    """Return how many decimals tell the scores, changes and intervals of a table apart."""
    moving = [curve for curve in family.curves if not curve.unmoved]
    changes = [point.change for curve in moving for point in curve.points if point.rate]
    changes += [family.mean_change(curve) for curve in moving]
    known = [change for change in changes if change is not None]
    starts = [curve.start() for curve in family.curves]
    values = [float(start.scores.mean()) for start in starts if start]
    values += [change.mean for change in known]
    return decimals_of(family.metric, values, pairs_apart(known))


def _grid_row(family: Family, curve: Curve, decimals: int, at_0: bool) -> dict[str, str]:
    metric, start = family.metric, curve.start()
    counts = sorted({p.n_runs for p in curve.points})
    score = number(metric, float(start.scores.mean()) if start else None, decimals)
    cells = {"model": curve.title, f"{heading(metric)}, nothing masked": score}
    cells["runs"] = "-".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "0"
    if at_0:
        point = curve.at(0.0) if curve.shuffled else None
        cells["0 %, shuffled"] = _change(metric, point, decimals)
    hit = "of molecules hit" if family.setting.mechanism == "asymmetric" else "masked"
    for rate in family.rates:
        change = _change(metric, curve.at(rate), decimals)
        cells[f"{100 * rate:g} % {hit}"] = curve.why_unmoved if curve.unmoved else change
    for rate in family.rates[-1:]:
        mean = None if curve.unmoved else family.mean_change(curve)
        cells[f"mean change, 0 to {100 * rate:g} %"] = _interval(metric, mean, decimals)
    return cells


def _change(metric: MetricName, point: Point | None, decimals: int) -> str:
    if point is None or point.score is None:
        return "failed" if point and point.n_failed else NONE
    failed = f", {point.n_failed} failed" * (point.n_failed > 0)
    return _interval(metric, point.change, decimals) + failed


def _interval(metric: MetricName, change: Difference | None, decimals: int) -> str:
    if change is None:
        return NONE
    mean = number(metric, change.mean, decimals)
    sign = "+" if float(mean) > 0 else ""
    return f"{sign}{mean} ({span(metric, finite(change.low), finite(change.high), decimals)})"


# ------------------------------------------------------------------------------------------- notes


def _notes(family: Family, decimals: int) -> tuple[str, ...]:
    moving = [curve for curve in family.curves if not curve.unmoved]
    alone = (
        (", ".join(map(_percent, own)), curve.title)
        for curve in moving
        if (own := [p for p in curve.points if p.n_pretrainings == 1 and p.n_runs > 1])
    )
    return notes(
        "curve",
        family=family,
        curves=moving,
        one_pretraining=grouped(alone),
        starts={curve.title: _other_seeds(family, curve, decimals) for curve in moving},
    )


def _percent(point: Point) -> str:
    return f"{100 * point.rate:g}"


def _other_seeds(family: Family, curve: Curve, decimals: int) -> dict[str, Any] | None:
    """Return of which seeds the start is, where not all shares have the same."""
    first, start = curve.at(0.0), curve.start()
    if curve.shuffled or first is None or first.runs is None or start is None:
        return None
    pairs = [(p, common(p.runs, first.runs)[1]) for p in curve.points if p.runs and p.change]
    others = [p for p, paired in pairs if p.rate and paired and paired.seeds != start.seeds]
    differs = start.seeds != first.runs.seeds
    if not differs and not others:
        return None
    return {
        "seeds": start.seeds,
        "all": number(family.metric, first.score, decimals) if differs else "",
        "last": _percent(pairs[-1][0]) if pairs else "",
        "n_runs": first.n_runs,
        "others": [_percent(p) for p in others],
    }


def frozen_grids(rows: Iterable[Mapping[str, Any]]) -> list[Grid]:
    """Return a table of text a metric."""
    groups = grouped((row["metric"], row) for row in rows)
    title = "Profiles of others at test: the frozen control"
    left = ("dataset", "model", "modality")
    return [
        Grid.of(title, [_cells(row) for row in members], left, notes("frozen"))
        for members in groups.values()
    ]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    metric = row["metric"]
    change = number(metric, row["change"])
    split = split_words(row["split"], row["split_seed"])
    where = "" if row["split"] == REFERENCE else f", {split}"
    return {
        "dataset": f"{dataset_words(row)}{where}",
        "model": row["model"],
        "modality": row["modalities"],
        "runs": str(row["n_runs"]),
        "molecules": f"{row['n_molecules']:,}",
        f"{heading(metric)}, own profiles": number(metric, row["score"]),
        "change with others'": f"{change} ({span(metric, row['low'], row['high'])})",
        "p": f"{row['p']:.2g}",
        "moved": f"{row['moved']:.2f}",
    }


# ------------------------------------------------------------------------------------------- files


def documents(tables: Sequence[Family], frozen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return file name -> its content as plain values."""
    return {CSV: as_rows(tables), JSON: as_document(tables, frozen)}


def as_rows(tables: Sequence[Family]) -> list[dict[str, Any]]:
    """Return a row a model and rate, for CSV."""
    return [
        {
            "datasets": " + ".join(family.datasets),
            "synthetic": curve.facts["synthetic"],
            "split": curve.facts["split"],
            "n_splits": family.n_splits,
            "metric": family.metric,
            "model": curve.label,
            "shuffled": curve.shuffled,
            **_setting(family.setting),
            "unmoved": curve.unmoved,
            "n_hidden": curve.n_masked,
            **_point(point),
            **_mean_change(family, curve),
        }
        for family in tables
        for curve in family.curves
        for point in curve.points
    ]


def as_document(
    tables: Sequence[Family], frozen: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return everything, for JSON; ``replaced`` where there are runs of the frozen control."""
    document: dict[str, Any] = {"schema": SCHEMA, "tables": [_table(family) for family in tables]}
    return document | ({"replaced": list(frozen)} if frozen else {})


def _table(family: Family) -> dict[str, Any]:
    facts = family.curves[0].facts
    return {
        "datasets": list(family.datasets),
        "synthetic": facts["synthetic"],
        "split": _split(family),
        "metric": family.metric,
        "greater_is_better": METRICS[family.metric].greater_is_better,
        **_setting(family.setting),
        "rows": [_row(family, curve) for curve in family.curves],
    }


def _split(family: Family) -> dict[str, Any] | None:
    """Return the split, or by which rule how many were drawn; None over several datasets."""
    facts = family.curves[0].facts
    if family.n_splits > 1:
        return {"name": facts["split"], "n_splits": family.n_splits}
    return split_json(facts) if len(family.datasets) == 1 else None


def _row(family: Family, curve: Curve) -> dict[str, Any]:
    mean = family.mean_change(curve)
    return {
        "model": curve.label,
        "shuffled": curve.shuffled,
        "unmoved": curve.unmoved,
        "n_hidden": curve.n_masked,
        "points": [_point(point) for point in curve.points],
        **_mean_change(family, curve),
        "mean_change": without_nan(asdict(mean)) if mean else None,
        "records": list(curve.identities),
    }


def _mean_change(family: Family, curve: Curve) -> dict[str, float | None]:
    """Return it, and from which share to which it goes; None three times where there is none."""
    change = family.mean_change(curve)
    ends = (change.mean, 0.0, family.rates[-1]) if change else (None, None, None)
    return dict(zip(("mean_change", "mean_change_from", "mean_change_to"), ends, strict=True))


def _setting(setting: Setting) -> dict[str, Any]:
    words = {name: "+".join(getattr(setting, name)) or "all" for name in ("stages", "modalities")}
    return vars(setting) | words


def _point(point: Point) -> dict[str, Any]:
    names = ("rate", "score", "n_runs", "n_pretrainings", "n_failed")
    return {
        **{name: getattr(point, name) for name in names},
        **{f"hidden_{part}": point.shares.get(part) for part in PLACES},
        **_flat(point.change),
    }


def _flat(change: Difference | None) -> Mapping[str, Any]:
    names = ("mean", "low", "high", "p", "se", "se_molecules", "se_seeds", "n_pairs")
    keys = {"mean": "change", "n_pairs": "n_pairs"}
    return {
        keys.get(n, f"change_{n}"): without_nan(getattr(change, n)) if change else None
        for n in names
    }
