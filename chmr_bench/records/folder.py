"""One record's folder: ``result.json``, predictions and replicates, and damage to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from chmr_bench.errors import RecordError
from chmr_bench.records import predictions as prediction_files
from chmr_bench.records.schema import SCHEMA_VERSION, Record
from chmr_bench.types import FloatArray

RESULT = "result.json"
REPLICATES = "bootstrap.npy"
LOG = "run.log"
N_REPLICATES = 1000
"""Bootstrap replicates of a record."""
_TASKS_HERE = "@per_task@"


@dataclass(frozen=True)
class Stored:
    """A record and the folder it lies in."""

    path: Path
    record: Record


def read_record(path: Path) -> Record:
    """Read ``result.json`` of a record folder; RecordError says what is wrong with it."""
    file = path / RESULT
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(f"has no {RESULT}") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{RESULT} is not JSON: {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordError(f"{RESULT}: schema_version is {version!r}, expected {SCHEMA_VERSION!r}")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(f"{RESULT}: {where}: {first['msg']}") from error


def damage(entry: Stored) -> str:
    """Return what is missing or damaged beside a good record's ``result.json``, "" where nothing.

    The file of predictions is hashed, not parsed; a failed record has nothing beside it.
    """
    record, info = entry.record, entry.record.predictions
    if record.status == "failed":
        return ""
    if info is None or record.metrics is None:
        return "status is ok, but there are no metrics, or no predictions"
    name = prediction_files.FILE_NAME
    try:
        sha256 = prediction_files.file_sha256(entry.path / name)
    except OSError as error:
        return f"{name}: cannot be read: {error.strerror}"
    if sha256 != info.sha256:
        return f"{name} is not the file on record"
    try:
        read_replicates(entry.path / REPLICATES)
    except RecordError as error:
        return str(error)
    return ""


def read_replicates(path: Path) -> FloatArray:
    """Return the (1000,) replicates; RecordError where they are missing or of another shape."""
    try:
        values = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises anything, even a TokenError
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        raise RecordError(f"{path}: expected {N_REPLICATES} floating-point numbers")
    if values.shape != (N_REPLICATES,):
        raise RecordError(
            f"{path}: its shape is {values.shape}, expected {N_REPLICATES} floating-point numbers"
        )
    replicates: FloatArray = values
    return replicates


def to_json(record: Record) -> str:
    """Return the text of ``result.json``: a line a key, a line a task."""
    content = record.model_dump(mode="json")
    tasks: list[str] = []
    if content["metrics"]:
        tasks = [json.dumps(task, allow_nan=False) for task in content["metrics"]["per_task"]]
        content["metrics"]["per_task"] = [_TASKS_HERE]
    text = json.dumps(content, indent=1, allow_nan=False)
    return text.replace(f'"{_TASKS_HERE}"', ",\n   ".join(tasks)) + "\n"
