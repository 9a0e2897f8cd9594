"""A job in a straight line: split, features, fit and predict in a worker, score, record.

Jobs that differ in what is masked of the test rows go along it together, with one fit.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench import isolation
from chmr_bench.contracts import PendingWeights, Progress, Split, Weights
from chmr_bench.errors import MemoryLimitError, RemoteError, WorkerDiedError, WorkerError
from chmr_bench.plugins import registry
from chmr_bench.records import (
    ErrorInfo,
    Metrics,
    Predictions,
    Record,
    Resources,
    SplitInfo,
    Timing,
)
from chmr_bench.records.environment import environment
from chmr_bench.runner import logs
from chmr_bench.runner.checking import check_predictions
from chmr_bench.runner.clock import Clock, Listener
from chmr_bench.runner.fitting import FIT, FitTask, Fitted, Predicted, ToPredict
from chmr_bench.runner.frozen import frozen_info
from chmr_bench.runner.job import Job, cells_info, dataset_info, model_info, plugin_ref
from chmr_bench.runner.keeping import stored_predictions
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.masking import SplitInputs, split_inputs
from chmr_bench.runner.needs import needs_of
from chmr_bench.runner.options import RunOptions
from chmr_bench.runner.scoring import clusters_of, constant_targets, hard_labels, score
from chmr_bench.runner.weights import WeightsCache, n_seen
from chmr_bench.settings import require
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.types import BoolArray, FloatArray, IntArray
from chmr_bench.worker import short_traceback

LOG_LINES = 15
"""So many of the last lines of its log stand in the record of a job whose process died."""

log = logging.getLogger("chmr_bench.runner")


@dataclass(frozen=True)
class Finished:
    """A job's record and what belongs beside it; the last two are None where it failed."""

    record: Record
    log: str
    predictions: Predictions | None = None
    replicates: FloatArray | None = None


@dataclass(frozen=True)
class _Result:
    predictions: Predictions
    metrics: Metrics
    replicates: FloatArray
    predicted: Predicted
    fitted: Fitted
    n_test_seen: int | None
    masked: Mapping[str, Any] | None
    frozen: Mapping[str, Any] | None


def settle(
    job: Job, options: RunOptions, cache: WeightsCache, listener: Listener
) -> Job | Finished:
    """Return the job with its weights made, so that its identity is final; or its failed record.

    What failed for one job is not tried again for the next: it may have taken an hour.

    Raises
    ------
    KeyboardInterrupt
        The user wants to stop; what was made so far is the plugin's to keep.
    """
    if not isinstance(job.weights, PendingWeights):
        return job
    with logs.captured() as stream:
        clock = Clock(listener, stream)
        log.info("%s: %s", job, job.weights.title)
        failed = cache.failed.get(job.pending_text())
        if failed is None:
            clock.stage("weights")
            try:
                weights = cache.make(job.weights_key(), clock)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                failed = cache.failed[job.pending_text()] = error_info(error, clock)
        else:
            log.error("the same weights failed in an earlier job: %s", failed.message)
        if failed is not None:
            clock.end()
            record = _record(job, options, clock.timing(job.weights_seconds), failed)
            return Finished(record, logs.encodable(stream.getvalue()))
        clock.stop()
    return replace(job, weights=weights, weights_seconds=clock.seconds["weights"])


def run_jobs(
    jobs: Sequence[Job], options: RunOptions, listener: Listener | None = None
) -> Iterator[Finished]:
    """Yield jobs of one `Job.fit_name`, whose weights are there, done with one fit.

    A failure of the model, whatever it is, is a failed record, not an exception. Where a fit for
    several fails each is done alone, so that one that fails takes no other along; but not where the
    fit itself failed, which is the same for all.

    Raises
    ------
    KeyboardInterrupt
        The user wants to stop; nothing is left behind.
    """
    finished = _together(jobs, options, listener or Listener())
    if len(jobs) > 1 and _may_be_done_alone(finished[0].record.error):
        for job in jobs:
            yield from run_jobs([job], options, listener)
    else:
        yield from finished


