"""One job: load, features, fit, predict, check, score, and the record of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from chmr_bench.contracts import (
    FitContext,
    Inputs,
    PendingWeights,
    Progress,
    Split,
    TaskInfo,
    Weights,
)
from chmr_bench.errors import PredictionError
from chmr_bench.lazy import load_object
from chmr_bench.records import (
    ErrorInfo,
    Metrics,
    ModelInfo,
    Phase,
    Predictions,
    Record,
    Resources,
    SplitInfo,
    Timing,
)
from chmr_bench.records.environment import (
    MemoryScope,
    environment,
    peak_memory_mb,
    reset_peak_memory,
)
from chmr_bench.records.predictions import as_stored
from chmr_bench.runner import logs
from chmr_bench.runner import weights as start
from chmr_bench.runner.checking import check_predictions
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.hiding import parts_seen
from chmr_bench.runner.job import Job, dataset_info, model_info, plugin_ref
from chmr_bench.runner.scoring import score
from chmr_bench.runner.workspace import Workspace
from chmr_bench.settings import require
from chmr_bench.types import FloatArray

log = logging.getLogger("chmr_bench.runner")


class Listener(Protocol):
    """Hears how a job goes."""

    def stage(self, phase: Phase) -> None:
        """Hear that a phase begins."""

    def step(self, name: str) -> None:
        """Hear that a part of a long phase begins."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Hear how far the phase is."""


class Silent:
    """Listens to nothing."""

    def stage(self, phase: Phase) -> None:
        """Ignore it."""

    def step(self, name: str) -> None:
        """Ignore it."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Finished:
    """A job's record and what belongs beside it; the last two are None where it failed."""

    record: Record
    log: str
    predictions: Predictions | None = None
    replicates: FloatArray | None = None


@dataclass
class Clock:
    """Seconds a phase, and which phase it is."""

    listener: Listener
    seconds: dict[Phase, float] = field(default_factory=dict)
    phase: Phase = "load"
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def after(cls, listener: Listener, weights: float) -> Clock:
        """Return a clock that has run already for the seconds that the weights took."""
        seconds: dict[Phase, float] = {"weights": weights} if weights else {}
        return cls(listener, seconds, started=time.perf_counter() - weights)

    @contextmanager
    def time(self, phase: Phase) -> Iterator[None]:
        """Count the block's seconds to a phase."""
        self.phase = phase
        self.listener.stage(phase)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = time.perf_counter() - start
            log.info("%s: %.2f s", phase, self.seconds[phase])

    def timing(self) -> Timing:
        """Return what the record says."""
        rounded = {phase: round(seconds, 3) for phase, seconds in self.seconds.items()}
        return Timing(**rounded, total=round(time.perf_counter() - self.started, 3))


_Words: TypeAlias = Mapping[str, ErrorInfo | Metrics | ModelInfo | Mapping[str, Any] | None]
"""What a record says that depends on how the job went."""


@dataclass(frozen=True)
class _Result:
    predictions: Predictions
    metrics: Metrics
    replicates: FloatArray
    n_test_seen: int | None
    hidden: Mapping[str, Any] | None


def settle(
    job: Job,
    workspace: Workspace,
    listener: Listener | None = None,
    command: Sequence[str] = (),
) -> Job | Finished:
    """Return the job with its weights made, so that its identity is final; or its failed record.

    What failed for one job is not tried again for the next: it may have taken an hour.

    Raises
    ------
    KeyboardInterrupt : the user wants to stop; what was made so far is the plugin's to keep.
    """
    if not isinstance(job.weights, PendingWeights):
        return job
    scope = reset_peak_memory()
    clock = Clock(listener or Silent())
    with logs.captured() as stream:
        log.info("%s: %s", job, job.weights.title)
        failed = workspace.failed.get(job.weights_key())
        if failed is None:
            try:
                with clock.time("weights"), _threads(workspace.n_jobs):
                    heard = clock.listener.progress, clock.listener.step
                    weights = start.make(job.asked(), workspace, *heard)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                failed = workspace.failed[job.weights_key()] = _told(error, clock.phase)
        else:
            log.error("the same weights failed in an earlier job: %s", failed.message)
        if failed is not None:
            record = _record(job, workspace, clock, scope, {"error": failed}, command)
            return Finished(record, stream.getvalue())
    return dataclasses.replace(job, weights=weights, weights_seconds=clock.seconds["weights"])


def run_job(
    job: Job,
    workspace: Workspace,
    listener: Listener | None = None,
    command: Sequence[str] = (),
) -> Finished:
    """Do one job. A failure of the model, whatever it is, is a failed record, not an exception.

    Weights that are pending are made first.

    Raises
    ------
    KeyboardInterrupt : the user wants to stop; nothing is left behind.
    """
    settled = settle(job, workspace, listener, command)
    if isinstance(settled, Finished):
        return settled
    job = settled
    scope = reset_peak_memory()
    clock = Clock.after(listener or Silent(), job.weights_seconds)
    result: _Result | None = None
    failure: ErrorInfo | None = None
    with logs.captured() as stream:
        log.info("%s, split %s", job, job.split.method)
        try:
            with logs.stdout_to_stderr():
                result = _compute(job, workspace, clock)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a model may raise anything
            failure = _told(error, clock.phase)
    words: _Words = {"error": failure}
    if result is not None:
        words = {
            "metrics": result.metrics,
            "model": model_info(job, result.n_test_seen),
            "hidden": result.hidden,
        }
    record = _record(job, workspace, clock, scope, words, command)
    if result is None:
        return Finished(record, stream.getvalue())
    return Finished(record, stream.getvalue(), result.predictions, result.replicates)


