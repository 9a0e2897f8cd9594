"""Hold stored results against the data: are these still the scores, the rows, the bytes?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from chmr_bench.contracts import Split
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import ChmrBenchError, RecordError
from chmr_bench.records import Metrics, Predictions, Record, RecordStore, Stored
from chmr_bench.records.predictions import replicates_digest
from chmr_bench.records.remedy import remedy
from chmr_bench.records.run import run_name
from chmr_bench.records.seal import seal
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.recorded import data_parts, other_data, requests_of
from chmr_bench.runner.scoring import clusters_of, score, score_only
from chmr_bench.types import FloatArray, IntArray
from chmr_bench.verify.differences import (
    failure_differences,
    identity_differences,
    interval_differences,
    metric_differences,
    prediction_differences,
    same_array,
    split_differences,
    word_differences,
)
from chmr_bench.verify.known import Verified

Depth = Literal["score", "verify", "write"]
State = Literal["ok", "written", "different", "unreadable", "failed run", "not at hand"]

REWRITE = "chmr-bench score --write puts what the predictions give into the record"
SEAL_BROKEN = "its seal does not fit: a field was changed after the run"
REPLICATES_DIFFER = "the bootstrap replicates are not those of the predictions"


@dataclass(frozen=True)
class Check:
    """What became of one record; `details` name every difference.

    Attributes
    ----------
    state :
        ``failed run`` holds no score to check; ``not at hand`` = the data cannot be had;
        ``written`` = the record now has the scores that its predictions give.
    blocking :
        The data ought to be there: they are registered, not a user's own file.
    """

    path: str
    state: State
    details: tuple[str, ...] = ()
    blocking: bool = False


def check_all(
    store: RecordStore,
    datasets: Datasets,
    depth: Depth,
    known: Verified | None = None,
    chosen: Sequence[Stored] | None = None,
) -> Iterator[Check]:
    """Yield a check a record, and one a place that holds no record.

    Each dataset and split is loaded once. ``score`` recomputes the scores; ``verify`` also hashes
    data, split and predictions again, and recomputes the intervals and the identity; ``write``
    verifies, and puts other scores or intervals into a record where these alone differ.

    Parameters
    ----------
    known
        of what was verified before, and is the same still, byte by byte, the scores are computed
        again, and neither its split nor its intervals; of a run on the molecules that an atlas
        measured nothing, since to open the atlas takes longer than all of that.
    chosen
        runs of the store, in its order; None = all. Places that hold no record are reported in
        any case: nobody knows whose they are.
    """
    for problem in store.problems():
        path = problem.path.relative_to(store.root).as_posix()
        yield Check(path, "unreadable", (problem.reason,))
    runs = store.stored() if chosen is None else chosen
    for _, group in groupby(runs, key=lambda s: s.content["dataset"]["name"]):
        checker = _Checker(store, datasets, depth, known)
        # Of one split together: they share its resamples, which are kept for the next.
        entries = sorted(group, key=lambda s: s.content["split"]["digest"] or "")
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


def _had(open_data: Callable[[], _Data]) -> _Data:
    """Return the data, or why they cannot be had."""
    try:
        return open_data()
    except ChmrBenchError as error:
        return _Data(None, reason=str(error))
    except Exception as error:  # noqa: BLE001 - a plugin's bug must not stop the other checks
        return _Data(None, reason=f"{type(error).__name__}: {error}")


class _Checker:
    def __init__(
        self, store: RecordStore, datasets: Datasets, depth: Depth, known: Verified | None
    ) -> None:
        self.store, self.datasets, self.depth = store, datasets, depth
        self.known = known if depth == "verify" else None
        self.known_runs: set[Stored] = set()
        self.parts: dict[DatasetRequest, tuple[str, ...]] = {}
        self.loaded: dict[DatasetRequest, _Data] = {}
        self.data: dict[tuple[str, DatasetRequest, SplitRequest], _Data] = {}

    def open(self, entry: Stored) -> None:
        """Open what the record rests on, once; in the main thread."""
        record = entry.record
        if record.status != "ok":
            return
        try:
            request, split = requests_of(record)
        except ChmrBenchError:  # `check` says so
            return
        if self._is_known(entry, request):
            self.known_runs.add(entry)
            if request.atlases:
                return
        if request not in self.loaded:
            self.loaded[request] = _had(lambda: _Data(self.datasets.load(request)))
        loaded = self.loaded[request].loaded
        key = record.dataset.digest, request, split
        if key not in self.data and loaded is not None and entry not in self.known_runs:
            self.data[key] = self._split(loaded, record, split)

    def _split(self, loaded: LoadedDataset, record: Record, split: SplitRequest) -> _Data:
        if self.depth == "score" or loaded.digest != record.dataset.digest:
            return _Data(loaded)

        def made() -> _Data:
            rows = loaded.split(split)
            return _Data(loaded, rows, clusters_of(loaded.keys_of(rows.test)))

        return _had(made)

    def _is_known(self, entry: Stored, request: DatasetRequest) -> bool:
        """Return whether this was verified before: the same record, numbers, data and code."""
        seal = entry.record.seal
        if self.known is None or seal is None or not entry.sealed:
            return False
        try:
            if request not in self.parts:
                self.parts[request] = data_parts(entry.record, self.datasets)
        except Exception:  # noqa: BLE001 - a loader's bug; `_had` says so
            return False
        return self.known.has(seal, *self.parts[request]) and not entry.damage()

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
            differences = (*broken, *identity_differences(record), *failure_differences(entry))
            return Check(path, "different" if differences else "failed run", differences)
        request, split = requests_of(record)
        if request.atlases and entry in self.known_runs:
            return Check(path, "ok")
        data = self.loaded[request]
        data = self.data.get((record.dataset.digest, request, split), data)
        if data.loaded is None:
            differences = (*broken, *interval_differences(record))
            blocking = record.dataset.origin.kind == "registered"
            return Check(
                path,
                "different" if differences else "not at hand",
                (*differences, data.reason),
                blocking,
            )
        if entry in self.known_runs:
            fresh = score_only(data.loaded.spec, data.loaded.dataset, entry.predictions())
            others = metric_differences(record.metrics, fresh, intervals=False)
            return Check(path, "different" if others else "ok", tuple(others))
        if data.loaded.digest != record.dataset.digest:
            more = identity_differences(record) if self.depth != "score" else ()
            return Check(path, "different", (*broken, other_data(record, data.loaded), *more))
        return self._compare(path, entry, data.loaded, data)

    def _compare(self, path: str, entry: Stored, loaded: LoadedDataset, data: _Data) -> Check:
        record = entry.record
        differences, predictions = self._below_the_scores(entry, loaded, data)
        if predictions is None or (differences and self.depth == "write"):
            return Check(
                path, "different", (*differences, *([] if entry.sealed else [SEAL_BROKEN]))
            )
        if data.clusters is None:
            fresh = score_only(loaded.spec, loaded.dataset, predictions)
            differences += metric_differences(record.metrics, fresh, intervals=False)
            return Check(path, "different" if differences else "ok", tuple(differences))
        fresh, replicates = score(loaded.spec, loaded.dataset, predictions, data.clusters)
        others = metric_differences(record.metrics, fresh, intervals=True)
        changed = self._replicate_differences(entry, replicates)
        others += changed
        rewritable = entry.sealed or _only_scores(entry, fresh)
        if not entry.sealed and not (self.depth == "write" and rewritable):
            differences.append(SEAL_BROKEN)
        if others and not differences and self.depth == "write":
            # Replicates that agree stay to the last bit, in the precision they were stored in.
            self.store.rescore(entry, fresh, replicates if changed else entry.replicates())
            return Check(path, "written", tuple(others))
        if not differences and not others and self.known is not None and record.seal:
            self.known.add(record.seal, *data_parts(record, self.datasets))
        only_seal = differences == [SEAL_BROKEN] and rewritable
        hint = [REWRITE] if others and (not differences or only_seal) else []
        return Check(
            path, "different" if differences + others else "ok", (*differences, *others, *hint)
        )

    def _below_the_scores(
        self, entry: Stored, loaded: LoadedDataset, data: _Data
    ) -> tuple[list[str], Predictions | None]:
        """Return what differs below the scores, and the predictions where they can be scored."""
        record = entry.record
        differences: list[str] = []
        if self.depth != "score":
            differences += identity_differences(record)
            differences += split_differences(record, data.split)
            differences += word_differences(record, loaded, data.split)
        if record.metrics is None or record.predictions is None:
            return [*differences, "status is ok, but there are no metrics, or no predictions"], None
        try:
            predictions = entry.predictions()
        except RecordError as error:
            raise RecordError(f"{error}; {remedy(entry.content, self.store.root)}") from error
        if predictions.digest() != record.predictions.values_sha256:
            way = remedy(entry.content, self.store.root)
            return [*differences, f"the predictions are not those on record; {way}"], None
        if predictions.task_names != loaded.dataset.task_names:
            return [*differences, "the predictions are of other tasks than the dataset's"], None
        if self.depth != "score":
            differences += prediction_differences(record, predictions, data.split)
        return differences, predictions

    def _replicate_differences(self, entry: Stored, replicates: FloatArray) -> list[str]:
        try:
            on_record = entry.replicates()
        except RecordError as error:
            if self.depth == "write":
                return [str(error)]
            raise RecordError(f"{error}; {remedy(entry.content, self.store.root)}") from error
        info = entry.record.predictions
        pinned = info.replicates_sha256 if info else None
        same = same_array(on_record, replicates)
        same = same and pinned in (None, replicates_digest(on_record))
        return [] if same else [REPLICATES_DIFFER]


def _only_scores(entry: Stored, fresh: Metrics) -> bool:
    """Return whether the seal fits with the scores computed anew: nothing else was changed."""
    content = {**entry.content, "metrics": fresh.model_dump(mode="json")}
    return bool(seal(content) == entry.content.get("seal"))
