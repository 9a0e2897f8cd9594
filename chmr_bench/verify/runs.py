"""Hold stored results against the data: are these still the scores, the rows, the bytes?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import ChmrBenchError, RecordError
from chmr_bench.plugins import registry
from chmr_bench.records import Metrics, Predictions, Record, RecordStore, Stored
from chmr_bench.records.arrays import FILE_NAME
from chmr_bench.records.loose import REPLICATES
from chmr_bench.records.predictions import replicates_digest
from chmr_bench.records.run import run_name
from chmr_bench.records.seal import seal
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.job import dataset_info, key_of
from chmr_bench.runner.loading import Datasets, LoadedDataset, SplitRequest
from chmr_bench.runner.scoring import score, score_only
from chmr_bench.types import PARTS, FloatArray, IntArray
from chmr_bench.verify.known import Verified

Depth = Literal["score", "verify", "write"]
State = Literal["ok", "written", "different", "unreadable", "failed run", "not at hand"]

TOLERANCE = 1e-6
"""Another processor or numpy may add in another order; a real difference is far larger."""
MEND = "to have it computed anew, run the same command again"
"""What to do about files that are damaged."""
REWRITE = "chmr-bench score --write puts what the predictions give into the record"
SEAL_BROKEN = "its seal does not fit: a field was changed after the run"
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


def check_all(
    store: RecordStore, datasets: Datasets, depth: Depth, known: Verified | None = None
) -> Iterator[Check]:
    """Yield a check a record, and one a place that holds no record.

    Each dataset and split is loaded once. ``score`` recomputes the scores; ``verify`` also hashes
    data, split and predictions again, and recomputes the intervals and the identity; ``write``
    verifies, and puts other scores or intervals into a record where these alone differ.

    Parameters
    ----------
    known
        what was verified before and is the same still, byte by byte, is not computed again.
    """
    for problem in store.problems():
        yield Check(_relative(problem.path, store), "unreadable", (problem.reason,))
    for _, group in groupby(store.stored(), key=lambda s: s.content["dataset"]["name"]):
        checker = _Checker(store, datasets, depth, known)
        entries = list(group)
        for entry in entries:
            checker.open(entry)
        with ThreadPoolExecutor(datasets.n_jobs) as pool:
            yield from pool.map(checker.check, entries)


@dataclass(frozen=True)
class _Data:
    """A record's dataset and its split made anew, or why they cannot be had.

    Attributes
    ----------
    split, clusters
        None where no interval is computed; (n_test,) which test rows are one molecule.
    """

    loaded: LoadedDataset | None
    split: Split | None = None
    clusters: IntArray | None = None
    reason: str = ""


class _Checker:
    def __init__(
        self, store: RecordStore, datasets: Datasets, depth: Depth, known: Verified | None
    ) -> None:
        self.store, self.datasets, self.depth = store, datasets, depth
        self.known = known if depth == "verify" else None
        self.loaded: dict[DatasetRequest, _Data] = {}
        self.data: dict[tuple[str, DatasetRequest, SplitRequest], _Data] = {}

    def open(self, entry: Stored) -> None:
        """Open what the record rests on, once; in the main thread."""
        record = entry.record
        if record.status != "ok":
            return
        request, split = _needed(record)
        if request not in self.loaded:
            self.loaded[request] = self._open(request)
        loaded = self.loaded[request].loaded
        key = record.dataset.digest, request, split
        if key not in self.data and loaded is not None and not self._is_known(entry, loaded):
            self.data[key] = self._split(loaded, record, split)

    def _open(self, request: DatasetRequest) -> _Data:
        try:
            return _Data(self.datasets.load(request))
        except ChmrBenchError as error:
            return _Data(None, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a loader's bug must not stop the other checks
            return _Data(None, reason=f"{type(error).__name__}: {error}")

    def _split(self, loaded: LoadedDataset, record: Record, split: SplitRequest) -> _Data:
        if self.depth == "score" or loaded.digest != record.dataset.digest:
            return _Data(loaded)
        try:
            made = loaded.split(split)
            return _Data(loaded, made, connectivity_clusters(loaded, made.test))
        except ChmrBenchError as error:
            return _Data(None, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a splitter's bug must not stop the other checks
            return _Data(None, reason=f"{type(error).__name__}: {error}")

    def _is_known(self, entry: Stored, loaded: LoadedDataset) -> bool:
        """Return whether this was verified before: the same record, numbers, data and code."""
        seal = entry.record.seal
        return (
            self.known is not None
            and seal is not None
            and entry.sealed
            and self.known.has(seal, loaded.digest)
            and not entry.damage()
        )

    def check(self, entry: Stored) -> Check:
        """Return what became of a record; one that is damaged in any way raises nothing."""
        path = "/".join(run_name(entry.content))
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
        broken = () if entry.sealed else (SEAL_BROKEN,)
        if record.status == "failed":
            found = (*broken, *_identity_differences(record), *_failure_differences(entry))
            return Check(path, "different" if found else "failed run", found)
        request, split = _needed(record)
        data = self.loaded[request]
        data = self.data.get((record.dataset.digest, request, split), data)
        if data.loaded is None:
            found = (*broken, *_interval_differences(record))
            blocking = record.dataset.origin.kind == "registered"
            return Check(
                path, "different" if found else "not at hand", (*found, data.reason), blocking
            )
        if self._is_known(entry, data.loaded):
            return Check(path, "ok")
        if data.loaded.digest != record.dataset.digest:
            more = _identity_differences(record) if self.depth != "score" else ()
            return Check(path, "different", (*broken, _other_data(record, data.loaded), *more))
        return self._compare(path, entry, data.loaded, data)

    def _compare(self, path: str, entry: Stored, loaded: LoadedDataset, data: _Data) -> Check:
        record = entry.record
        found, predictions = self._below_the_scores(entry, loaded, data)
        if predictions is None or (found and self.depth == "write"):
            return Check(path, "different", (*found, *([] if entry.sealed else [SEAL_BROKEN])))
        if data.clusters is None:
            fresh = score_only(loaded.spec, loaded.dataset, predictions)
            found += _metric_differences(record.metrics, fresh, intervals=False)
            return Check(path, "different" if found else "ok", tuple(found))
        fresh, replicates = score(loaded.spec, loaded.dataset, predictions, data.clusters)
        others = _metric_differences(record.metrics, fresh, intervals=True)
        others += self._replicate_differences(entry, replicates)
        if not entry.sealed and not (self.depth == "write" and _only_scores(entry, fresh)):
            found.append(SEAL_BROKEN)
        if others and not found and self.depth == "write":
            self.store.rescore(entry, fresh, replicates)
            return Check(path, "written", tuple(others))
        if not found and not others and self.known is not None and record.seal:
            self.known.add(record.seal, loaded.digest)
        hint = [REWRITE] if others and not found else []
        if others and found == [SEAL_BROKEN] and _only_scores(entry, fresh):
            hint = [REWRITE]
        return Check(path, "different" if found + others else "ok", (*found, *others, *hint))

    def _below_the_scores(
        self, entry: Stored, loaded: LoadedDataset, data: _Data
    ) -> tuple[list[str], Predictions | None]:
        """Return what differs below the scores, and the predictions where they can be scored."""
        record = entry.record
        found: list[str] = []
        if self.depth != "score":
            found += _identity_differences(record)
            found += _split_differences(record, data.split)
            found += _word_differences(record, loaded, data.split)
        if record.metrics is None or record.predictions is None:
            return [*found, "status is ok, but there are no metrics, or no predictions"], None
        try:
            predictions = entry.predictions()
        except RecordError as error:
            raise RecordError(f"{error}; {MEND}") from error
        if predictions.digest() != record.predictions.values_sha256:
            return [*found, f"the predictions are not those on record; {MEND}"], None
        if predictions.task_names != loaded.dataset.task_names:
            return [*found, "the predictions are of other tasks than the dataset's"], None
        if self.depth != "score":
            found += _prediction_differences(record, predictions, data.split)
        return found, predictions

    def _replicate_differences(self, entry: Stored, replicates: FloatArray) -> list[str]:
        try:
            on_record = entry.replicates()
        except RecordError as error:
            if self.depth == "write":
                return [str(error)]
            raise RecordError(f"{error}; {MEND}") from error
        info = entry.record.predictions
        pinned = info.replicates_sha256 if info else None
        same = _same_array(on_record, replicates)
        same = same and pinned in (None, replicates_digest(on_record))
        return [] if same else [REPLICATES_DIFFER]


def _relative(path: Path, store: RecordStore) -> str:
    return path.relative_to(store.root).as_posix()


def _only_scores(entry: Stored, fresh: Metrics) -> bool:
    """Return whether the seal fits with the scores computed anew: nothing else was changed."""
    content = {**entry.content, "metrics": fresh.model_dump(mode="json")}
    return bool(seal(content) == entry.content.get("seal"))


def _interval_differences(record: Record) -> list[str]:
    """Return which scores lie outside their own interval: all that is seen without the data."""
    if record.metrics is None:
        return ["status is ok, but there are no metrics, or no predictions"]
    whole = [("macro", record.metrics.macro, record.metrics.low, record.metrics.high)]
    scores = whole + [(f"task {t.task}", t.score, t.low, t.high) for t in record.metrics.per_task]
    found = [
        f"{name}: {score} lies outside its own interval, {low} to {high}"
        for name, score, low, high in scores
        if None not in (score, low, high) and not _within(score, low, high)
    ]
    return _shortened(found)


def _within(score: float | None, low: float | None, high: float | None) -> bool:
    if score is None or low is None or high is None:
        return True
    slack = TOLERANCE * max(abs(low), abs(high))
    return low - slack <= score <= high + slack


def _shortened(found: list[str]) -> list[str]:
    return found[:5] + ([f"and {len(found) - 5} more differences"] if len(found) > 5 else [])


def _other_data(record: Record, loaded: LoadedDataset) -> str:
    digests = f"{record.dataset.digest[:12]} on record, {loaded.digest[:12]} here"
    origin = record.dataset.origin
    if origin.kind == "registered":
        return f"dataset digest: {digests}"
    return (
        f"{origin.file} is not the table of this run: its content was changed or replaced since "
        f"(dataset digest: {digests}); with the old table the record can be verified"
    )


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
    found = [] if record.error else ["status is failed, but there is no error"]
    if record.metrics or record.predictions:
        found.append("status is failed, but there are metrics or predictions on record")
    there = [] if entry.kind == "packed" else sorted(p.name for p in entry.path.iterdir())
    stray = [name for name in there if name in (FILE_NAME, REPLICATES)]
    return found + [f"status is failed, but {name} is there" for name in stray]


def _word_differences(record: Record, loaded: LoadedDataset, split: Split | None) -> list[str]:
    """Return what the tables print and neither identity nor scores hold, where it is not so."""
    found = [] if record.error is None else ["status is ok, but there is an error"]
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


def _split_differences(record: Record, split: Split | None) -> list[str]:
    if split is None or split.digest() == record.split.digest:
        return []
    return [f"split digest: {record.split.digest[:12]} on record, {split.digest()[:12]} here"]


def _prediction_differences(
    record: Record, predictions: Predictions, split: Split | None
) -> list[str]:
    info, found = record.predictions, []
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
    return _shortened([f for f in found if f])


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
