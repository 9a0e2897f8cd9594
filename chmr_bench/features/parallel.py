"""Molecules through worker processes, a chunk at a time, in order.

Nothing is computed in this process: during a substructure search RDKit puts its own handler of
Ctrl-C in place of Python's, which ends the search early, with a wrong result and no error. Workers
block that signal, so RDKit never gets it there, and here Python always does. They are forks of the
server that jobs are forked from too (`chmr_bench.isolation`), where RDKit is loaded already: they
start in milliseconds. They stay for the next feature, and end with their parent.

A job is such a worker already, and deaf: it computes by itself, but for the many molecules of an
atlas, which it shares with fresh processes of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

import numpy as np

from chmr_bench import foreign, isolation, worker
from chmr_bench.contracts import Block, FeatureSpec, GraphBlock, MatrixBlock, Progress, no_progress
from chmr_bench.errors import (
    ChmrBenchError,
    FeatureError,
    MissingDependencyError,
    PluginError,
    UsageError,
    WorkerError,
)
from chmr_bench.features.checking import check_block
from chmr_bench.features.concatenation import concatenate
from chmr_bench.lazy import load_object

TICK_SECONDS = 1.0
CHUNK_LIMITS = (16, 256)
MANY = 64
"""From so many chunks on a worker starts workers of its own, which takes a second or two."""
CHUNKS_PER_WORKER = 8
"""At least so many, so that one slow chunk at the end does not leave the other cores idle."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_kept: list[ProcessPoolExecutor] = []
"""The pool of last time, if there is one."""

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
        The feature returns something else than a block of one row per molecule, or needs a package
        that is not there.
    """
    n, blocks, done = len(smiles), list[Block](), 0
    chunks = split_evenly(smiles, n_jobs) or [[]]
    tasks = [(spec, dict(settings), chunk, sys.path) for chunk in chunks]
    progress(0, n, "molecules")
    what = f"feature {spec.name!r}"

    def tick() -> None:
        progress(done, n, "molecules")

    results = ordered(what, _run, tasks, n_jobs, tick)
    with contextlib.closing(results), _left_clean(spec):
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


@contextlib.contextmanager
def _left_clean(spec: FeatureSpec) -> Iterator[None]:
    """End the workers after another's feature: what it changed there would reach the next one."""
    try:
        yield
    finally:
        while foreign.is_foreign(spec.compute) and _kept:
            _kill(_kept.pop())


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
    """Yield what workers make of the tasks, in order; few of them a worker computes itself.

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
    in_worker = parent_process() is not None
    if not tasks or (in_worker and (n_jobs == 1 or len(tasks) < MANY)):
        yield from (function(*task) for task in tasks)
        return
    pending, waiting = deque[Any](), iter(tasks)
    needed = min(n_jobs, len(tasks))
    pool = _new_pool(needed, get_context("spawn")) if in_worker else _warm_pool(needed)
    try:
        while True:
            with isolation.without_main():
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
    finally:
        if in_worker:  # its caller counts their memory, and waits for their end
            pool.shutdown(wait=True)


def _warm_pool(needed: int) -> ProcessPoolExecutor:
    """Return a pool of as many workers as are needed: that of last time, where it is well."""
    if _kept:
        pool = _kept.pop()
        size = pool._max_workers  # type: ignore[attr-defined]
        if size >= needed and _is_well(pool):
            _kept.append(pool)
            return pool
        pool.shutdown(wait=True)
    isolation.warm_up()
    pool = _new_pool(needed, isolation.context())
    _kept.append(pool)
    return pool


def _new_pool(needed: int, context: Any) -> ProcessPoolExecutor:
    surroundings = worker.ProcessState.here()
    return ProcessPoolExecutor(needed, context, initializer=_begin_worker, initargs=(surroundings,))


def _is_well(pool: ProcessPoolExecutor) -> bool:
    """Return whether the pool takes work: a worker may have been killed while it was idle."""
    try:
        with isolation.without_main():
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def _kill(pool: ProcessPoolExecutor) -> None:
    """End the workers, and what they started."""
    import psutil

    for process in list((pool._processes or {}).values()):
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
    pool.shutdown(wait=True)


def _begin_worker(surroundings: worker.ProcessState) -> None:
    """Make a worker deaf to Ctrl-C, let it use one core, and let it end with its caller."""
    from threadpoolctl import threadpool_limits

    surroundings.take_over()
    os.environ.update(_ONE_THREAD)
    threadpool_limits(1)
    worker.end_with_the_caller()


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
    except ImportError as error:  # no molecule's fault
        raise MissingDependencyError(
            f"feature {spec.name!r} needs a package that cannot be imported "
            f"({_reason(error)}); install what its plugin depends on"
        ) from error
    except BaseException as error:  # a plugin's feature may raise anything
        if not isinstance(error, Exception):  # SystemExit: no molecule's fault
            raise PluginError(f"feature {spec.name!r} fails: {_reason(error)}") from error
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
    check_block(block, len(smiles), f"feature {spec.name!r}: what {spec.compute} returned")
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
    return f"{type(error).__name__}: {first_line(error)}"[: worker.MESSAGE_CHARS]
