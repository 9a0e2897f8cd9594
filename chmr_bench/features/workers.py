"""Worker processes that Ctrl-C does not reach, kept for the next feature.

They are started afresh (loky), not forked: forking beside the threads of torch or lightgbm can
hang.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from typing import Any, TypeAlias

from chmr_bench import signals

Task: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]

IDLE_SECONDS = 300
WATCH_SECONDS = 1.0
QUEUED_PER_WORKER = 2
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_kept: dict[int, Any] = {}
"""Number of workers -> the pool that was last at work, at most one."""


class Ordered:
    """What workers make of the tasks, in the order of the tasks; they begin when this is made.

    Raises
    ------
    BrokenProcessPool : while iterating, where a worker died.
    """

    def __init__(self, n_jobs: int, tasks: Iterable[Task]) -> None:
        self.n_jobs, self.tasks = n_jobs, iter(tasks)
        self.pending: deque[Any] = deque()
        self.pool = _pool(n_jobs)
        self._fill()

    def _fill(self) -> None:
        with signals.blocked():  # workers, and the threads that start more of them, inherit it
            while len(self.pending) < QUEUED_PER_WORKER * self.n_jobs:
                task = next(self.tasks, None)
                if task is None:
                    return
                function, arguments = task
                self.pending.append(self.pool.submit(function, *arguments))

    def __iter__(self) -> Iterator[Any]:
        while self.pending:
            result = self.pending[0].result()
            self.pending.popleft()
            self._fill()
            yield result
        _kept[self.n_jobs] = self.pool

    def stop(self) -> None:
        """Begin no further task, and wait for those begun: killing workers at work is noisy."""
        self.tasks = iter(())
        for _ in self:
            pass

    def close(self) -> None:
        """Kill workers still at work: we are leaving, on Ctrl-C or an error."""
        if self.pending:
            from joblib.externals.loky.backend.utils import kill_process_tree

            self.pending.clear()
            # Not shutdown(kill_workers=True): where a task was handed in a moment ago, that lets
            # loky's own thread fail, with a traceback.
            for process in list(self.pool._processes.values()):
                kill_process_tree(process)
            self.pool.shutdown(wait=True)


def _pool(n_jobs: int) -> Any:
    """Return the pool of last time where it fits, else a new one."""
    pool = _kept.pop(n_jobs, None)
    _let_go()
    if pool is not None and _is_well(pool):
        return pool
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend.resource_tracker import ensure_running

    with signals.blocked():  # their start lets SIGINT through: here, where that is put right
        resource_tracker.ensure_running()
        ensure_running()
    return ProcessPoolExecutor(
        n_jobs,
        timeout=IDLE_SECONDS,
        initializer=_begin_worker,
        initargs=(os.getpid(),),
        env=_ONE_THREAD,
    )


@atexit.register
def _let_go() -> None:
    """End idle workers; at the end of Python too, before the modules they need are gone."""
    while _kept:
        _kept.popitem()[1].shutdown(wait=True)


def _is_well(pool: Any) -> bool:
    """Return whether the pool takes work: a worker may have been killed while it was idle."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        with signals.blocked():
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def _begin_worker(parent: int) -> None:
    """Make a worker deaf to Ctrl-C, and let it end with its parent, where it would wait minutes.

    It may grow: a feature that imports torch is no memory leak, which loky ends workers for, with a
    warning. Where warnings are errors, that would leave the parent waiting for ever.
    """
    from joblib.externals.loky import process_executor

    process_executor._USE_PSUTIL = False
    signals.leave_interrupts_to_the_parent()
    if os.getppid() != parent:  # not started by the parent itself: nothing to watch
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()
