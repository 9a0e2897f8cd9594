"""Bemis-Murcko scaffolds of many molecules, over all cores."""

from __future__ import annotations

import functools
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running

from chmr_bench import signals
from chmr_bench.errors import FeatureError

_PARALLEL_FROM = 10_000
"""Molecules from which starting worker processes (about a second) costs less than it saves."""
_CHUNK = 2_000
_N_JOBS: ContextVar[int | None] = ContextVar("n_jobs", default=None)
"""Workers for the split being made: a dataset's own rule is given the dataset and no more."""


@contextmanager
def kept_to(n_jobs: int | None) -> Iterator[None]:
    """Hold the scaffolds computed meanwhile to so many worker processes; None = all cores."""
    before = _N_JOBS.set(n_jobs)
    try:
        yield
    finally:
        _N_JOBS.reset(before)


def scaffold_smiles(
    smiles: Sequence[str], chirality: bool = True, n_jobs: int | None = None
) -> list[str]:
    """Return the Bemis-Murcko scaffold of each molecule as canonical SMILES.

    A molecule without a ring has the scaffold "". One that RDKit's sanitisation refuses (seven rows
    of HIV since 2024.09) is read as far as it goes, see `features.molecules.parse`.

    Parameters
    ----------
    smiles : n SMILES.
    chirality : keep stereo marks in the scaffold, as the published splits do.
    n_jobs : worker processes for large lists; None = what `make_split` was given, else all cores
        this process may use. The scaffolds are the same whatever it is.

    Raises
    ------
    FeatureError : a SMILES cannot be read at all; names the row (0-based).
    """
    return list(_scaffolds(tuple(smiles), chirality, n_jobs or _N_JOBS.get() or _cores()))


@functools.lru_cache(maxsize=4)
def _scaffolds(smiles: tuple[str, ...], chirality: bool, n_jobs: int) -> tuple[str, ...]:
    """Keep the last few lists: every seed and model of one dataset asks for the same scaffolds."""
    starts = range(0, len(smiles), _CHUNK)
    chunks = [(smiles[i : i + _CHUNK], i, chirality) for i in starts]
    if n_jobs > 1 and len(smiles) >= _PARALLEL_FROM:
        try:
            # spawn, not fork: the parent may hold threads (torch, a live progress display)
            context = multiprocessing.get_context("spawn")
            workers = min(n_jobs, len(chunks))
            with signals.blocked():  # its start lets SIGINT through again: here, not below
                ensure_running()
            with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
                with signals.blocked():  # workers inherit it: Ctrl-C is the parent's affair
                    results = pool.map(_scaffold_chunk, chunks)
                parts = list(results)
            return tuple(s for part in parts for s in part)
        except BrokenProcessPool:  # e.g. a script without the __main__ guard: still one core left
            pass
    return tuple(s for chunk in chunks for s in _scaffold_chunk(chunk))


def _begin_worker() -> None:
    """Make a worker deaf to Ctrl-C, and let it end with its parent, however that ends."""
    signals.leave_interrupts_to_the_parent()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _scaffold_chunk(chunk: tuple[tuple[str, ...], int, bool]) -> list[str]:
    """Return the scaffolds of one chunk; runs in a worker process."""
    from rdkit import rdBase

    from chmr_bench.features.identity import murcko
    from chmr_bench.features.molecules import parse

    smiles, first_row, chirality = chunk
    scaffolds = []
    with rdBase.BlockLogs():
        for row, one in enumerate(smiles, start=first_row):
            try:
                scaffolds.append(murcko(parse(one), chirality))
            except FeatureError as error:
                raise FeatureError(f"row {row} (0-based): {error}") from error
    return scaffolds


def _cores() -> int:
    """Return the cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1
