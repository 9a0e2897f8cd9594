"""Do the jobs of a plan, one fit at a time, shared with other runs by locks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from chmr_bench.paths import locked, log_folder
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner import Finished, Job, Listener, run_jobs, settle
from chmr_bench.sweep.interrupt import stoppable
from chmr_bench.sweep.planning import Item, Plan, Session


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    computed :
        False where another run did it meanwhile.
    log :
        The file with all that a failed job said, None where there is none.
    """

    item: Item
    record: Record
    computed: bool
    log: Path | None = None


@dataclass(frozen=True)
class Summary:
    """What became of a plan."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False

    @property
    def failed(self) -> list[Outcome]:
        """Return the jobs that failed."""
        return [o for o in self.outcomes if o.record.status == "failed"]


class SweepListener(Listener):
    """Ignores all that a sweep reports; a subclass shows what it wants to."""

    def started(self, item: Item, position: int, total: int) -> None:
        """Take that a job begins; `position` counts from 1."""

    def finished(self, outcome: Outcome) -> None:
        """Take that a job is done."""

    def waiting(self, item: Item) -> None:
        """Take that another run is at work on the job."""


def execute(
    plan: Plan,
    store: RecordStore,
    session: Session,
    listener: SweepListener | None = None,
) -> Summary:
    """Do what is to be done; each record is on disk before the next job begins.

    Ctrl-C once ends it with what is done (`Summary.interrupted`); twice ends the process at once.
    A job that another run is at work on is put last, and then waited for.
    """
    queue = _Queue(store, session, listener or SweepListener(), plan)
    with stoppable() as interrupt:
        try:
            held = []
            for items in plan.fits():
                held += queue.do(items, wait=False)
                if interrupt.requested:  # swallowed by whoever was at work when it came
                    raise KeyboardInterrupt
            for item in held:
                queue.listener.waiting(item)
                queue.do([item], wait=True)
        except KeyboardInterrupt:
            return Summary(tuple(queue.outcomes), interrupted=True)
    return Summary(tuple(queue.outcomes))


class _Queue:
    def __init__(
        self, store: RecordStore, session: Session, listener: SweepListener, plan: Plan
    ) -> None:
        self.store, self.session, self.listener = store, session, listener
        self.total, self.keep_failed = len(plan.todo), plan.keep_failed
        self.outcomes: list[Outcome] = []

    def do(self, items: Sequence[Item], *, wait: bool) -> list[Item]:
        """Do jobs that share a fit, or take over what another run did; return the locked ones."""
        held, todo = [], []
        with contextlib.ExitStack() as locks:
            for item in items:
                job = self._settled(item)
                if job is None:
                    continue
                try:
                    lock = self.store.lock_path(job.identity)
                    locks.enter_context(locked(lock, timeout=-1 if wait else 0))
                except Timeout:
                    held.append(item)
                    continue
                stored = self._stored(item, job)
                if stored is None:
                    todo.append((item, job))
                else:
                    self._done(Outcome(item, stored, computed=False))
            self._compute(todo)
        return held

    def _done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.listener.finished(outcome)

    def _settled(self, item: Item) -> Job | None:
        """Return the job with its weights, made first where they are pending; None = that failed.

        Only then is its identity known, by which it is locked and looked up.
        """
        job = item.job
        if job is None:
            return None
        self.session.datasets.keep_features_of(job.data)
        if not item.pretraining:
            return job
        self._start(item)
        settled = settle(job, self.session.options, self.session.weights, self.listener)
        if isinstance(settled, Finished):
            self._done(self._written(item, settled))
            return None
        # Where an earlier pretraining failed, its record stands in the way no more.
        self.store.discard_failed(job.identity)
        return settled

    def _start(self, item: Item) -> None:
        self.listener.started(item, len(self.outcomes) + 1, self.total)

    def _is_news(self, item: Item, failed: Record) -> bool:
        """Return whether to let a failed record stand, instead of trying again."""
        if item.pretraining:  # what the plan could not look up
            return self.keep_failed
        return failed != item.before

    def _stored(self, item: Item, job: Job) -> Record | None:
        """Return the record that stands in place of another run."""
        stored = self.store.find(job.identity)
        if stored is not None and (stored.status == "ok" or self._is_news(item, stored)):
            return stored
        return None

    def _compute(self, todo: Sequence[tuple[Item, Job]]) -> None:
        if not todo:
            return
        self._start(todo[0][0])
        jobs = [job for _, job in todo]
        finished = run_jobs(jobs, self.session.options, self.listener)
        for (item, _), done in zip(todo, finished, strict=True):
            if item is not todo[0][0]:
                self._start(item)
            self._done(self._written(item, done))

    def _written(self, item: Item, done: Finished) -> Outcome:
        record = self.store.write(done.record, done.predictions, done.replicates, done.log)
        log = _kept_log(record, done.log) if record.status == "failed" else None
        return Outcome(item, record, computed=True, log=log)


def _kept_log(record: Record, text: str) -> Path | None:
    """Return the file that holds a failed job's log, written to be read: records are packed."""
    name = f"{record.dataset.name}-{record.model.id}-{record.identity[:12]}.log"
    path = log_folder() / re.sub(r"[^\w.+-]+", "-", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # what is there may be a pipe, which waits for a reader
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError:  # a cache that cannot be written: the log is in the record all the same
        return None
    return path