def _may_be_done_alone(failure: ErrorInfo | None) -> bool:
    """Return whether jobs that failed together may be done each by itself.

    In a fit that dies for want of memory the test rows of all take part of it.
    """
    of_memory = (MemoryLimitError.__name__, WorkerDiedError.__name__)
    return failure is not None and (failure.phase != "fit" or failure.type in of_memory)


def _together(jobs: Sequence[Job], options: RunOptions, listener: Listener) -> list[Finished]:
    """Return all jobs done, or all failed."""
    results: Sequence[_Result | None] = [None] * len(jobs)
    failure: ErrorInfo | None = None
    with logs.captured() as stream:
        clock = Clock(listener, stream)
        for job in jobs:
            log.info("%s, split %s", job, job.split.method)
        try:
            results = _results(jobs, options, clock)
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001 - as above
            failure = error_info(error, clock)
        clock.end()
        records = []
        for job, result in zip(jobs, results, strict=True):
            timing = clock.timing(job.weights_seconds, len(jobs))
            records.append(_record(job, options, timing, failure, result))
    text = logs.encodable(stream.getvalue())
    return [
        Finished(record, text, result.predictions, result.replicates)
        if result
        else Finished(record, text)
        for record, result in zip(records, results, strict=True)
    ]


def _results(jobs: Sequence[Job], options: RunOptions, clock: Clock) -> list[_Result]:
    """Return scored predictions; the labels of the test rows stay in this process."""
    first = jobs[0]
    data, report = first.data, clock.limited(options.limits.seconds)
    clock.stage("load")
    require(first.model.spec)
    split = data.split(first.split)
    clock.stage("features")
    with stdout_to_stderr():
        parts = _parts(jobs, split, report)
    seen = None
    if isinstance(first.weights, Weights) and first.weights.seen is not None:
        seen = n_seen(first.weights.seen, data, split.test, report)
    fitted = _fitted(first, options, parts, clock)
    clock.stage("score")
    clusters = clusters_of(data.keys_of(split.test, report))
    pairs = zip(parts, fitted.tests, strict=True)
    return [_scored(data, split, one, of, fitted, clusters, seen) for one, of in pairs]


def _parts(jobs: Sequence[Job], split: Split, report: Progress) -> list[SplitInputs]:
    """Return what each job's model sees; of training and validation rows the first has them all."""
    data, spec = jobs[0].data, jobs[0].model.spec
    inputs = data.inputs(spec, needs_of(spec, jobs[0].config), report)
    parts: list[SplitInputs] = []
    for job in jobs:
        one = split_inputs(inputs, split, job.missing, data, report, spec.views)
        parts.append(one.of_test() if parts else one)
    return parts


def _fitted(job: Job, options: RunOptions, parts: Sequence[SplitInputs], clock: Clock) -> Fitted:
    """Return what a worker gives, which is given no label of a test row."""
    data = job.data
    split = data.split(job.split)
    task = FitTask(
        spec=job.model.spec,
        config=job.config,
        train=parts[0].train,
        y_train=data.dataset.y[split.train],
        valid=parts[0].valid,
        y_valid=data.dataset.y[split.valid],
        tests=tuple(ToPredict(one.test, one.givers, one.blocks) for one in parts),
        context=job.context(options.n_jobs, "chmr_bench.model"),
        registry=registry(),
    )
    fitted: Fitted = isolation.call(FIT, task, limits=options.limits, receiver=clock)
    return fitted


