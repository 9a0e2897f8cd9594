"""The section on own profiles: what they add on the molecules that an atlas has measured.

It is made of the tables of masked modalities of datasets called ``NAME+ATLAS``: everything masked
is the same model on structure alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STORED = Path(__file__).resolve().parents[1] / "leaderboards" / "missing.json"
WORLD = "pretrain+finetune+test"
NONE = "*No such runs are on record yet.*"
HEAD = "| molecules | split | test | runs | structure alone | + profiles | gain | over permuted |"
NOTES = (
    "Points of ROC-AUC of `cells.mlp`, with 95 % intervals: over the published split paired over "
    "seeds and test molecules, over drawn ones by the corrected resampled t-test. Bold: the "
    "interval excludes 0. Each row for itself; nothing is corrected for their number.",
    "gain: over the same network with every profile masked. over permuted: over the same network "
    "fitted on the profiles of other molecules.",
)


def section() -> str:
    """Return the table, a row a dataset, atlas and kind of split."""
    rows = sorted(_rows()) if STORED.is_file() else []
    if not rows:
        return NONE
    lines = [HEAD, "|:--|:--|--:|--:|--:|--:|--:|--:|", *(line for _, line in rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in NOTES)])


def _rows() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what a line is sorted by, and the line."""
    for table in json.loads(STORED.read_text(encoding="utf-8"))["tables"]:
        (name, *others), split = table["datasets"], table["split"]
        if "+" not in name or others or table["stages"] != WORLD or table["metric"] != "roc_auc":
            continue
        points = {
            (row["shuffled"], point["rate"]): point
            for row in table["rows"]
            if row["model"] == "cells.mlp"
            for point in row["points"]
        }
        own, bare, permuted = (points.get(key) for key in ((False, 0), (False, 1), (True, 0)))
        if not own or not bare:
            continue
        drawn = split.get("n_splits")
        test = "-" if drawn else f"{split['n_test']:,}"
        scores = (f"{100 * point['score']:.1f}" for point in (bare, own))
        gains = (_gain(point) for point in (bare, permuted))
        kind = f"{drawn} {split['name']}" if drawn else "published"
        cells = (name, kind, test, own["n_runs"], *scores, *gains)
        whole, _, atlas = name.partition("+")
        yield (whole, atlas, kind), f"| {' | '.join(map(str, cells))} |"


def _gain(point: dict[str, Any] | None) -> str:
    """Return how much better the model is with its own profiles than at that point."""
    if not point or point["change"] is None:
        return "-"
    gain, low, high = (-100 * point[key] for key in ("change", "change_high", "change_low"))
    text = f"{gain:+.1f}"
    return f"{f'**{text}**' if low > 0 or high < 0 else text} ({low:.1f} to {high:.1f})"
