"""Molecules through worker processes, a chunk at a time, in order.

Nothing is computed in this process: during a substructure search RDKit puts its own handler of
Ctrl-C in place of Python's, which ends the search early, with a wrong result and no error. Workers
inherit a block of that signal from the thread that starts them, so RDKit never gets it there, and
here Python always does. They are started afresh (loky), not forked: forking beside the threads of
torch can hang. They stay for the next feature, and end with their parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import parent_process, resource_tracker
from typing import Any, TypeVar

import numpy as np

from chmr_bench.contracts import Block, FeatureSpec, GraphBlock, MatrixBlock, Progress, no_progress
from chmr_bench.errors import ChmrBenchError, FeatureError, PluginError, UsageError, WorkerError
from chmr_bench.features.concatenation import concatenate
from chmr_bench.lazy import load_object

IDLE_SECONDS = 300
WATCH_SECONDS = 1.0
TICK_SECONDS = 1.0
CHUNK_LIMITS = (16, 256)
CHUNKS_PER_WORKER = 8
"""At least so many, so that one slow chunk at the end does not leave the other cores idle."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

T = TypeVar("T")


@dataclass(frozen=True)
class _Failure:
    """A chunk that could not be computed: what a worker sends back in place of its block."""

    row: int
    reason: str


def compute_block(
    spec: FeatureSpec,
    settings: Mapping[str, Any],
    smiles: Sequence[str],
    n_jobs: int = 1,
    progress: Progress = no_progress,
) -> Block:
    """Return the feature of all molecules; the same numbers whatever `n_jobs` is.

    Raises
    ------
    FeatureError
        A molecule cannot be featurised; its row (from 0) and SMILES are named.
    SettingError
        The feature refuses a setting's value.
    PluginError
        The feature returns something else than a block of one row per molecule.
    """
    n, blocks, done = len(smiles), list[Block](), 0
    chunks = split_evenly(smiles, n_jobs) or [[]]
    tasks = [(spec, dict(settings), chunk, sys.path) for chunk in chunks]
    progress(0, n, "molecules")
    what = f"feature {spec.name!r}"

    def tick() -> None:
        progress(done, n, "molecules")

    with contextlib.closing(ordered(what, _run, tasks, n_jobs, tick)) as results:
        for result in results:
            if isinstance(result, _Failure):
                from chmr_bench.features.molecules import shown

                row = done + result.row
                raise FeatureError(
                    f"{what}: molecule in row {row} (counted from 0), SMILES {shown(smiles[row])}, "
                    f"cannot be featurised: {result.reason}; mend the SMILES or leave the row out"
                )
            blocks.append(result)
            done += len(result)
            progress(done, n, "molecules")
    return concatenate(blocks)