def _record(
    job: Job,
    workspace: Workspace,
    clock: Clock,
    scope: MemoryScope,
    words: _Words,
    command: Sequence[str],
) -> Record:
    return Record.model_validate(
        {
            "identity": job.identity,
            "status": "failed" if words.get("error") else "ok",
            "model": model_info(job),
            "plugin": plugin_ref(job),
            "dataset": dataset_info(job.opened),
            "split": _split_info(job, workspace),
            "seed": job.seed,
            "missing": job.missing.told() if job.missing else None,
            "precision": job.precision,
            "timing": clock.timing(),
            "resources": _resources(job, workspace.n_jobs, scope),
            "environment": environment(),
            "command": list(command),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **words,
        }
    )


def _resources(job: Job, n_jobs: int, scope: MemoryScope) -> Resources:
    return Resources(
        n_jobs=n_jobs,
        device=job.device,
        device_name=_device_name(job),
        peak_memory_mb=peak_memory_mb(),
        peak_memory_of=scope,
    )


def _compute(job: Job, workspace: Workspace, clock: Clock) -> _Result:
    opened, spec = job.opened, job.model.spec
    report = clock.listener.progress
    with clock.time("load"):
        require(spec)
        model_class = load_object(spec.factory)
        split = workspace.split(opened, job.split)
        _seed_globals(job.seed or 0)
        model = model_class(job.config)
    with clock.time("features"):
        needs = model_class.needs(job.config)
        inputs = workspace.inputs(opened, spec, needs, report)
        parts = parts_seen(inputs, split, job.missing, opened, workspace, report)
        seen = _n_test_seen(job, workspace, split, report)
    with clock.time("fit"), _threads(workspace.n_jobs):
        y = opened.dataset.y
        context = _context(job, workspace.n_jobs, clock.listener)
        model.fit(parts.train, y[split.train], parts.valid, y[split.valid], context)
    with clock.time("predict"), _threads(workspace.n_jobs):
        stored = _predict(job, model, parts.test, split)
    with clock.time("score"):
        clusters = connectivity_clusters(workspace, opened, split.test, report)
        metrics, replicates = score(opened.spec, opened.dataset, stored, clusters)
    return _Result(stored, metrics, replicates, seen, parts.hidden)


def _n_test_seen(job: Job, workspace: Workspace, split: Split, report: Progress) -> int | None:
    """Return how many test molecules the weights learnt from; None = no weights, or not known."""
    if not isinstance(job.weights, Weights) or job.weights.seen is None:
        return None
    return start.n_seen(job.weights.seen, job.opened, split.test, workspace, report)


def _context(job: Job, n_jobs: int, listener: Listener) -> FitContext:
    spec = job.opened.spec
    return FitContext(
        tasks=TaskInfo(spec.task_type, job.opened.dataset.task_names, spec.metric),
        seed=job.seed or 0,
        n_jobs=n_jobs,
        device=job.device,
        precision=job.precision,
        progress=listener.progress,
        log=logging.getLogger(f"chmr_bench.model.{job.model.spec.name}"),
        weights=job.weights.path if isinstance(job.weights, Weights) else None,
    )


def _predict(job: Job, model: Any, test: Inputs, split: Split) -> Predictions:
    """Return the checked predictions in the precision they are stored in."""
    spec, names = job.opened.spec, job.opened.dataset.task_names
    y_pred = check_predictions(
        model.predict(test), (len(test), len(names)), spec.task_type == "classification"
    )
    labelled = ~np.isnan(job.opened.dataset.y[split.test])
    stored = as_stored(y_pred, split.test, names, spec.task_type, labelled)
    if np.isinf(stored.values).any():
        raise PredictionError(
            f"{int(np.isinf(stored.values).sum())} predictions do not fit "
            f"{stored.values.dtype}: the largest is {np.abs(y_pred).max():g}"
        )
    return stored


def _told(error: BaseException, phase: Phase) -> ErrorInfo:
    """Return what the record says of a failure, and write it to the log."""
    failure = ErrorInfo(
        type=type(error).__name__,
        message=logs.short_message(error) or "no message",
        phase=phase,
        traceback=logs.short_traceback(error),
    )
    log.error("%s: %s\n%s", failure.type, failure.message, failure.traceback)
    return failure


def _split_info(job: Job, workspace: Workspace) -> SplitInfo:
    """Return what the record says of the split, from its registered sizes if it was never made."""
    sizes = job.opened.spec.split_sizes
    if not (job.split.method == "reference" and any(sizes)):
        split = workspace.split(job.opened, job.split)
        sizes = (len(split.train), len(split.valid), len(split.test))
    return SplitInfo(
        name=job.split.method,
        seed=job.split.seed,
        digest=job.split_digest,
        n_train=sizes[0],
        n_valid=sizes[1],
        n_test=sizes[2],
    )


def _seed_globals(seed: int) -> None:
    """Seed the global generators: a net under models that forget to use their own."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the legacy generator is the one to be seeded
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


@contextmanager
def _threads(n_jobs: int) -> Iterator[None]:
    """Hold the thread pools of numpy, scipy and OpenMP to `n_jobs` while a model works."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(n_jobs):
        yield


def _device_name(job: Job) -> str:
    if job.device == "cpu":
        return ""
    with contextlib.suppress(ImportError, RuntimeError, AssertionError):
        import torch

        return str(torch.cuda.get_device_name())
    return ""
