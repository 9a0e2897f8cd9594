"""A user's own table of molecules, read with errors that say where.

`table_files` gives the cells of a file, `labels` what a cell of a task column says; here rows
become molecules.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chmr_bench.contracts import Dataset, DatasetSpec, DroppedRow
from chmr_bench.data import labels
from chmr_bench.data.counts import be, plural
from chmr_bench.data.labels import TaskColumn
from chmr_bench.data.requests import TableOptions, unusable_path
from chmr_bench.data.table_cells import TableCells
from chmr_bench.data.table_files import plain_name, read_cells, same_name
from chmr_bench.errors import DataError, SettingError, nearest
from chmr_bench.types import PARTS, MetricName, Part, TaskType

NAME_LENGTH = 80
"""Characters of a dataset's name, so that every folder and table called by it can be written."""
N_SHOWN = 5
"""Bad rows listed in one message."""
PART_WORDS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What a cell of the column of parts may say, in any case of letters."""

_METRICS: dict[TaskType, tuple[MetricName, ...]] = {
    "classification": ("roc_auc", "average_precision"),
    "regression": ("mae", "rmse", "r2"),
}
_EXTENDED = re.compile(r"\S+\s+\|[^|]*\|")
"""A SMILES with extensions between bars (CXSMILES)."""


def read_table(path: Path | str, options: TableOptions) -> tuple[DatasetSpec, Dataset]:
    """Read molecules and labels of a user's file.

    An empty cell (or NA, NaN, null, none, -, n.d.) means not measured. Duplicate molecules stay
    and are counted in the notes; a task with one class only is allowed.

    Raises
    ------
    DataError
        With file, row, column, value and what was expected.
    SettingError
        The options do not fit each other.

    Examples
    --------
    >>> spec, dataset = read_table("my.csv", TableOptions("smiles", ("pIC50",)))  # doctest: +SKIP
    """
    problem = unusable_path(path)  # before Path makes one slash of two in an address
    if problem:
        raise DataError(f"{path}: {problem}")
    path = Path(path)
    _check_options(options)
    cells = read_cells(path, options)
    smiles, tasks = _find_columns(path, cells, options)
    ids, parts = _texts(path, cells, options.id, "--id"), _parts(path, cells, options)
    task_cells = {name: cells.column(place) for name, place in tasks.items()}
    decimal = labels.decimal_mark(list(task_cells.values()), options, cells.comma_free)
    columns = [labels.read_column(n, t, decimal, options) for n, t in task_cells.items()]
    reasons = _reasons(cells, smiles, parts, options)
    readable = np.array([not reason for reason in reasons], dtype=np.bool_)
    task_type = options.task_type or labels.infer_type([c.values[readable] for c in columns])
    bad = _bad_rows(cells, reasons, columns, task_type, options)
    dropped = sorted([*cells.bad, *bad.values()], key=lambda d: d.row)
    _check_bad(path, cells.n_rows, dropped, options)
    keep = [i for i in range(len(cells.rows)) if i not in bad]
    kept = [column.take(keep) for column in columns]
    remarks = _taken_bounds(kept, options)
    dataset = Dataset(
        smiles=tuple(cells.rows[i][smiles] for i in keep),
        y=np.column_stack([column.values for column in kept]),
        task_names=tuple(tasks),
        dropped=tuple(dropped),
        row_numbers=tuple(cells.numbers[i] for i in keep),
        ids=tuple(ids[i] for i in keep if ids),
        parts=tuple(parts[i] for i in keep if parts),
        source_sha256=cells.sha256,
        remarks=remarks,
    )
    _check_labelled(path, dataset)
    _check_parts(path, dataset, options)
    notes = [*cells.notes, *_notes(kept, decimal, task_type), *remarks]
    if options.task_type is None:
        notes.append(labels.reason_for(kept, dataset.row_numbers, task_type))
    if task_type == "regression":
        notes += (n for c in kept for n in labels.oddities(c, options.task_type is None))
    return _spec(path, dataset, task_type, options, notes), dataset


def _check_options(options: TableOptions) -> None:
    """Raise SettingError where the options do not fit each other."""
    if not options.tasks:
        raise SettingError("no task column given; name at least one with --tasks A,B")
    if options.metric and options.task_type:
        _check_metric(options.metric, options.task_type)


def _check_metric(metric: MetricName, task_type: TaskType) -> None:
    if metric not in _METRICS[task_type]:
        raise SettingError(
            f"metric {metric!r} does not measure {task_type}; "
            f"expected one of {', '.join(_METRICS[task_type])}"
        )


# ----------------------------------------------------------------------------------------- columns


def _find_columns(
    path: Path, cells: TableCells, options: TableOptions
) -> tuple[int, dict[str, int]]:
    """Return the places of the SMILES column, and of each task by its name."""
    smiles = _place(path, cells, options.smiles, "--smiles")
    tasks: dict[str, int] = {}
    for name in _task_names(cells, options):
        place = _place(path, cells, name, "--tasks")
        if cells.columns[place] in tasks:
            raise SettingError(f"--tasks names {name!r} twice")
        tasks[cells.columns[place]] = place
    if smiles in tasks.values():
        raise DataError(f"{path}: column {options.smiles!r} is both --smiles and a task")
    return smiles, tasks


def _texts(path: Path, cells: TableCells, name: str, option: str) -> list[str]:
    """Return the cells of a column, none where no column is named."""
    return cells.column(_place(path, cells, name, option)) if name else []


def _parts(path: Path, cells: TableCells, options: TableOptions) -> list[str]:
    """Return the part of each row, "" where its cell names none; nothing where none are asked."""
    texts = _texts(path, cells, options.parts, "--parts")
    return [PART_WORDS.get(text.strip().lower(), "") for text in texts]


def _task_names(cells: TableCells, options: TableOptions) -> list[str]:
    """Return the tasks asked for: a text that is a column's name, else its parts between commas."""
    names = []
    for text in options.tasks:
        if any(same_name(text, column) for column in cells.columns):
            names.append(text)
        else:
            parts = next(csv.reader([text], skipinitialspace=True))
            names += [part.strip() for part in parts if part.strip()]
    return names


