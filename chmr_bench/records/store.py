"""The store: one folder a record, written whole or not at all.

Layout: ``records/<dataset>/<model>/<split>-s<seed>-<identity[:12]>/`` with ``result.json``,
``predictions.parquet``, ``bootstrap.npy`` and ``run.log``; a failed run has the first and the last.
A record is made in ``records/.tmp`` and renamed into place, so a kill leaves no half of it.
"""

from __future__ import annotations

import datetime
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chmr_bench.errors import RecordError, UsageError
from chmr_bench.records import predictions as prediction_files
from chmr_bench.records.environment import environment
from chmr_bench.records.folder import (
    LOG,
    REPLICATES,
    RESULT,
    Stored,
    damage,
    read_record,
    read_replicates,
    to_json,
)
from chmr_bench.records.predictions import Predictions
from chmr_bench.records.schema import Metrics, PredictionsInfo, Record, Rescored
from chmr_bench.types import FloatArray

IDENTITY_LENGTH = 12
"""Characters of the identity in a folder name."""


@dataclass(frozen=True)
class Problem:
    """Something in the records folder that is not a record, or one that is damaged.

    Attributes
    ----------
    record : what is damaged; None = no record, or none that is.
    """

    path: Path
    reason: str
    record: Record | None = None


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
        """Return the record of that identity, or None; a good one before a failed one.

        Unreadable folders, and records whose predictions or replicates are damaged, are passed
        over.
        """
        whole = [entry.record for entry in self._of(identity) if not damage(entry)]
        return next((r for r in whole if r.status == "ok"), whole[0] if whole else None)

    def is_damaged(self, identity: str) -> bool:
        """Return whether there is a record of that identity, but none that is whole."""
        found = self._of(identity)
        return bool(found) and all(damage(entry) for entry in found)

    def damaged(self) -> list[Problem]:
        """Return the records whose predictions or replicates are missing or damaged."""
        told = [(entry.path, damage(entry)) for entry in self.stored()]
        return [Problem(path, reason) for path, reason in told if reason]

    def _of(self, identity: str) -> list[Stored]:
        """Return the readable records of an identity: as a rule none or one."""
        found = []
        for path in sorted(self.folder.glob(f"*/*/*-{identity[:IDENTITY_LENGTH]}")):
            try:
                record = read_record(path)
            except RecordError:
                continue
            if record.identity == identity:
                found.append(Stored(path, record))
        return found

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
        return read_replicates(self.path_of(record) / REPLICATES)

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

    def check_places(self, places: Iterable[tuple[str, str]]) -> None:
        """Raise UsageError where a file lies at the folder of a (dataset, model)."""
        for dataset, model in dict.fromkeys(places):
            outer = self.folder / _folder_name(dataset)
            for path in (outer, outer / _folder_name(model)):
                if path.exists() and not path.is_dir():
                    raise UsageError(
                        f"{path} is a file, where a folder of records belongs; move it away, or "
                        "choose another folder with --out DIR"
                    )

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

        A failed or damaged record of the same identity is replaced, whatever its split is called;
        a good one is kept, and returned.

        Raises
        ------
        RecordError : the folder cannot be made where it belongs.
        """
        with self._aside() as temporary:
            if predictions is not None and replicates is not None:
                record = _with_predictions(temporary, record, predictions, replicates)
            (temporary / LOG).write_text(log, encoding="utf-8")
            (temporary / RESULT).write_text(to_json(record), encoding="utf-8")
            _flush(temporary)
            return self._move_into_place(temporary, record)

    def rescore(self, entry: Stored, metrics: Metrics, replicates: FloatArray) -> Record:
        """Put other scores of the same predictions into a record, and return it.

        Two files are replaced, each in one step, the replicates first: where that is cut short,
        `verify` tells, and nothing is lost.
        """
        here = environment()
        told = Rescored(
            version=here.packages.get("chmr-bench", ""),
            commit=here.commit,
            dirty=here.dirty,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        record = entry.record.model_copy(update={"metrics": metrics, "rescored": told})
        with self._aside() as temporary:
            _save_replicates(temporary, replicates)
            (temporary / RESULT).write_text(to_json(record), encoding="utf-8")
            _flush(temporary)
            for name in (REPLICATES, RESULT):
                (temporary / name).replace(entry.path / name)
        return record

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """Make a folder that no reader sees, and remove what is left of it."""
        temporary = self._temporary / _temporary_name()
        temporary.mkdir(parents=True)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def discard_failed(self, identity: str) -> None:
        """Remove the failed records of an identity, each in one step."""
        for entry in self._of(identity):
            if entry.record.status == "failed":
                self._discard(entry.path)

    def _discard(self, path: Path) -> None:
        aside = self._temporary / _temporary_name()
        path.rename(aside)
        _remove(aside)

    def _move_into_place(self, temporary: Path, record: Record) -> Record:
        target = self.path_of(record)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(
                f"{target.parent}: the record cannot be put there: {error.strerror or error}; "
                "move away what lies there, and run again"
            ) from error
        present = self.find(record.identity)
        if present is not None and present.status == "ok":
            return present
        # A failed or a damaged record, or what is left of one: make room in one step.
        for path in {target, *(entry.path for entry in self._of(record.identity))}:
            if path.exists():
                self._discard(path)
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


def _with_predictions(
    folder: Path, record: Record, predictions: Predictions, replicates: FloatArray
) -> Record:
    file = folder / prediction_files.FILE_NAME
    prediction_files.write(file, predictions)
    _save_replicates(folder, replicates)
    sha256 = prediction_files.file_sha256(file)
    info = PredictionsInfo.model_validate(
        {
            "dtype": str(predictions.values.dtype),
            "n_rows": len(predictions.rows),
            "cells": predictions.cells,
            "values_sha256": predictions.digest(),
            "sha256": sha256,
        }
    )
    return record.model_copy(update={"predictions": info, "predictions_sha256": sha256})


def _save_replicates(folder: Path, replicates: FloatArray) -> None:
    np.save(folder / REPLICATES, replicates.astype(np.float32), allow_pickle=False)


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


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
