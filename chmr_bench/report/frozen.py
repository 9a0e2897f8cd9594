"""The frozen control as a table: what a fitted model predicts from the profiles of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench.metrics import METRICS
from chmr_bench.report.curves import base_of
from chmr_bench.report.evidence import Run
from chmr_bench.report.grids import Grid, heading, number, span
from chmr_bench.report.labels import plain_name
from chmr_bench.report.runs import dicts_of
from chmr_bench.report.words import grouped

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Profiles of others at test: the frozen control"
NOTES = (
    "the fitted model's predictions of test molecules with a profile, which is replaced by that of "
    "a matched other molecule: the same modalities, about as strong a phenotype",
    "change: mean over draws, and from the lowest to the highest draw; p: share of draws, the "
    "model itself among them, that score as well (one-sided)",
    "moved: mean change of a prediction, in s.d. of the task's predictions; 0 = the profile is not "
    "read",
)


def frozen_rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row a dataset, split and model over its seeds, in the order of the runs.

    ``score`` and ``score_replaced`` are of the molecules whose profile was replaced; ``low`` and
    ``high`` are the ends of the change over the draws, each the mean over seeds.
    """
    lines = dicts_of(runs[runs["replaced"].notna()])
    groups = grouped(((line["table"], base_of(line), _modalities(line)), line) for line in lines)
    return [row for members in groups.values() if (row := _row(members)) is not None]


def _modalities(line: Run) -> str:
    return "+".join(json.loads(line["missing"])["modalities"]) or "all"


def _row(lines: Sequence[Run]) -> dict[str, Any] | None:
    """Return the row of runs that differ in their seed alone; None where nothing was scored."""
    first = lines[0]
    controls = [json.loads(line["replaced"]) for line in lines]
    controls = [one for one in controls if one["score"] is not None and None not in one["scores"]]
    if not controls:
        return None
    own = float(np.mean([one["score"] for one in controls]))
    draws = np.mean([one["scores"] for one in controls], axis=0)  # (n_draws,)
    sign = 1.0 if METRICS[first["metric"]].greater_is_better else -1.0
    return {
        "dataset": first["dataset"],
        "synthetic": first["synthetic"],
        "split": first["split"],
        "metric": first["metric"],
        "model": plain_name(first["model"], first["overrides"], None, first["own_profiles"]),
        "modalities": _modalities(first),
        "n_runs": len(controls),
        "n_molecules": max(one["rows"] for one in controls),
        "n_draws": len(draws),
        "score": own,
        "score_replaced": float(draws.mean()),
        "change": float(draws.mean()) - own,
        "low": float(draws.min()) - own,
        "high": float(draws.max()) - own,
        "p": (1 + int((sign * (draws - own) >= 0).sum())) / (1 + len(draws)),
        "moved": float(np.mean([one["moved"] for one in controls])),
    }


def frozen_grids(rows: Iterable[Mapping[str, Any]]) -> list[Grid]:
    """Return a table of text a metric."""
    groups = grouped((row["metric"], row) for row in rows)
    return [
        Grid.of(TITLE, [_cells(row) for row in members], ("dataset", "model", "modality"), NOTES)
        for members in groups.values()
    ]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    metric = row["metric"]
    change = number(metric, row["change"])
    mark = " (SYNTHETIC)" if row["synthetic"] else ""
    split = "" if row["split"] == "reference" else f", {row['split']}"
    return {
        "dataset": f"{row['dataset']}{mark}{split}",
        "model": row["model"],
        "modality": row["modalities"],
        "runs": str(row["n_runs"]),
        "molecules": f"{row['n_molecules']:,}",
        f"{heading(metric)}, own profiles": number(metric, row["score"]),
        "change with others'": f"{change} ({span(metric, row['low'], row['high'])})",
        "p": f"{row['p']:.2g}",
        "moved": f"{row['moved']:.2f}",
    }
