"""The store: one folder a record, written whole or not at all.

Layout: ``records/<dataset>/<model>/<split>-s<seed>-<identity[:12]>/`` with ``result.json``,
``predictions.parquet``, ``bootstrap.npy`` and ``run.log``; a failed run has the first and the last.
A record is made in ``records/.tmp`` and renamed into place, so a kill leaves no half of it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from chmr_bench.errors import RecordError, UsageError
from chmr_bench.records import predictions as prediction_files
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.schema import SCHEMA_VERSION, PredictionsInfo, Record
from chmr_bench.types import FloatArray

RESULT = "result.json"
REPLICATES = "bootstrap.npy"
LOG = "run.log"
IDENTITY_LENGTH = 12
"""Characters of the identity in a folder name."""
_TASKS_HERE = "@per_task@"


@dataclass(frozen=True)
class Problem:
    """Something in the records folder that is not a record."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Stored:
    """A record and the folder it lies in."""

    path: Path
    record: Record


class RecordStore:
    """The records below ``<root>/records``.

    Parameters
    ----------
    root : the output folder (``leaderboards`` by default). Reading needs nothing to be there.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.folder = self.root / "records"

    # ------------------------------------------------------------------------------------ reading

    def find(self, identity: str) -> Record | None:
        """Return the record of that identity, or None; unreadable folders are passed over."""
        for path in sorted(self.folder.glob(f"*/*/*-{identity[:IDENTITY_LENGTH]}")):
            try:
                record = read_record(path)
            except RecordError:
                continue
            if record.identity == identity:
                return record
        return None

    def records(self) -> list[Record]:
        """Return every readable record, in the order of the folders' names."""
        return [stored.record for stored in self.stored()]

    def stored(self) -> list[Stored]:
        """Return every readable record with its folder."""
        return [entry for entry in self._scan() if isinstance(entry, Stored)]

    def of(self, dataset: str, model: str) -> list[Record]:
        """Return the readable records of one model on one dataset."""
        folder = self.folder / _folder_name(dataset) / _folder_name(model)
        entries = [self._entry(path) for path in _entries(folder)]
        return [entry.record for entry in entries if isinstance(entry, Stored)]

    def problems(self) -> list[Problem]:
        """Return what lies in the records folder and is no record."""
        return [entry for entry in self._scan() if isinstance(entry, Problem)]

    def path_of(self, record: Record) -> Path:
        """Return the folder of a record, there or not."""
        seed = "once" if record.seed is None else f"s{record.seed}"
        split = (
            record.split.name
            if record.split.seed is None
            else (f"{record.split.name}{record.split.seed}")
        )
        name = f"{_folder_name(split)}-{seed}-{record.identity[:IDENTITY_LENGTH]}"
        dataset, model = _folder_name(record.dataset.name), _folder_name(record.model.id)
        return self.folder / dataset / model / name

    def predictions(self, record: Record) -> Predictions:
        """Return the stored predictions; RecordError where there are none or they are damaged."""
        if record.predictions is None:
            raise RecordError(f"{self.path_of(record)}: a failed run has no predictions")
        return prediction_files.read(self.path_of(record) / prediction_files.FILE_NAME)

    def replicates(self, record: Record) -> FloatArray:
        """Return the (1000,) float32 bootstrap replicates of the macro score."""
        path = self.path_of(record) / REPLICATES
        try:
            values = np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header raises anything, even a TokenError
            raise RecordError(f"{path}: cannot be read: {error}") from error
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind != "f":
            raise RecordError(f"{path}: expected one column of floating-point numbers")
        replicates: FloatArray = values
        return replicates

    def _scan(self) -> Iterator[Stored | Problem]:
        for dataset in _entries(self.folder):
            for model in _entries(dataset) if dataset.is_dir() else [dataset]:
                for path in _entries(model) if model.is_dir() else [model]:
                    yield self._entry(path)

    def _entry(self, path: Path) -> Stored | Problem:
        if not path.is_dir():
            return Problem(path, "a stray file; records are folders")
        try:
            record = read_record(path)
        except RecordError as error:
            return Problem(path, str(error))
        if self.path_of(record) != path:
            expected = self.path_of(record).relative_to(self.folder)
            return Problem(path, f"its result.json belongs to {expected}")
        return Stored(path, record)

    # ------------------------------------------------------------------------------------ writing

    def check_writable(self) -> None:
        """Raise UsageError where the folder plainly cannot be made or written; make nothing."""
        place = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        if not place.is_dir():
            raise _unwritable(self.root, f"{place} is a file")
        if not os.access(place, os.W_OK | os.X_OK):
            raise _unwritable(self.root, f"{place} is read-only")

    def prepare(self) -> None:
        """Make the folder, prove that it can be written, and clear what dead runs left.

        Raises
        ------
        UsageError : the folder cannot be made or written.
        """
        try:
            for folder in (self._temporary, self._locks):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self._temporary / _temporary_name()
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            raise _unwritable(self.root, error.strerror or str(error)) from error
        self._clear_stale()

    def lock_path(self, identity: str) -> Path:
        """Return the file that a run of this identity locks while it works."""
        return self._locks / f"{identity[:32]}.lock"

    def write(
        self,
        record: Record,
        predictions: Predictions | None = None,
        replicates: FloatArray | None = None,
        log: str = "",
    ) -> Record:
        """Store a record whole, and return it with the hashes of its predictions filled in.

        A failed record of the same identity is replaced; a good one is kept, and returned.
        """
        temporary = self._temporary / _temporary_name()
        temporary.mkdir(parents=True)
        try:
            if predictions is not None and replicates is not None:
                record = _with_predictions(temporary, record, predictions, replicates)
            (temporary / LOG).write_text(log, encoding="utf-8")
            (temporary / RESULT).write_text(to_json(record), encoding="utf-8")
            _flush(temporary)
            return self._move_into_place(temporary, record)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _move_into_place(self, temporary: Path, record: Record) -> Record:
        target = self.path_of(record)
        target.parent.mkdir(parents=True, exist_ok=True)
        present = self.find(record.identity)
        if present is not None and present.status == "ok":
            return present
        if target.exists():  # a failed record, or what is left of one: make room in one step
            aside = self._temporary / _temporary_name()
            target.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        try:
            temporary.rename(target)
        except OSError:  # another run without our lock was faster
            present = self.find(record.identity)
            if present is None:
                raise
            return present
        return record

    @property
    def _temporary(self) -> Path:
        return self.folder / ".tmp"

    @property
    def _locks(self) -> Path:
        return self.folder / ".locks"

    def _clear_stale(self) -> None:
        """Remove what killed runs on this machine left behind."""
        for path in self._temporary.iterdir():
            if _is_stale(path.name):
                shutil.rmtree(path, ignore_errors=True)


