"""Scores of stored predictions on clean test rows: those that share no molecule with training."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from chmr_bench.audit import Leak, Subject, leaks, shared_rows
from chmr_bench.audit.leakage import Level
from chmr_bench.contracts import Progress, no_progress
from chmr_bench.errors import ChmrBenchError, RecordError
from chmr_bench.records import Metrics, Predictions, Record, RecordStore, Stored
from chmr_bench.records.audited import AuditFile, CleanScore, Leaked
from chmr_bench.runner.auditing import subject
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.recorded import open_split, requests_of
from chmr_bench.runner.scoring import clusters_of, score
from chmr_bench.types import BoolArray, Part

SEEN: tuple[Part, ...] = ("train", "valid")
SHARED_AT: Level = "molecule"
"""A row that training shares at this level is not clean: a salt is the same drug."""


@dataclass(frozen=True)
class Skipped:
    """Records that cannot be audited, and why.

    Attributes
    ----------
    blocking :
        The data ought to be there: they are registered, not a user's own file.
    """

    dataset: str
    what: str
    reason: str
    n_records: int
    blocking: bool


def audit_records(
    store: RecordStore,
    datasets: Datasets,
    progress: Progress = no_progress,
    step: Callable[[str], None] = lambda _: None,
    only: Collection[tuple[str, str]] | None = None,
) -> Iterator[AuditFile | Skipped]:
    """Yield an audit a dataset and split that have records with scores, or why there is none.

    Parameters
    ----------
    only :
        Names of datasets with digests of splits; None = all that have records.
    """
    groups: dict[tuple[str, ...], list[Stored]] = defaultdict(list)
    for run in store.stored():
        record = run.record
        if record.status == "ok" and record.metrics is not None:
            kind = record.dataset.origin.kind
            digests = (record.dataset.digest, record.split.digest, record.metrics.metric)
            groups[(record.dataset.name, kind, *digests)].append(run)
    for members in groups.values():
        first = members[0].record
        if only is not None and (first.dataset.name, first.split.digest) not in only:
            continue
        step(f"{first.dataset.name} {first.split.name}")
        yield from _of_group(members, store, datasets, progress)


def _of_group(
    members: Sequence[Stored], store: RecordStore, datasets: Datasets, progress: Progress
) -> Iterator[AuditFile | Skipped]:
    first = members[0].record
    name = f"{first.dataset.name} {first.split.name}"
    try:
        data, _ = open_split(first, datasets)
        one = subject(data, requests_of(first)[1], progress)
    except ChmrBenchError as error:
        blocking = first.dataset.origin.kind == "registered"
        yield Skipped(first.dataset.name, name, str(error), len(members), blocking)
        return
    clean = clean_rows(one)

    def scored(run: Stored) -> CleanScore | Skipped:
        try:
            return clean_score(run.record, _predictions(run, store), one, clean)
        except ChmrBenchError as error:
            path = store.path_of(run.record).relative_to(store.root).as_posix()
            return Skipped(first.dataset.name, path, str(error), 1, blocking=True)

    scores = {}
    with ThreadPoolExecutor(datasets.n_jobs) as pool:
        for i, (run, result) in enumerate(zip(members, pool.map(scored, members), strict=True)):
            progress(i, len(members), "records")
            if isinstance(result, Skipped):
                yield result
            else:
                scores[run.identity] = result
    progress(len(members), len(members), "records")
    yield _file(first, one, clean, scores)


def clean_rows(one: Subject) -> BoolArray:
    """Return which test rows are clean, (n_test,): the molecule was seen in no form."""
    seen = np.concatenate([one.split.train, one.split.valid])
    return ~shared_rows(one.names[SHARED_AT], one.split.test, seen)


def _predictions(run: Stored, store: RecordStore) -> Predictions:
    try:
        return run.predictions()
    except RecordError:
        return store.predictions(run.record)  # elsewhere, where another process packed it meanwhile


def clean_score(
    record: Record, predictions: Predictions, one: Subject, clean: BoolArray
) -> CleanScore:
    """Return a record's score on the clean test rows.

    Parameters
    ----------
    clean :
        (n_test,) which test rows are clean.

    Raises
    ------
    RecordError
        The predictions are not of the split's test rows.
    """
    if not np.array_equal(predictions.rows, one.split.test):
        raise RecordError("the predicted rows are not the test rows of the split")
    if record.predictions_sha256 is None or record.metrics is None:
        raise RecordError("status is ok, but there are no metrics, or no predictions")
    metrics: Metrics | None = record.metrics
    if not clean.any():
        metrics = None
    elif not clean.all():
        clusters = clusters_of([one.molecules.keys[row] for row in one.split.test[clean].tolist()])
        of_clean = dataclasses.replace(
            predictions, rows=predictions.rows[clean], values=predictions.values[clean]
        )
        metrics, _ = score(one.spec, one.dataset, of_clean, clusters)
    return CleanScore(
        macro=metrics.macro if metrics else None,
        low=metrics.low if metrics else None,
        high=metrics.high if metrics else None,
        n_evaluable=metrics.n_evaluable if metrics else 0,
        predictions_sha256=record.predictions_sha256,
    )


def _file(
    record: Record, one: Subject, clean: BoolArray, scores: dict[str, CleanScore]
) -> AuditFile:
    return AuditFile(
        dataset=record.dataset.name,
        dataset_digest=one.digest,
        split=record.split.name,
        split_seed=record.split.seed,
        split_digest=record.split.digest,
        metric=record.dataset.metric,
        levels={leak.level: _leaked(leak) for leak in leaks(one.names, one.split)},
        levels_with_valid={leak.level: _leaked(leak) for leak in leaks(one.names, one.split, SEEN)},
        molecules={name: len(set(of)) for name, of in one.names.items() if name != "scaffold"},
        n_test=len(clean),
        n_clean=int(clean.sum()),
        scores=dict(sorted(scores.items())),
    )


def _leaked(leak: Leak) -> Leaked:
    return Leaked(test_rows=leak.test_rows, leaked_rows=leak.leaked_rows, share=leak.share)
