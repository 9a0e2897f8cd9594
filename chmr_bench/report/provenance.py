"""Where the numbers come from: data, models, machines, versions, commits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.evidence import Run
from chmr_bench.report.grids import NONE, Grid

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
    by_label: dict[str, list[Row]] = {}
    for table in tables:
        for row in table.rows:
            by_label.setdefault(row.label, []).append(row)
    rows = []
    for label, found in sorted(by_label.items()):
        first = found[0].first
        seeds = sorted({seed for row in found for seed in row.seeds})
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
    counted = Counter(_machine(run) for run in runs)
    rows = tuple((*machine, str(n)) for machine, n in sorted(counted.items()))
    columns = ("commit", "processor", "device", "cores", "platform", "python", "records")
    left = ("commit", "processor", "device", "platform", "python")
    seen: dict[str, set[str]] = {}
    for packages in {run["packages"] for run in runs}:
        for package, version in json.loads(packages).items():
            seen.setdefault(package, set()).add(version)
    listed = [f"{package} {' and '.join(sorted(v))}" for package, v in sorted(seen.items())]
    notes = ("Packages: " + ", ".join(listed) + ".",) if listed else ()
    return Grid("Machines", columns, rows, left, notes)


def _machine(run: Run) -> tuple[str, ...]:
    commit = (run["commit"] or "installed")[:SHOWN] + (" + changes" if run["dirty"] else "")
    device = run["device_name"] or run["device"]
    return (commit, run["cpu"], device, str(run["n_jobs"]), run["platform"], run["python"])
