"""A run in a folder of its own: ``result.json``, ``predictions.parquet`` and ``run.log``.

Folders of version 1 are read too: theirs have ``bootstrap.npy`` and a column a task, or a line a
labelled cell, in ``predictions.parquet``. Nothing writes them any more.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.errors import RecordError
from chmr_bench.paths import read_bytes
from chmr_bench.records import arrays
from chmr_bench.records.arrays import FILE_NAME, ArrayFile
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.run import Kind, RunContents, Stored, checked_replicates
from chmr_bench.records.schema import SCHEMA_VERSION, PredictionsInfo
from chmr_bench.types import FloatArray

RESULT = "result.json"
REPLICATES = "bootstrap.npy"
LOG = "run.log"
CELLS = b"chmr_bench_cells"
"""Key in the metadata of a version 1 file of labelled cells: its rows and task names, as JSON."""
_TASKS_HERE = "@per_task@"


class LooseRun(Stored):
    """A run in a folder of its own."""

    kind: Kind = "loose"

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        super().__init__(path, content, ArrayFile(path / FILE_NAME))

    def damage(self) -> str:
        """Return what is damaged; nothing where another process has packed the run meanwhile."""
        return super().damage() if self.path.exists() else ""

    def log(self) -> str:
        """Return the text of ``run.log``."""
        try:
            return read_bytes(self.path / LOG).decode(errors="replace")
        except OSError:
            return ""


class FirstRun(LooseRun):
    """A run in a folder of version 1."""

    kind: Kind = "version 1"
    sealed = True  # there was no seal

    def predictions(self) -> Predictions:
        """Return the predictions."""
        import pyarrow.parquet as pq

        if self.record.predictions is None:
            raise RecordError(f"{self.path}: a failed run has no predictions")
        file = self.path / FILE_NAME
        try:
            table: Any = pq.read_table(io.BytesIO(read_bytes(file)))
            held = (table.schema.metadata or {}).get(CELLS)
            return _of_columns(table) if held is None else _of_cells(table, json.loads(held))
        except Exception as error:  # damage has no end of ways to show
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RecordError(f"{file}: cannot be read as predictions: {first}") from error

    def replicates(self) -> FloatArray:
        """Return the replicates."""
        file = self.path / REPLICATES
        try:
            values = np.load(io.BytesIO(read_bytes(file)), allow_pickle=False)
        except Exception as error:  # a damaged header raises anything, even a TokenError
            raise RecordError(f"{file}: cannot be read: {error}") from error
        return checked_replicates(values, file)

    def _damage(self, info: PredictionsInfo) -> str:
        file = self.path / FILE_NAME
        try:
            digest = hashlib.sha256(read_bytes(file)).hexdigest()
        except OSError as error:
            return f"{FILE_NAME}: cannot be read: {error.strerror}"
        if digest != info.sha256:
            return f"{FILE_NAME} is not the file on record"
        self.replicates()
        return ""


def read(path: Path) -> LooseRun:
    """Return the run in a folder; RecordError says what is wrong with its ``result.json``."""
    file = path / RESULT
    if not file.exists():
        raise RecordError(f"has no {RESULT}")
    if not file.is_file():  # a pipe would never end
        raise RecordError(f"{RESULT} is no file")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # JSON may name lone surrogates
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{RESULT} is not JSON: {str(error).splitlines()[0]}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in ("1", SCHEMA_VERSION):
        raise RecordError(
            f"{RESULT}: schema_version is {version!r:.40}, expected {SCHEMA_VERSION!r}"
        )
    first = version == "1"
    run = (FirstRun if first else LooseRun)(path, _without_file(content) if first else content)
    try:
        record = run.record
    except RecordError as error:
        raise RecordError(f"{RESULT}: {error}") from error
    if first:  # later fields were not there
        run.content = record.model_dump(mode="json")
    return run


def write(folder: Path, whole: RunContents) -> None:
    """Write a run into an empty folder, and push it to the disk."""
    (folder / LOG).write_text(whole.log, encoding="utf-8", errors="backslashreplace")
    (folder / RESULT).write_text(to_json(whole.content), encoding="utf-8")
    if whole.arrays is not None:
        arrays.write(folder / FILE_NAME, {str(whole.content["identity"]): whole.arrays})
    flush(folder)


def flush(folder: Path) -> None:
    """Push the files to the disk, so that a power cut after the rename leaves no empty file."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def to_json(content: dict[str, Any]) -> str:
    """Return the text of ``result.json``: a line a key, a line a task."""
    tasks: list[str] = []
    if content["metrics"]:
        tasks = [json.dumps(task, allow_nan=False) for task in content["metrics"]["per_task"]]
        content = {**content, "metrics": {**content["metrics"], "per_task": [_TASKS_HERE]}}
    text = json.dumps(content, indent=1, allow_nan=False)
    return text.replace(f'"{_TASKS_HERE}"', ",\n   ".join(tasks)) + "\n"


# ---------------------------------------------------------------------------------------- version 1


def _without_file(content: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 without the hash that it holds twice."""
    info, sha256 = content.get("predictions"), content.get("predictions_sha256")
    if isinstance(info, dict) and info.get("sha256") != sha256:
        raise RecordError(f"{RESULT}: predictions_sha256 and predictions.sha256 differ")
    return {name: value for name, value in content.items() if name != "predictions_sha256"}


def _of_columns(table: Any) -> Predictions:
    """Return predictions that lie in a column a task."""
    names = table.column_names
    if not names or names[0] != "row":
        raise ValueError(f"the first column is {names[:1]}, expected 'row'")
    if not names[1:]:
        raise ValueError("holds no task")
    columns = [table.column(i).to_numpy() for i in range(len(names))]
    return Predictions(columns[0], np.column_stack(columns[1:]), tuple(names[1:]))


def _of_cells(table: Any, held: Any) -> Predictions:
    """Return predictions that lie in a line a labelled cell."""
    rows: Any = np.array(held["rows"], dtype=np.int32)
    names = tuple(str(name) for name in held["tasks"])
    row, value = (table.column(name).to_numpy() for name in ("row", "value"))
    task = table.column("task").combine_chunks()
    place = {name: j for j, name in enumerate(names)}
    known = np.array([place[name] for name in task.dictionary.to_pylist()], dtype=np.int64)
    at = np.searchsorted(rows, row)
    if not np.array_equal(rows[at], row):
        raise ValueError("a cell is of a row that is not among the rows")
    values = np.full((len(rows), len(names)), np.nan, dtype=value.dtype)
    values[at, known[task.indices.to_numpy()]] = value
    return Predictions(rows, values, names)
