"""Where the numbers come from: data, models, machines, versions, commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from chmr_bench.records import Record
from chmr_bench.records.pretrained import weights_of_row
from chmr_bench.report.grids import NONE, Grid
from chmr_bench.report.rows import Collected, Row, Table

SHOWN = 12
"""Characters of a digest in a table; the JSON files hold them whole."""


def provenance_grids(collected: Collected) -> list[Grid]:
    """Return the tables of data, models and machines."""
    records = collected.records()
    return [_data(collected.tables), _models(collected.tables), _machines(records)]


def _data(tables: Sequence[Table]) -> Grid:
    columns = (
        "dataset",
        "version",
        "molecules",
        "tasks",
        "data",
        "split",
        "rows",
        "train/valid/test",
    )
    rows = tuple(
        (
            table.dataset.name,
            table.dataset.version,
            str(table.dataset.n_molecules),
            str(table.dataset.n_tasks),
            table.dataset.digest[:SHOWN],
            table.split_name,
            table.split.digest[:SHOWN],
            f"{table.split.n_train}/{table.split.n_valid}/{table.split.n_test}",
        )
        for table in tables
    )
    left = ("dataset", "version", "data", "split", "rows")
    notes = ("data and rows: first characters of the sha256 of the content and of the split.",)
    return Grid("Data", columns, rows, left, notes)


def _models(tables: Sequence[Table]) -> Grid:
    by_label: dict[str, list[Row]] = {}
    for table in tables:
        for row in table.rows:
            by_label.setdefault(row.label, []).append(row)
    rows = []
    for label in sorted(by_label):
        first = by_label[label][0].first
        seeds = sorted({s for row in by_label[label] for s in row.seeds})
        rows.append(
            (
                label,
                first.model.version,
                f"{first.plugin.distribution} {first.plugin.version} ({first.plugin.name})",
                _weights(first),
                ", ".join(map(str, seeds)) or ("no seed" if first.seed is None else NONE),
            )
        )
    columns = ("model", "version", "registered by", "weights", "seeds")
    notes = (
        "weights: sha256 of weights the model starts from. The settings of every row stand in the "
        "JSON file of its dataset.",
    )
    return Grid("Models", columns, tuple(rows), columns, notes)


def _weights(record: Record) -> str:
    if record.model.weights is None:
        return "none"
    shared = weights_of_row(record)
    return shared[:SHOWN] if shared else "of each seed"


def _machines(records: Sequence[Record]) -> Grid:
    counted = Counter(_machine(r) for r in records)
    rows = tuple((*machine, str(n)) for machine, n in sorted(counted.items()))
    columns = ("commit", "processor", "device", "cores", "platform", "python", "records")
    notes = tuple(_versions(records))
    return Grid("Machines", columns, rows, ("commit", *columns[1:3], *columns[4:6]), notes)


def _machine(record: Record) -> tuple[str, ...]:
    environment, resources = record.environment, record.resources
    commit = (environment.commit or "installed")[:SHOWN]
    if environment.dirty:
        commit += " + changes"
    return (
        commit,
        environment.cpu,
        resources.device_name or resources.device,
        str(resources.n_jobs),
        environment.platform,
        environment.python,
    )


def _versions(records: Iterable[Record]) -> list[str]:
    """Return one line: every package with every version that was used."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for package, version in record.environment.packages.items():
            seen.setdefault(package, set()).add(version)
    listed = [f"{package} {' and '.join(sorted(v))}" for package, v in sorted(seen.items())]
    return ["Packages: " + ", ".join(listed) + "."] if listed else []