def _place(path: Path, cells: TableCells, name: str, option: str) -> int:
    """Return the index of a column, by its exact name before a like one."""
    exact = [i for i, column in enumerate(cells.columns) if column == name.strip()]
    places = exact or [i for i, column in enumerate(cells.columns) if same_name(column, name)]
    if len(places) == 1:
        return places[0]
    where = f"{path}, row {cells.header_row}" if cells.header_row else f"{path}"
    if places:
        raise DataError(f"{where}: column {name!r} stands {len(places)} times")
    close = nearest(name, cells.columns)
    shown = ", ".join(repr(c) if "," in c else c for c in cells.columns[:12])
    offer = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are: {shown}"
    if any(re.fullmatch(r"[+-]?\d+(\.\d*)?", column) for column in cells.columns):
        offer += "; that reads like a molecule's row, and a header is expected before it"
    raise DataError(f"{where}: no column {name!r} ({option}); {offer}")


# ------------------------------------------------------------------------------------------- rows


def _reasons(
    cells: TableCells, smiles: int, parts: Sequence[str], options: TableOptions
) -> list[str]:
    """Return of each row why its SMILES or its part cannot be used, or nothing."""
    texts = cells.column(smiles)
    problems = {text: _smiles_problem(text) for text in dict.fromkeys(texts)}  # each read once
    name = cells.columns[smiles]
    reasons = [f"column {name!r}: {problems[text]}" if problems[text] else "" for text in texts]
    no_part = f"column {options.parts!r}: expected train, valid or test"
    return [
        reason or (no_part if parts and not parts[i] else "") for i, reason in enumerate(reasons)
    ]


def _bad_rows(
    cells: TableCells,
    reasons: Sequence[str],
    columns: Sequence[TaskColumn],
    task_type: TaskType,
    options: TableOptions,
) -> dict[int, DroppedRow]:
    """Return place in the frame -> why a row cannot be used: its SMILES, or its first bad label."""
    odd = np.zeros(len(cells.rows), dtype=np.bool_)
    for column in columns:
        odd |= column.is_bad | column.is_bound | column.is_word
        odd |= labels.is_other(column.values) & (task_type == "classification")
    bad = {}
    for i, (number, reason) in enumerate(zip(cells.numbers, reasons, strict=True)):
        problems = (column.problem(i, task_type, options) for column in columns if odd[i])
        reason = reason or next(filter(None, problems), "")
        if reason:
            bad[i] = DroppedRow(number, reason)
    return bad


def _smiles_problem(text: str) -> str | None:
    """Return why a text is no SMILES, or None; what follows one RDKit leaves out in silence."""
    from chmr_bench.features.molecules import shown, strictly_parsable

    if not text:
        return "empty, expected a SMILES"
    if not text.isascii():
        odd = next(c for c in text if not c.isascii())
        return f"{shown(text)} holds {odd!r}; a SMILES has ASCII characters alone"
    if len(text.split()) > 1 and not _EXTENDED.fullmatch(text):
        after = text.split(maxsplit=1)[1]
        return f"{shown(text)}: {shown(after)} follows the SMILES; give it a column of its own"
    reason = strictly_parsable(text)
    return f"{shown(text)} is no molecule RDKit can read: {reason}" if reason else None


