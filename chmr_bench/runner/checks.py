"""Hold stored results against the data: are these still the scores, the rows, the bytes?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from chmr_bench.errors import ChmrBenchError, RecordError
from chmr_bench.records import Metrics, Predictions, Record, RecordStore, Stored
from chmr_bench.records.predictions import FILE_NAME, file_sha256
from chmr_bench.runner.job import key_of
from chmr_bench.runner.scoring import score, score_only
from chmr_bench.runner.workspace import DatasetRequest, Opened, SplitRequest, Workspace
from chmr_bench.types import FloatArray, IntArray

Depth = Literal["score", "verify"]
State = Literal["ok", "different", "unreadable", "failed run", "not at hand"]

TOLERANCE = 1e-6
"""Another processor or numpy may add in another order; a real difference is far larger."""


@dataclass(frozen=True)
class Check:
    """What became of one record; `details` name every difference.

    Attributes
    ----------
    state : ``failed run`` holds no score to check; ``not at hand`` = the data cannot be had.
    blocking : the data ought to be there: they are registered, not a user's own file.
    """

    path: str
    state: State
    details: tuple[str, ...] = ()
    blocking: bool = False


def check_all(store: RecordStore, workspace: Workspace, depth: Depth) -> Iterator[Check]:
    """Yield a check a record, and one a folder that is no record.

    Each dataset and split is opened once. ``score`` recomputes the scores; ``verify`` also hashes
    data, split and predictions again, and recomputes the intervals and the identity.
    """
    for problem in store.problems():
        path = problem.path.relative_to(store.folder).as_posix()
        yield Check(path, "unreadable", (problem.reason,))
    for _, group in groupby(store.stored(), key=lambda s: s.record.dataset.name):
        checker = _Checker(store, workspace, depth)
        entries = list(group)
        for entry in entries:
            checker.open(entry.record)
        with ThreadPoolExecutor(workspace.n_jobs) as pool:
            yield from pool.map(checker.check, entries)


@dataclass(frozen=True)
class _Data:
    """A record's dataset and the digest of its split made anew, or why they cannot be had."""

    opened: Opened | None
    split_digest: str = ""
    test: IntArray | None = None
    reason: str = ""


