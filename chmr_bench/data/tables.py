"""A user's own table of molecules: CSV or TSV, plain or gzipped, read with errors that say where.

Rows are counted as a spreadsheet does: from 1, the header being row 1.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chmr_bench.contracts import Dataset, DatasetSpec, DroppedRow
from chmr_bench.data.requests import TableOptions
from chmr_bench.errors import DataError, SettingError, nearest
from chmr_bench.types import FloatArray, MetricName, TaskType

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
"""What a cell holds where nothing was measured, in lower case."""

N_SHOWN = 5
"""Bad rows listed in one message."""

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
_METRICS: dict[TaskType, tuple[MetricName, ...]] = {
    "classification": ("roc_auc", "average_precision"),
    "regression": ("mae", "rmse", "r2"),
}


@dataclass(frozen=True)
class _Table:
    """The text of a file: column names, and (row number, cells) of each row that is not blank."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass
class _Reading:
    """What the rows gave so far: kept molecules and labels, and what is wrong with the others."""

    smiles: list[str] = field(default_factory=list)
    labels: list[list[float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bad: list[DroppedRow] = field(default_factory=list)


def read_table(path: Path | str, options: TableOptions) -> tuple[DatasetSpec, Dataset]:
    """Read molecules and labels of a user's file.

    An empty cell (or NA, NaN, null, none, -) means not measured. Duplicate molecules stay and are
    counted in the notes; a task with one class only is allowed.

    Raises
    ------
    DataError
        With file, row, column, value and what was expected.
    SettingError
        The options do not fit each other.
    """
    smiles_column, task_type, metric = options.smiles, options.task_type, options.metric
    on_invalid = options.on_invalid
    task_columns = [t.strip() for text in options.tasks for t in text.split(",") if t.strip()]
    if on_invalid not in ("stop", "drop"):
        raise SettingError(f"on_invalid is {on_invalid!r}, expected 'stop' or 'drop'")
    _check_settings(task_columns, task_type, metric)
    table = _read_text(Path(path))
    columns = _find_columns(table, smiles_column, task_columns)
    reading = _read_rows(table, columns)
    labels: FloatArray = np.array(reading.labels, dtype=np.float64)
    labels = labels.reshape(-1, len(task_columns))
    chosen = task_type or _infer_type(labels)
    if chosen == "classification":
        labels = _without_other_classes(table, task_columns, reading, labels)
    _check_bad(table, reading, on_invalid)
    dataset = Dataset(
        smiles=tuple(reading.smiles),
        y=labels,
        task_names=tuple(task_columns),
        dropped=tuple(sorted(reading.bad, key=lambda d: d.row)),
    )
    _check_labelled(table, dataset)
    return _spec(table.path, dataset, chosen, metric, inferred=task_type is None), dataset


def _check_settings(
    task_columns: Sequence[str], task_type: TaskType | None, metric: MetricName | None
) -> None:
    if not task_columns:
        raise SettingError("no task column given; name at least one with --tasks A,B")
    twice = sorted({t for t in task_columns if list(task_columns).count(t) > 1})
    if twice:
        raise SettingError(f"--tasks names {twice[0]!r} twice")
    if task_type is not None and task_type not in _METRICS:
        raise SettingError(f"task type {task_type!r}: expected one of {', '.join(_METRICS)}")
    known = [m for kind in _METRICS.values() for m in kind]
    if metric is not None and metric not in known:
        raise SettingError(f"metric {metric!r}: expected one of {', '.join(known)}")
    if metric is not None and task_type is not None:
        _check_metric(metric, task_type)


def _check_metric(metric: MetricName, task_type: TaskType) -> None:
    if metric not in _METRICS[task_type]:
        raise SettingError(
            f"metric {metric!r} does not measure {task_type}; "
            f"expected one of {', '.join(_METRICS[task_type])}"
        )


# ------------------------------------------------------------------------------------ text to rows


def _read_text(path: Path) -> _Table:
    """Return the table's text; DataError where the file is missing, empty or no text."""
    delimiter = _delimiter(path)
    try:
        records = list(_records(path, delimiter))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read as {_NAMES[delimiter]}-separated UTF-8 text"
            f"{' in gzip' if _is_gzip(path) else ''}: {error}"
        ) from error
    if not records:
        raise DataError(f"{path}: the file is empty; expected a header row and molecules")
    first, header = records[0]
    columns = tuple(name.strip() for name in header)
    if len(records) == 1:
        raise DataError(f"{path}: there is a header (row {first}) but no molecule under it")
    _check_delimiter(path, columns, delimiter)
    return _Table(path, columns, tuple(records[1:]))


def _delimiter(path: Path) -> str:
    plain = path.with_suffix("") if _is_gzip(path) else path
    found = _DELIMITERS.get(plain.suffix.lower())
    if found is None:
        raise DataError(f"{path}: expected a file called .csv or .tsv, or either with .gz")
    return found


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (row number, cells), blank lines left out but counted."""
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if _is_gzip(path)
        else path.open(encoding="utf-8-sig", newline="")
    ) as stream:
        for number, cells in enumerate(csv.reader(stream, delimiter=delimiter, strict=True), 1):
            if any(cell.strip() for cell in cells):
                yield number, tuple(cells)


def _check_delimiter(path: Path, columns: Sequence[str], delimiter: str) -> None:
    """Notice a semicolon file called .csv and the like: one column, another delimiter in it."""
    others = [d for d in _NAMES if d != delimiter and d in columns[0]]
    if len(columns) == 1 and others:
        wanted = _NAMES[delimiter]
        raise DataError(
            f"{path}, row 1: one column called {columns[0]!r}, which looks {_NAMES[others[0]]}-"
            f"separated; expected {wanted}-separated, as the file's name says. "
            f"{_way_out(others[0])}"
        )


def _way_out(delimiter: str) -> str:
    """Return what to do with a file of that delimiter: a new name helps only where one fits."""
    if delimiter == ",":
        return "Call it .csv"
    if delimiter == "\t":
        return "Call it .tsv"
    return "Save it with commas as .csv, or with tabs as .tsv; another name alone does not help"


def _find_columns(table: _Table, smiles_column: str, task_columns: Sequence[str]) -> list[int]:
    """Return the indices of the SMILES column and of the task columns."""
    found = []
    for option, name in [("--smiles", smiles_column), *(("--tasks", t) for t in task_columns)]:
        places = [i for i, column in enumerate(table.columns) if column == name]
        if not places:
            close = nearest(name, table.columns)
            offer = (
                f"did you mean {' or '.join(map(repr, close))}?"
                if close
                else f"there are: {', '.join(table.columns[:12])}"
            )
            raise DataError(f"{table.path}, row 1: no column {name!r} ({option}); {offer}")
        if len(places) > 1:
            raise DataError(f"{table.path}, row 1: column {name!r} stands {len(places)} times")
        found.append(places[0])
    if found[0] in found[1:]:
        raise DataError(f"{table.path}: column {smiles_column!r} is both --smiles and a task")
    return found


# ------------------------------------------------------------------------------- rows to molecules


def _read_rows(table: _Table, columns: Sequence[int]) -> _Reading:
    """Read every row; what cannot be used is listed, so that one message shows several."""
    from chmr_bench.features.molecules import shown, strictly_parsable

    reading = _Reading()
    for number, cells in table.rows:
        if len(cells) != len(table.columns):
            text = f"{len(cells)} cells, expected {len(table.columns)} as in the header; "
            text += "quote a cell that holds the delimiter"
            reading.bad.append(DroppedRow(number, text))
            continue
        smiles = cells[columns[0]].strip()
        reason = strictly_parsable(smiles)
        if reason is not None:
            name = table.columns[columns[0]]
            text = f"column {name!r}: {shown(smiles)} is no molecule RDKit can read: {reason}"
            if not smiles:
                text = f"column {name!r}: empty, expected a SMILES"
            reading.bad.append(DroppedRow(number, text))
            continue
        labels = _read_labels(table, columns[1:], cells)
        if isinstance(labels, str):
            reading.bad.append(DroppedRow(number, labels))
            continue
        reading.smiles.append(smiles)
        reading.labels.append(labels)
        reading.numbers.append(number)
    return reading


def _read_labels(table: _Table, columns: Sequence[int], cells: Sequence[str]) -> list[float] | str:
    """Return the numbers of one row's tasks, or what is wrong with the first that is none."""
    labels = []
    for column in columns:
        value = _number(cells[column])
        if value is None:
            return (
                f"column {table.columns[column]!r}: {cells[column].strip()!r}, "
                "expected a finite number, or an empty cell"
            )
        labels.append(value)
    return labels


def _number(cell: str) -> float | None:
    """Return the number in a cell, NaN where it is empty, None where it holds anything else."""
    text = cell.strip()
    if text.lower() in MISSING_WORDS:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _infer_type(labels: FloatArray) -> TaskType:
    """Return classification where every measured label is 0 or 1 (and there is one)."""
    measured = labels[~np.isnan(labels)]
    fits = measured.size > 0 and np.isin(measured, (0.0, 1.0)).all()
    return "classification" if fits else "regression"


def _without_other_classes(
    table: _Table, task_columns: Sequence[str], reading: _Reading, labels: FloatArray
) -> FloatArray:
    """Move rows with a label other than 0, 1 and NaN to the bad ones; return the other labels."""
    fits = np.isnan(labels) | (labels == 0) | (labels == 1)
    for row in np.flatnonzero(~fits.all(axis=1)):
        task = int(np.argmin(fits[row]))
        text = f"column {task_columns[task]!r}: {labels[row, task]:g}, expected 0 or 1"
        reading.bad.append(DroppedRow(reading.numbers[row], text))
    keep = np.flatnonzero(fits.all(axis=1))
    reading.smiles = [reading.smiles[i] for i in keep]
    return labels[keep]


def _check_bad(table: _Table, reading: _Reading, on_invalid: str) -> None:
    """Raise DataError listing the first bad rows, unless they are to be dropped."""
    bad = sorted(reading.bad, key=lambda d: d.row)
    listed = "\n".join(f"  row {d.row}, {d.reason}" for d in bad[:N_SHOWN])
    if len(bad) > N_SHOWN:
        listed += f"\n  ... and {len(bad) - N_SHOWN} more"
    if bad and on_invalid == "stop":
        raise DataError(
            f"{table.path}: {len(bad)} of {len(table.rows)} rows cannot be used:\n{listed}\n"
            "Mend them, or leave them out with --on-invalid drop (the record counts them)."
        )
    if not reading.smiles:
        raise DataError(f"{table.path}: none of its {len(table.rows)} rows can be used:\n{listed}")


def _check_labelled(table: _Table, dataset: Dataset) -> None:
    empty = [t for t, y in zip(dataset.task_names, dataset.y.T, strict=True) if np.isnan(y).all()]
    if empty:
        raise DataError(
            f"{table.path}: no label at all in {', '.join(map(repr, empty[:N_SHOWN]))}"
            f"{', ...' if len(empty) > N_SHOWN else ''} ({len(empty)} of "
            f"{len(dataset.task_names)} tasks); expected at least one number, or leave it out"
        )


# -------------------------------------------------------------------------------------------- spec


def _spec(
    path: Path,
    dataset: Dataset,
    task_type: TaskType,
    metric: MetricName | None,
    *,
    inferred: bool,
) -> DatasetSpec:
    chosen = metric or _METRICS[task_type][0]
    _check_metric(chosen, task_type)
    name = dataset_name(path)
    n_twice = len(dataset) - len(set(dataset.smiles))
    notes = [f"task type {task_type} inferred from the labels"] if inferred else []
    if n_twice:
        notes.append(f"{n_twice} rows repeat the SMILES of an earlier row")
    if dataset.dropped:
        notes.append(f"{len(dataset.dropped)} rows dropped on the user's order")
    return DatasetSpec(
        name=name,
        title=f"{path.name} (user's file)",
        task_type=task_type,
        task_names=dataset.task_names,
        metric=chosen,
        n_molecules=len(dataset),
        load="",
        split="scaffold",
        source=path.name,
        notes=tuple(notes),
        version=dataset.digest()[:12],
    )


def dataset_name(path: Path) -> str:
    """Return the file's name without its endings, with only characters that any folder may hold."""
    plain = path.with_suffix("") if _is_gzip(path) else path
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain.stem).strip("-.") or "table"
