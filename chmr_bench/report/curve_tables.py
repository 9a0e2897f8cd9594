"""What masked cells cost, as tables: a page, a CSV and a JSON file, from the records alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chmr_bench.report import exports, figures, render
from chmr_bench.report.curves import Curve, Family, Point, common, curves_of, families
from chmr_bench.report.evidence import Evidence, finite
from chmr_bench.report.figures import row_label
from chmr_bench.report.grids import NONE, Grid, heading, number, span
from chmr_bench.report.masking import Setting
from chmr_bench.statistics import Difference
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    import pandas as pd

STEM = "missing"
PAGE, CSV, JSON = f"{STEM}.md", f"{STEM}.csv", f"{STEM}.json"
SCHEMA = "chmr-bench missing 1"
PLACES = ("pretrain", "train", "valid", "test")
"""Where entries are counted."""
INTRODUCTION = """\
A share of the cell read-outs is masked on purpose, on top of what is missing by nature: of the
atlas that is pretrained on, of the training and validation molecules, of the test molecules, or of
all of them ("world"). Who loses it is drawn by connectivity, modality and seed alone; of scaffold
families ("scaffold") by the scaffold instead of the connectivity; "activity" is no draw: the
weakest phenotypes go first. So every model loses the same molecules, and what is masked at a share
is masked at every higher one.

How to read a row: the score with nothing masked, then for each share the change against it with its
95 % interval, paired over seeds and test molecules (it holds the spread over both); below zero is
worse unless the metric's arrow points down. "mean change" is that over all shares of the table (the
area between the curve and its start), "-" where a share has no score. A row "shuffled" is the
negative control, whose profiles are permuted; its changes are against the model itself. "does
not read it": no stored prediction moved when it was masked, and nothing of it reaches the model.
Each split has a table of its own."""


@dataclass(frozen=True)
class MaskedFiles:
    """The files on masked cells.

    Attributes
    ----------
    texts :
        File name -> text; nothing where nothing was ever masked.
    pictures :
        File names of the pictures.
    """

    texts: Mapping[str, str]
    pictures: tuple[str, ...]


def masked_files(runs: pd.DataFrame, evidence: Evidence) -> MaskedFiles:
    """Return the files that a frame of runs gives, anew only where a run of a curve has changed."""
    models = runs.loc[runs["missing"].notna(), "model"]
    lines: list[Any] = runs[runs["model"].isin(models)].to_dict("records")

    def compute() -> list[Any]:
        found = families(curves_of(runs, evidence))
        return [_texts(found), [*figures.pictures(found)]]

    texts, pictures = evidence.remembered("curves", lines, compute) if lines else ({}, [])
    return MaskedFiles(texts, tuple(pictures))


def _texts(found: Sequence[Family]) -> dict[str, str]:
    sections = [render.Section(grid) for grid in grids(found)]
    alt = "what is lost as more is masked"
    pictures = list(figures.pictures(found))
    return {
        PAGE: render.sections_page("Missing cells", sections, INTRODUCTION, pictures, alt),
        CSV: exports.as_csv(as_rows(found)),
        JSON: exports.as_json(as_document(found)),
    }


# ------------------------------------------------------------------------------------------- grids


def grids(found: Sequence[Family]) -> list[Grid]:
    """Return a table of text a family."""
    return [_grid(family) for family in found]


def _grid(family: Family) -> Grid:
    hit = "of molecules hit" if family.setting.mechanism == "asymmetric" else "masked"
    columns = ["model", f"{heading(family.metric)}, nothing masked", "runs"]
    columns += [f"{100 * rate:g} % {hit}" for rate in family.rates]
    columns += [f"mean change, 0 to {100 * rate:g} %" for rate in family.rates[-1:]]
    rows = tuple(tuple(_cells(family, curve)) for curve in family.curves)
    return Grid(family.title, tuple(columns), rows, notes=tuple(_notes(family)))


def _cells(family: Family, curve: Curve) -> list[str]:
    start = curve.start()
    cells = [row_label(curve), number(family.metric, float(start.scores.mean()) if start else None)]
    counts = sorted({p.n_runs for p in curve.points})
    cells.append("-".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "0")
    ending = [NONE] * len(family.rates[-1:])
    if curve.unmoved:
        return [*cells, *(figures.unmoved_words(curve) for _ in family.rates), *ending]
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
    mean = number(metric, change.mean)
    sign = "+" if float(mean) > 0 else ""
    return f"{sign}{mean} ({span(metric, finite(change.low), finite(change.high))})"


# ------------------------------------------------------------------------------------------- notes


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
        mean = family.mean_change(curve)
        if mean is not None and mean.n_pairs < most and not curve.unmoved:
            n = mean.n_pairs
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
    told = f"{row_label(curve)}, nothing masked: over seed {', '.join(map(str, start.seeds))}"
    if start.seeds != first.runs.seeds:
        every = number(family.metric, first.score)
        told += f", as the change at {100 * max(pairs):g} %; over all {first.n_runs} it is {every}"
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
            "synthetic": curve.facts["synthetic"],
            "split": curve.facts["split"],
            "metric": family.metric,
            "model": curve.label,
            "shuffled": curve.shuffled,
            **_setting(family.setting),
            "unmoved": curve.unmoved,
            "n_hidden": curve.n_masked,
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
    facts = first.facts
    split = {
        "name": facts["split"],
        "seed": facts["split_seed"],
        "digest": facts["split_digest"],
        **{n: facts[n] for n in ("n_train", "n_valid", "n_test")},
    }
    return {
        "datasets": list(family.datasets),
        "synthetic": facts["synthetic"],
        "split": split if len(family.datasets) == 1 else None,
        "metric": family.metric,
        "greater_is_better": first.greater_is_better,
        **_setting(family.setting),
        "rows": [_row(family, curve) for curve in family.curves],
    }


def _row(family: Family, curve: Curve) -> dict[str, Any]:
    mean = family.mean_change(curve)
    return {
        "model": curve.label,
        "shuffled": curve.shuffled,
        "unmoved": curve.unmoved,
        "n_hidden": curve.n_masked,
        "points": [_point(point) for point in curve.points],
        **_mean_change(family, curve),
        "mean_change": {k: _plain(v) for k, v in asdict(mean).items()} if mean else None,
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
    return {
        "rate": point.rate,
        "score": point.score,
        "n_runs": point.n_runs,
        "n_pretrainings": point.n_pretrainings,
        "n_failed": point.n_failed,
        **{f"hidden_{part}": point.shares.get(part) for part in PLACES},
        **_flat(point.change),
    }


def _flat(change: Difference | None) -> Mapping[str, Any]:
    names = ("mean", "low", "high", "p", "se", "se_molecules", "se_seeds", "n_pairs")
    keys = {"mean": "change", "n_pairs": "n_pairs"}
    return {
        keys.get(n, f"change_{n}"): _plain(getattr(change, n)) if change else None for n in names
    }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
