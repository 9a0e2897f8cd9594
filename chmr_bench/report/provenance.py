"""Where the numbers come from: data, models, machines, versions, commits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from chmr_bench.report.aggregate import Table
from chmr_bench.report.grids import NONE, Grid
from chmr_bench.report.runs import Run
from chmr_bench.report.words import grouped

SHOWN = 12
"""Characters of a digest in a table; the JSON files hold all."""


def provenance_grids(tables: Sequence[Table]) -> list[Grid]:
    """Return the tables of data, models and machines."""
    return [_data(tables), _models(tables), _machines(tables)]


def _data(tables: Sequence[Table]) -> Grid:
    rows = [
        {
            "dataset": t.label,
            "version": t.facts["dataset_version"],
            "molecules": str(t.facts["n_molecules"]),
            "tasks": str(t.facts["n_tasks"]),
            "data": t.facts["dataset_digest"][:SHOWN],
            "split": t.split_name,
            "rows": t.facts["split_digest"][:SHOWN],
            "train/valid/test": f"{t.facts['n_train']}/{t.facts['n_valid']}/{t.facts['n_test']}",
        }
        for t in tables
    ]
    left = ("dataset", "version", "data", "split", "rows")
    note = "data and rows: first characters of the sha256 of the content and of the split."
    return Grid.of("Data", rows, left, [note])


def _models(tables: Sequence[Table]) -> Grid:
    by_label = grouped((row.label, row) for table in tables for row in table.rows)
    rows = []
    for label, of_label in sorted(by_label.items()):
        first = of_label[0].first
        seeds = sorted({seed for row in of_label for seed in row.seeds})
        plugin = f"{first['plugin_distribution']} {first['plugin_version']} ({first['plugin']})"
        shown = {
            "model": label,
            "version": first["model_version"],
            "registered by": plugin,
            "weights": _weights(first),
            "seeds": ", ".join(map(str, seeds)) or ("no seed" if first["seed"] is None else NONE),
        }
        rows.append(shown)
    note = (
        "weights: sha256 of weights the model starts from. The settings of every row stand in "
        "settings.json, by the hash that the JSON file of its dataset has."
    )
    return Grid.of("Models", rows, tuple(rows[0]), [note])


def _weights(run: Run) -> str:
    if run["weights"] is None:
        return "none"
    return run["row_weights"][:SHOWN] if run["row_weights"] else "of each seed"


def _machines(tables: Sequence[Table]) -> Grid:
    runs = [line for table in tables for row in table.rows for line in row.lines]
    columns = ("commit", "processor", "device", "cores", "platform", "python")
    rows = [
        dict(zip(columns, machine, strict=True)) | {"records": str(n)}
        for machine, n in sorted(Counter(map(_machine, runs)).items())
    ]
    installed = [json.loads(packages) for packages in {run["packages"] for run in runs}]
    versions = grouped(sorted(item for packages in installed for item in packages.items()))
    listed = ", ".join(f"{package} {' and '.join(v)}" for package, v in versions.items())
    left = tuple(column for column in columns if column != "cores")
    return Grid.of("Machines", rows, left, [f"Packages: {listed}."] if listed else [])


def _machine(run: Run) -> tuple[str, ...]:
    commit = (run["commit"] or "installed")[:SHOWN] + (" + changes" if run["dirty"] else "")
    device = run["device_name"] or run["device"]
    return (commit, run["cpu"], device, str(run["n_jobs"]), run["platform"], run["python"])