def _scored(
    data: LoadedDataset,
    split: Split,
    parts: SplitInputs,
    predicted: Predicted,
    fitted: Fitted,
    clusters: IntArray,
    n_test_seen: int | None,
) -> _Result:
    y_pred = check_predictions(
        predicted.y_pred,
        (len(split.test), len(data.dataset.task_names)),
        data.spec.task_type == "classification",
    )
    stored = stored_predictions(data, split, y_pred, fitted.y_valid_pred)
    metrics, replicates = score(data.spec, data.dataset, stored, clusters)
    frozen = None
    if predicted.draws is not None and parts.givers is not None:
        given: BoolArray = np.all(parts.givers >= 0, axis=0)
        frozen = frozen_info(data.spec, data.dataset, split.test, y_pred, predicted.draws, given)
    return _Result(
        stored, metrics, replicates, predicted, fitted, n_test_seen, parts.masked, frozen
    )


def error_info(error: BaseException, clock: Clock) -> ErrorInfo:
    """Return what the record says of a failure, and write it to the log."""
    trace = short_traceback(error)
    if isinstance(error, WorkerError):
        lines = clock.stream.getvalue().splitlines()[-LOG_LINES:]
        trace = "\n".join(["the last lines of its log:", *lines])
    failure = ErrorInfo(
        type=logs.encodable(error.kind) if isinstance(error, RemoteError) else type(error).__name__,
        message=logs.short_message(error) or "no message",
        phase=clock.phase,
        traceback=logs.encodable(trace),
    )
    log.error("%s: %s\n%s", failure.type, failure.message, failure.traceback)
    return failure


def _record(
    job: Job,
    options: RunOptions,
    timing: Timing,
    failure: ErrorInfo | None,
    result: _Result | None = None,
) -> Record:
    return Record(
        identity=job.identity,
        status="ok" if result else "failed",
        error=failure,
        model=model_info(job, result.n_test_seen if result else None),
        plugin=plugin_ref(job),
        dataset=dataset_info(job.data),
        split=_split_info(job),
        seed=job.seed,
        missing=job.missing.to_dict() if job.missing else None,
        hidden=dict(result.masked) if result and result.masked else None,
        cells=cells_info(job, job.data.split(job.split).test if result else None),
        replaced=dict(result.frozen) if result and result.frozen else None,
        precision=job.precision,
        metrics=result.metrics if result else None,
        remarks=_remarks(job, result) if result else [],
        timing=timing,
        resources=_resources(job, options, result),
        environment=environment(),
        command=list(options.command),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _remarks(job: Job, result: _Result) -> list[str]:
    """Return what a reader of the scores should know: of the predictions, and of the labels."""
    remarks = [*job.data.dataset.remarks, *result.predicted.remarks]
    remarks += constant_targets(result.metrics, job.data.dataset.y[result.predictions.rows])
    if job.data.spec.task_type == "classification":
        remarks += hard_labels(result.predictions.values)
    return [logs.encodable(remark) for remark in remarks]


def _resources(job: Job, options: RunOptions, result: _Result | None) -> Resources:
    return Resources(
        n_jobs=options.n_jobs,
        device=job.device,
        device_name=_device_name(job),
        peak_memory_mb=result.fitted.peak_memory_mb if result else None,
        peak_memory_of=result.fitted.peak_memory_of if result else "unknown",
    )


def _split_info(job: Job) -> SplitInfo:
    """Return what the record says of the split, from its registered sizes if it was never made."""
    sizes = job.data.spec.split_sizes
    if not (job.split.method == "reference" and any(sizes)):
        split = job.data.split(job.split)
        sizes = (len(split.train), len(split.valid), len(split.test))
    return SplitInfo(
        name=job.split.method,
        seed=job.split.seed,
        digest=job.data.split_digest(job.split),
        n_train=sizes[0],
        n_valid=sizes[1],
        n_test=sizes[2],
    )


def _device_name(job: Job) -> str:
    if job.device == "cpu":
        return ""
    with contextlib.suppress(ImportError, RuntimeError, AssertionError):
        import torch

        return str(torch.cuda.get_device_name())
    return ""