def split_evenly(smiles: Sequence[str], n_jobs: int) -> list[Sequence[str]]:
    """Return the molecules in chunks: small ones, as long as that keeps every worker busy."""
    low, high = CHUNK_LIMITS
    size = max(low, min(high, len(smiles) // (n_jobs * CHUNKS_PER_WORKER) + 1))
    return [smiles[start : start + size] for start in range(0, len(smiles), size)]


def ordered(
    what: str,
    function: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    n_jobs: int,
    tick: Callable[[], None] = lambda: None,
) -> Generator[T, None, None]:
    """Yield what workers make of the tasks, in order; in a worker already, compute here.

    Parameters
    ----------
    what : str
        What is computed, for messages.
    tick : Callable
        Called every second while a worker computes; a `WorkerError` of it ends the workers.

    Raises
    ------
    FeatureError
        A worker died: it was killed, ran out of memory, or crashed in compiled code.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if parent_process() is not None or not tasks:
        yield from (function(*task) for task in tasks)
        return
    pending, waiting = deque[Any](), iter(tasks)
    try:
        pool = _warm_pool(min(n_jobs, len(tasks)), n_jobs)
        while True:
            with interrupts_blocked():
                for task in islice(waiting, 2 * n_jobs - len(pending)):
                    pending.append(pool.submit(function, *task))
            if not pending:
                return
            while wait([pending[0]], timeout=TICK_SECONDS).not_done:
                tick()
            yield pending[0].result()
            pending.popleft()
    except BrokenProcessPool as error:
        raise FeatureError(
            f"{what}: a worker process died: it was killed, crashed or ran out of memory "
            f"({type(error).__name__}); try again with fewer jobs"
        ) from error
    except BaseException as error:
        mild = isinstance(error, Exception | GeneratorExit) and not isinstance(error, WorkerError)
        if pending and not mild:  # Ctrl-C, or over a limit: what has begun may never end
            _kill(pool)
        for future in pending if mild else ():  # what has begun may end, nothing else begins
            future.cancel()
        raise


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Hold SIGINT back from this thread, and from all threads and processes it starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _warm_pool(needed: int, most: int) -> Any:
    """Return a pool of as many workers as are needed: that of last time, where it is well."""
    from joblib.externals.loky import get_reusable_executor, reusable_executor
    from joblib.externals.loky.backend.resource_tracker import ensure_running
    from joblib.externals.loky.process_executor import BrokenProcessPool

    with interrupts_blocked():  # the trackers' start lets SIGINT through again
        resource_tracker.ensure_running()
        ensure_running()
    for may_fail in (True, False):
        last = reusable_executor._executor
        size = min(most, max(needed, last._max_workers if last is not None else 0))
        with interrupts_blocked(), warnings.catch_warnings():
            # What a call that failed had begun is waited for, as it should be, with a warning.
            warnings.simplefilter("ignore", UserWarning)
            pool = get_reusable_executor(
                size,
                timeout=IDLE_SECONDS,
                initializer=_begin_worker,
                initargs=(os.getpid(),),
                env=_ONE_THREAD,
            )
            answer = pool.submit(os.getpid)
        try:
            answer.result()
            break
        except BrokenProcessPool:  # a worker was killed while it was idle
            if not may_fail:
                raise
    return pool


def _kill(pool: Any) -> None:
    from joblib.externals.loky.backend.utils import kill_process_tree

    # Not shutdown(kill_workers=True): where a task was handed in a moment ago, that lets loky's
    # own thread fail, with a traceback.
    for process in list(pool._processes.values()):
        kill_process_tree(process)
    pool.shutdown(wait=True)


def _begin_worker(parent: int) -> None:
    """Let a worker end with its parent, where it would wait for minutes, and let it grow.

    loky ends a worker that grows, with a warning, for a memory leak: but a feature may import
    torch. Where warnings are errors, the parent would then wait for ever.
    """
    from joblib.externals.loky import process_executor

    process_executor._USE_PSUTIL = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def _run(
    spec: FeatureSpec, settings: Mapping[str, Any], smiles: Sequence[str], path: Iterable[str]
) -> Block | _Failure:
    """Compute one chunk; where that fails, find the first molecule to blame."""
    sys.path[:] = path  # a worker may be older than what its parent can import
    compute: Callable[..., Block] = load_object(spec.compute)
    try:
        block = compute(list(smiles), **settings)
    except (UsageError, PluginError):
        raise
    except BaseException as error:  # a plugin's feature may raise anything
        for row, text in enumerate(smiles):
            try:
                compute([text], **settings)
            except BaseException as one:  # noqa: BLE001 - as above
                return _Failure(row, _reason(one))
        raise PluginError(f"feature {spec.name!r} fails: {_reason(error)}") from error
    if not isinstance(block, MatrixBlock | GraphBlock):
        raise PluginError(
            f"feature {spec.name!r}: {spec.compute} returned a {type(block).__name__}; "
            "expected a MatrixBlock or a GraphBlock"
        )
    if len(block) != len(smiles):
        raise PluginError(
            f"feature {spec.name!r}: {spec.compute} returned {len(block)} rows "
            f"for {len(smiles)} molecules"
        )
    return _not_finite(block) or block


def _not_finite(block: Block) -> _Failure | None:
    """Return the first row that is marked observed and holds what is no number."""
    values = block.values if isinstance(block, MatrixBlock) else None
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return None
    observed = block.observed if block.observed.ndim == 2 else block.observed[:, None]
    wrong = np.argwhere(observed & ~np.isfinite(values))
    if not len(wrong):
        return None
    row, column = wrong[0]
    return _Failure(
        int(row), f"column {column} is {values[row, column]} where it is marked as observed"
    )


def _reason(error: BaseException) -> str:
    from chmr_bench.features.molecules import first_line

    if isinstance(error, ChmrBenchError):
        return str(error)
    return f"{type(error).__name__}: {first_line(error)}"
