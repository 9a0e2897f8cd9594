"""Hold stored results against the data: are these still the scores, the rows, the bytes?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import ChmrBenchError, RecordError
from chmr_bench.plugins import registry
from chmr_bench.records import Metrics, Predictions, Record, RecordStore, Stored
from chmr_bench.records.folder import REPLICATES
from chmr_bench.records.predictions import FILE_NAME, file_sha256
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.job import dataset_info, key_of
from chmr_bench.runner.loading import Datasets, LoadedDataset, SplitRequest
from chmr_bench.runner.scoring import score, score_only
from chmr_bench.types import PARTS, FloatArray, IntArray

Depth = Literal["score", "verify", "write"]
State = Literal["ok", "written", "different", "unreadable", "failed run", "not at hand"]

TOLERANCE = 1e-6
"""Another processor or numpy may add in another order; a real difference is far larger."""
MEND = "to have it computed anew, run the same command again"
"""What to do about files that are damaged."""
REWRITE = "chmr-bench score --write puts what the predictions give into the record"
REPLICATES_DIFFER = "the bootstrap replicates are not those of the predictions"
DATASET_WORDS = (
    "title",
    "version",
    "task_type",
    "metric",
    "unit",
    "n_molecules",
    "n_tasks",
    "dropped",
    "dropped_rows",
    "synthetic",
)
"""What a record says of its dataset beside name and digest."""


@dataclass(frozen=True)
class Check:
    """What became of one record; `details` name every difference.

    Attributes
    ----------
    state : ``failed run`` holds no score to check; ``not at hand`` = the data cannot be had;
        ``written`` = the record now has the scores that its predictions give.
    blocking : the data ought to be there: they are registered, not a user's own file.
    """

    path: str
    state: State
    details: tuple[str, ...] = ()
    blocking: bool = False


def check_all(store: RecordStore, datasets: Datasets, depth: Depth) -> Iterator[Check]:
    """Yield a check a record, and one a folder that is no record.

    Each dataset and split is opened once. ``score`` recomputes the scores; ``verify`` also hashes
    data, split and predictions again, and recomputes the intervals and the identity; ``write``
    verifies, and puts other scores or intervals into a record where these alone differ.
    """
    for problem in store.problems():
        path = problem.path.relative_to(store.folder).as_posix()
        yield Check(path, "unreadable", (problem.reason,))
    for _, group in groupby(store.stored(), key=lambda s: s.record.dataset.name):
        checker = _Checker(store, datasets, depth)
        entries = list(group)
        for entry in entries:
            checker.open(entry.record)
        with ThreadPoolExecutor(datasets.n_jobs) as pool:
            yield from pool.map(checker.check, entries)


@dataclass(frozen=True)
class _Data:
    """A record's dataset and its split made anew, or why they cannot be had.

    Attributes
    ----------
    clusters : (n_test,) which test rows are one molecule; None where no interval is computed.
    """

    loaded: LoadedDataset | None
    split: Split | None = None
    clusters: IntArray | None = None
    reason: str = ""


class _Checker:
    def __init__(self, store: RecordStore, datasets: Datasets, depth: Depth) -> None:
        self.store, self.datasets, self.depth = store, datasets, depth
        self.data: dict[tuple[DatasetRequest, SplitRequest], _Data] = {}

    def open(self, record: Record) -> None:
        """Open what the record rests on, once; in the main thread."""
        key = _needed(record)
        if key not in self.data and record.status == "ok":
            self.data[key] = self._open(*key)

    def _open(self, request: DatasetRequest, split: SplitRequest) -> _Data:
        try:
            loaded = self.datasets.load(request)
            if self.depth == "score":
                return _Data(loaded)
            made = loaded.split(split)
            clusters = connectivity_clusters(loaded, made.test)
        except ChmrBenchError as error:
            return _Data(None, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a loader's bug must not stop the other checks
            return _Data(None, reason=f"{type(error).__name__}: {error}")
        return _Data(loaded, made, clusters)

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
            found = (*_identity_differences(record), *_failure_differences(entry))
            return Check(path, "different" if found else "failed run", found)
        data = self.data[_needed(record)]
        if data.loaded is None:
            blocking = record.dataset.origin.kind == "registered"
            return Check(path, "not at hand", (data.reason,), blocking)
        return self._compare(path, entry, data.loaded, data)

    def _compare(self, path: str, entry: Stored, loaded: LoadedDataset, data: _Data) -> Check:
        record = entry.record
        found, predictions = self._below_the_scores(entry, loaded, data)
        if predictions is None or (found and self.depth == "write"):
            return Check(path, "different", tuple(found))
        if data.clusters is None:
            told = score_only(loaded.spec, loaded.dataset, predictions)
            found += _metric_differences(record.metrics, told, intervals=False)
            return Check(path, "different" if found else "ok", tuple(found))
        fresh, replicates = score(loaded.spec, loaded.dataset, predictions, data.clusters)
        others = _metric_differences(record.metrics, fresh, intervals=True)
        others += self._replicate_differences(record, replicates)
        if others and self.depth == "write":
            self.store.rescore(entry, fresh, replicates)
            return Check(path, "written", tuple(others))
        hint = [REWRITE] if others and not found else []
        return Check(path, "different" if found + others else "ok", (*found, *others, *hint))

    def _below_the_scores(
        self, entry: Stored, loaded: LoadedDataset, data: _Data
    ) -> tuple[list[str], Predictions | None]:
        """Return what differs below the scores, and the predictions where they can be scored."""
        record = entry.record
        found: list[str] = []
        if self.depth != "score":
            found += _identity_differences(record)
            found += _digest_differences(record, loaded, data.split)
            found += _word_differences(record, loaded, data.split)
        told = _file_differences(entry)
        if told:  # what is not the file on record is not even parsed
            return [*found, *told], None
        predictions = self.store.predictions(record)
        if predictions.task_names != loaded.dataset.task_names:
            return [*found, "the predictions are of other tasks than the dataset's"], None
        if self.depth != "score":
            found += _prediction_differences(record, predictions, data.split)
        return found, predictions

    def _replicate_differences(self, record: Record, replicates: FloatArray) -> list[str]:
        try:
            on_record = self.store.replicates(record)
        except RecordError as error:
            if self.depth == "write":
                return [str(error)]
            raise RecordError(f"{error}; {MEND}") from error
        return [] if _same_array(on_record, replicates) else [REPLICATES_DIFFER]


def _needed(record: Record) -> tuple[DatasetRequest, SplitRequest]:
    return DatasetRequest.of_record(record), SplitRequest(record.split.name, record.split.seed)


def _identity_differences(record: Record) -> tuple[str, ...]:
    made = key_of(record).identity()
    if made == record.identity:
        return ()
    return (f"its words make the identity {made[:12]}, not {record.identity[:12]}",)


def _failure_differences(entry: Stored) -> list[str]:
    """Return what a failed record has that none can have."""
    record = entry.record
    found = [] if record.error else ["status is failed, but no error is told"]
    if record.metrics or record.predictions or record.predictions_sha256:
        found.append("status is failed, but there are metrics or predictions on record")
    there = [name for name in (FILE_NAME, REPLICATES) if (entry.path / name).exists()]
    return found + [f"status is failed, but {name} is there" for name in there]


def _word_differences(record: Record, loaded: LoadedDataset, split: Split | None) -> list[str]:
    """Return what the tables print and neither identity nor scores hold, where it is not so."""
    found = [] if record.error is None else ["status is ok, but an error is told"]
    fresh = dataset_info(loaded)
    found += [
        _difference(f"dataset.{name}", getattr(record.dataset, name), getattr(fresh, name))
        for name in DATASET_WORDS
    ]
    if split is not None:
        found += [
            _difference(f"split.n_{part}", getattr(record.split, f"n_{part}"), len(rows))
            for part, rows in ((p, split.part(p)) for p in PARTS)
        ]
    found += _model_differences(record)
    return [f for f in found if f]


def _model_differences(record: Record) -> list[str]:
    model = record.model
    found = []
    if model.deterministic != (record.seed is None):
        found.append(f"model.deterministic is {model.deterministic}, but the seed {record.seed}")
    registered = registry().models.get(model.id)
    if registered is not None and registered.spec.version == model.version:
        fresh = registered.spec.deterministic
        found.append(_difference("model.deterministic", model.deterministic, fresh))
    found += [
        f"model.overrides: {name} is not what model.params holds"
        for name, value in model.overrides.items()
        if name not in model.params or model.params[name] != value
    ]
    return found


def _digest_differences(record: Record, loaded: LoadedDataset, split: Split | None) -> list[str]:
    pairs = {"dataset": (record.dataset.digest, loaded.digest)}
    if split is not None:
        pairs["split"] = (record.split.digest, split.digest())
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
        raise RecordError(f"{FILE_NAME}: cannot be read: {error.strerror}; {MEND}") from error
    return [] if sha256 == info.sha256 else [f"{FILE_NAME} is not the file on record; {MEND}"]


def _prediction_differences(
    record: Record, predictions: Predictions, split: Split | None
) -> list[str]:
    info, found = record.predictions, []
    if info is None or predictions.digest() != info.values_sha256:
        found.append("the predictions are not those on record")
    if info is not None:
        found.append(_difference("predictions.n_rows", info.n_rows, len(predictions.rows)))
        found.append(_difference("predictions.cells", info.cells, predictions.cells))
        found.append(_difference("predictions.dtype", info.dtype, str(predictions.values.dtype)))
    if split is not None and not np.array_equal(predictions.rows, split.test):
        found.append("the predicted rows are not the test rows of the split")
    return [f for f in found if f]


def _metric_differences(stored: Metrics | None, fresh: Metrics, *, intervals: bool) -> list[str]:
    """Return what differs, the first few tasks named."""
    if stored is None:
        return ["there are no metrics on record"]
    names: Sequence[str] = (
        "metric",
        "greater_is_better",
        "n_tasks",
        "n_evaluable",
        "macro",
        "share_080",
    )
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