def _check_bad(path: Path, n_rows: int, bad: Sequence[DroppedRow], options: TableOptions) -> None:
    """Raise DataError listing the first bad rows, unless they are to be dropped."""
    listed = "\n".join(f"  row {d.row}, {d.reason}" for d in bad[:N_SHOWN])
    first, words, others = listed.partition(labels.WORDS)
    listed = first + words + others.replace(f"; {labels.WORDS}", "")  # said once
    if len(bad) > N_SHOWN:
        listed += f"\n  ... and {len(bad) - N_SHOWN} more"
    if bad and options.on_invalid == "stop":
        raise DataError(
            f"{path}: {len(bad)} of {plural(n_rows, 'row')} cannot be used:\n{listed}\n"
            "Mend them, or leave them out with --on-invalid drop (the record counts them)."
        )
    if len(bad) == n_rows:
        rows = "its one row cannot" if n_rows == 1 else f"none of its {n_rows} rows can"
        raise DataError(f"{path}: {rows} be used:\n{listed}")


def _check_labelled(path: Path, dataset: Dataset) -> None:
    empty = [t for t, y in zip(dataset.task_names, dataset.y.T, strict=True) if np.isnan(y).all()]
    if empty:
        raise DataError(
            f"{path}: no label at all in {', '.join(map(repr, empty[:N_SHOWN]))}"
            f"{', ...' if len(empty) > N_SHOWN else ''} ({len(empty)} of "
            f"{len(dataset.task_names)} tasks); expected at least one number, or leave it out"
        )


def _check_parts(path: Path, dataset: Dataset, options: TableOptions) -> None:
    missing = [part for part in PARTS if dataset.parts and part not in dataset.parts]
    if missing:
        raise DataError(
            f"{path}: no row of column {options.parts!r} is {' or '.join(missing)}; expected rows "
            "of train, of valid (on which models choose their settings: a tenth of the training "
            "rows will do) and of test"
        )


# -------------------------------------------------------------------------------------------- spec


def _notes(columns: Sequence[TaskColumn], decimal: str, task_type: TaskType) -> list[str]:
    """Return what was decided about the cells."""
    notes = ["numbers have a decimal comma"] if decimal == "," else []
    texts = {
        t for c in columns for t, value in zip(c.texts, c.values, strict=True) if value != value
    }
    marks = sorted(t for t in texts if t.lower() in labels.NOTED_WORDS)
    if marks:
        notes.append(f"{', '.join(map(repr, marks))} {be(len(marks))} read as not measured")
    words = {t.lower() for c in columns for t, word in zip(c.texts, c.is_word, strict=True) if word}
    if words and task_type == "classification":
        meanings = labels.CLASS_WORDS | labels.SIGNS
        read = (f"{word} = {meanings[word]:g}" for word in sorted(words))
        notes.append(f"labels are read as {', '.join(read)}")
    return notes


def _taken_bounds(columns: Sequence[TaskColumn], options: TableOptions) -> tuple[str, ...]:
    """Return as what the values with a qualifier are taken, where there are any."""
    n_bounds = sum(int(column.is_bound.sum()) for column in columns)
    if not n_bounds:
        return ()
    what = "as not measured" if options.censored == "drop" else "as the bound"
    return (f"{plural(n_bounds, 'value')} with a qualifier {be(n_bounds)} taken {what}",)


def _spec(
    path: Path,
    dataset: Dataset,
    task_type: TaskType,
    options: TableOptions,
    notes: Sequence[str],
) -> DatasetSpec:
    metric = options.metric or _METRICS[task_type][0]
    _check_metric(metric, task_type)
    n_twice = len(dataset) - len(set(dataset.smiles))
    n_extended = sum(" " in smiles for smiles in dataset.smiles)
    repeat = "repeats" if n_twice == 1 else "repeat"
    carry = "carries" if n_extended == 1 else "carry"
    counted = {
        f"{plural(n_twice, 'row')} {repeat} the SMILES of an earlier row; whether labels differ, "
        "'chmr-bench audit' says": n_twice,
        f"{n_extended} SMILES {carry} CX extensions, which RDKit reads": n_extended,
        f"{plural(len(dataset.dropped), 'row')} dropped on the user's order": len(dataset.dropped),
    }
    return DatasetSpec(
        name=dataset_name(path),
        title=f"{_shown_path(path)} (user's file)",
        task_type=task_type,
        task_names=dataset.task_names,
        metric=metric,
        n_molecules=len(dataset),
        load="",
        split="reference" if dataset.parts else "scaffold",
        source=path.name,
        notes=(*notes, *(note for note, n in counted.items() if n)),
        version=dataset.digest()[:12],
    )


def _shown_path(path: Path) -> str:
    """Return the path as given, which tells two files of one name apart, without a user's home."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.name if path.is_absolute() or ".." in path.parts else path.as_posix()


def dataset_name(path: Path) -> str:
    """Return the file's name without its endings, with only characters that any folder may hold.

    A long one is cut; that, and one whose letters are not all ASCII, is distinguished by a hash:
    folders and tables are called by it.
    """
    plain = Path(plain_name(path)).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "table"
    if len(name) <= NAME_LENGTH and plain.isascii():
        return name
    return f"{name[: NAME_LENGTH - 9]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