class _Checker:
    def __init__(self, store: RecordStore, workspace: Workspace, depth: Depth) -> None:
        self.store, self.workspace, self.depth = store, workspace, depth
        self.data: dict[tuple[DatasetRequest, SplitRequest], _Data] = {}

    def open(self, record: Record) -> None:
        """Open what the record rests on, once; in the main thread."""
        key = _needed(record)
        if key not in self.data and record.status == "ok":
            self.data[key] = self._open(*key)

    def _open(self, request: DatasetRequest, split: SplitRequest) -> _Data:
        try:
            opened = self.workspace.open(request)
            if self.depth == "score":
                return _Data(opened)
            made = self.workspace.split(opened, split)
        except ChmrBenchError as error:
            return _Data(None, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a loader's bug must not stop the other checks
            return _Data(None, reason=f"{type(error).__name__}: {error}")
        return _Data(opened, made.digest(), made.test)

    def check(self, entry: Stored) -> Check:
        """Return what became of a record; one that is damaged in any way raises nothing."""
        path = entry.path.relative_to(self.store.folder).as_posix()
        try:
            return self._check(path, entry)
        except RecordError as error:
            return Check(path, "unreadable", (str(error),))
        except (ChmrBenchError, IndexError) as error:
            return Check(path, "different", (str(error),))
        except Exception as error:  # noqa: BLE001 - damage has no end of ways to show
            return Check(path, "unreadable", (f"{type(error).__name__}: {error}",))

    def _check(self, path: str, entry: Stored) -> Check:
        record = entry.record
        if record.status == "failed":
            return Check(path, "failed run", _identity_differences(record))
        data = self.data[_needed(record)]
        if data.opened is None:
            blocking = record.dataset.origin.kind == "registered"
            return Check(path, "not at hand", (data.reason,), blocking)
        details = self._differences(entry, data.opened, data)
        return Check(path, "different" if details else "ok", tuple(details))

    def _differences(self, entry: Stored, opened: Opened, data: _Data) -> list[str]:
        record, dataset = entry.record, opened.dataset
        found: list[str] = []
        if self.depth == "verify":
            found += _identity_differences(record)
            found += _digest_differences(record, opened, data.split_digest)
        told = _file_differences(entry)
        if told or record.metrics is None:  # what is not the file on record is not even parsed
            return [*found, *told]
        predictions = self.store.predictions(record)
        if predictions.task_names != dataset.task_names:
            return [*found, "the predictions are of other tasks than the dataset's"]
        if self.depth == "score":
            fresh = score_only(opened.spec, dataset, predictions)
            return _metric_differences(record.metrics, fresh, intervals=False)
        found += _prediction_differences(record, predictions, data.test)
        fresh, replicates = score(opened.spec, dataset, predictions)
        found += _metric_differences(record.metrics, fresh, intervals=True)
        if not _same_array(self.store.replicates(record), replicates):
            found.append("the bootstrap replicates are not those of the predictions")
        return found


def _needed(record: Record) -> tuple[DatasetRequest, SplitRequest]:
    return DatasetRequest.of_record(record), SplitRequest(record.split.name, record.split.seed)


def _identity_differences(record: Record) -> tuple[str, ...]:
    made = key_of(record).identity()
    if made == record.identity:
        return ()
    return (f"its words make the identity {made[:12]}, not {record.identity[:12]}",)


def _digest_differences(record: Record, opened: Opened, split_digest: str) -> list[str]:
    pairs = {
        "dataset": (record.dataset.digest, opened.digest),
        "split": (record.split.digest, split_digest),
    }
    return [
        f"{what} digest: {stored[:12]} on record, {fresh[:12]} here"
        for what, (stored, fresh) in pairs.items()
        if stored != fresh
    ]


def _file_differences(entry: Stored) -> list[str]:
    """Return what is wrong with the file of predictions before a byte of it is parsed."""
    record, info = entry.record, entry.record.predictions
    if record.metrics is None or info is None:
        return ["status is ok, but there are no metrics, or no predictions"]
    if record.predictions_sha256 != info.sha256:
        return ["predictions_sha256 and predictions.sha256 differ"]
    try:
        sha256 = file_sha256(entry.path / FILE_NAME)
    except OSError as error:
        raise RecordError(f"{FILE_NAME}: cannot be read: {error.strerror}") from error
    return [] if sha256 == info.sha256 else [f"{FILE_NAME} is not the file on record"]


def _prediction_differences(
    record: Record, predictions: Predictions, test: IntArray | None
) -> list[str]:
    found = []
    if record.predictions is None or predictions.digest() != record.predictions.values_sha256:
        found.append("the predictions are not those on record")
    if test is not None and not np.array_equal(predictions.rows, test):
        found.append("the predicted rows are not the test rows of the split")
    return found


def _metric_differences(stored: Metrics, fresh: Metrics, *, intervals: bool) -> list[str]:
    """Return what differs, the first few tasks named."""
    names: Sequence[str] = ("metric", "n_tasks", "n_evaluable", "macro", "share_080")
    names = [*names, "low", "high"] if intervals else names
    found = [_difference(name, getattr(stored, name), getattr(fresh, name)) for name in names]
    if len(stored.per_task) != len(fresh.per_task):
        return [*filter(None, found), "the tasks on record are not the dataset's"]
    for a, b in zip(stored.per_task, fresh.per_task, strict=True):
        fields = ("task", "score", "n", "n_minority", "evaluable")
        found += [
            _difference(f"task {a.task}: {name}", getattr(a, name), getattr(b, name))
            for name in ((*fields, "low", "high") if intervals else fields)
        ]
    told = [f for f in found if f]
    return told[:5] + ([f"and {len(told) - 5} more differences"] if len(told) > 5 else [])


def _difference(name: str, stored: object, fresh: object) -> str:
    if isinstance(stored, float) and isinstance(fresh, float):
        same = math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    else:
        same = stored == fresh
    return "" if same else f"{name}: {stored} on record, {fresh} computed"


def _same_array(stored: FloatArray, fresh: FloatArray) -> bool:
    if stored.shape != fresh.shape:
        return False
    return bool(np.allclose(stored, fresh, rtol=1e-5, atol=TOLERANCE, equal_nan=True))