# ----------------------------------------------------------------------------------- one folder


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


def to_json(record: Record) -> str:
    """Return the text of ``result.json``: a line a key, a line a task."""
    content = record.model_dump(mode="json")
    tasks: list[str] = []
    if content["metrics"]:
        tasks = [json.dumps(task, allow_nan=False) for task in content["metrics"]["per_task"]]
        content["metrics"]["per_task"] = [_TASKS_HERE]
    text = json.dumps(content, indent=1, allow_nan=False)
    return text.replace(f'"{_TASKS_HERE}"', ",\n   ".join(tasks)) + "\n"


def _with_predictions(
    folder: Path, record: Record, predictions: Predictions, replicates: FloatArray
) -> Record:
    file = folder / prediction_files.FILE_NAME
    prediction_files.write(file, predictions)
    np.save(folder / REPLICATES, replicates.astype(np.float32), allow_pickle=False)
    sha256 = prediction_files.file_sha256(file)
    info = PredictionsInfo.model_validate(
        {
            "dtype": str(predictions.values.dtype),
            "n_rows": len(predictions.rows),
            "values_sha256": predictions.digest(),
            "sha256": sha256,
        }
    )
    return record.model_copy(update={"predictions": info, "predictions_sha256": sha256})


def _unwritable(root: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot write to {root}: {reason}; "
        "choose another folder with --out DIR, or make this one writable"
    )


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, hidden names left out; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _folder_name(name: str) -> str:
    """Return a name that is one folder on every platform."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-") or "unnamed"


def _flush(folder: Path) -> None:
    """Push the files to the disk, so that a power cut after the rename leaves no empty file."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


# ------------------------------------------------------------------------------- temporary folders


def _temporary_name() -> str:
    """Return a name that says which process of which machine owns the folder."""
    return f"{_host()}~{os.getpid()}~{_started(os.getpid())}~{secrets.token_hex(4)}"


def _is_stale(name: str) -> bool:
    """Return whether the owner is a process of this machine that runs no more."""
    parts = name.split("~")
    if len(parts) != 4 or not parts[1].isdigit():
        return True
    host, process, started = parts[0], int(parts[1]), parts[2]
    return host == _host() and _started(process) != started


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())


def _started(process: int) -> str:
    """Return when a process started, "" where there is none: ids are used again, times are not."""
    import psutil

    try:
        return str(int(psutil.Process(process).create_time()))
    except psutil.Error:
        return ""
