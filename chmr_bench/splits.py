"""Which rows are train, valid and test.

The methods: ``reference`` (the dataset's own rule), ``scaffold`` (whole Bemis-Murcko families, the
largest to train, the rule of OGB), ``random`` (seeded) and ``deepchem:NAME`` (deepchem's own).
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from typing import TypeAlias

import numpy as np

from chmr_bench import signals
from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import DataError, FeatureError, SettingError, UnknownNameError
from chmr_bench.types import PARTS, IntArray

Fractions: TypeAlias = tuple[float, float, float]
SplitRule: TypeAlias = Callable[[Dataset], Split]

DEFAULT_FRACTIONS: Fractions = (0.8, 0.1, 0.1)
DEEPCHEM_PREFIX = "deepchem:"

_PARALLEL_FROM = 10_000
"""Molecules from which starting worker processes (about a second) costs less than it saves."""
_CHUNK = 2_000
_N_JOBS: ContextVar[int | None] = ContextVar("n_jobs", default=None)
"""Workers for the split being made: a dataset's own rule is given the dataset and no more."""


# --------------------------------------------------------------------------------------- scaffolds


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
    from rdkit import Chem, rdBase

    from chmr_bench.features.molecules import parse

    smiles, first_row, chirality = chunk
    scaffolds = []
    with rdBase.BlockLogs():
        for row, one in enumerate(smiles, start=first_row):
            try:
                scaffold = Chem.MurckoDecompose(parse(one))
            except FeatureError as error:
                raise FeatureError(f"row {row} (0-based): {error}") from error
            # the steps of RDKit's MurckoScaffoldSmiles, but lenient about valence
            scaffold.ClearComputedProps()
            scaffold.UpdatePropertyCache(strict=False)
            Chem.GetSymmSSSR(scaffold)
            scaffolds.append(Chem.MolToSmiles(scaffold, isomericSmiles=chirality))
    return scaffolds


def _cores() -> int:
    """Return the cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def group_by_scaffold(scaffolds: Sequence[str]) -> list[list[int]]:
    """Return the rows of each scaffold: groups in first-seen order, rows ascending."""
    groups: dict[str, list[int]] = {}
    for row, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(row)
    return list(groups.values())


def pour_balanced(
    groups: Sequence[Sequence[int]], fractions: Fractions = DEFAULT_FRACTIONS
) -> Split:
    """Place whole groups, the largest first, in train, else valid, else test: OGB's rule.

    Groups of equal size go by their first row, descending. A group goes to train while train stays
    within its share, else to valid while train and valid stay within theirs, else to test; the
    limits are floats, as in the published code.
    """
    n = sum(map(len, groups))
    train_limit, valid_limit = fractions[0] * n, (fractions[0] + fractions[1]) * n
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for group in sorted(groups, key=lambda g: (len(g), g[0]), reverse=True):
        if len(train) + len(group) <= train_limit:
            train.extend(group)
        elif len(train) + len(valid) + len(group) <= valid_limit:
            valid.extend(group)
        else:
            test.extend(group)
    return Split(train=ascending(train), valid=ascending(valid), test=ascending(test))


def ascending(rows: Sequence[int] | IntArray) -> IntArray:
    """Return row indices as an ascending int64 array."""
    return np.sort(np.asarray(rows, dtype=np.int64))


# ----------------------------------------------------------------------------------------- methods


def methods() -> dict[str, str]:
    """Return the split methods and what each does; deepchem's splitters stand as one line each."""
    from chmr_bench.deepchem_bridge import SPLITTERS

    titles = {
        "reference": "as published for the dataset",
        "scaffold": "whole Bemis-Murcko families, the largest to train (OGB's rule)",
        "random": "molecules at random, seeded",
    }
    return titles | {DEEPCHEM_PREFIX + s.name: s.title for s in SPLITTERS.values()}


def depends_on_seed(method: str) -> bool:
    """Return whether another seed gives another split."""
    from chmr_bench.deepchem_bridge import SPLITTERS

    splitter = SPLITTERS.get(method.removeprefix(DEEPCHEM_PREFIX))
    if method.startswith(DEEPCHEM_PREFIX):
        return splitter is not None and splitter.seeded
    return method == "random"


def make_split(
    method: str,
    dataset: Dataset,
    *,
    rule: SplitRule | None = None,
    seed: int = 0,
    fractions: Fractions = DEFAULT_FRACTIONS,
    n_jobs: int | None = None,
) -> Split:
    """Return the rows of train, valid and test: every row in exactly one part.

    Parameters
    ----------
    method : ``reference``, ``scaffold``, ``random`` or ``deepchem:NAME``; see `methods`.
    rule : the dataset's reference rule, or None where it has none.
    seed : of the methods that draw (`depends_on_seed`); the same seed gives the same split on
        every platform for ``random``.
    fractions : shares of train, valid and test; the reference rule has its own.
    n_jobs : worker processes for scaffolds, the reference rule's too; None = all cores.

    Raises
    ------
    UnknownNameError : no such method. UsageError : ``reference`` without a rule.
    SettingError : fractions that are not three positive shares with sum 1.
    DataError : a part would be empty.
    """
    _check_fractions(fractions)
    before = _N_JOBS.set(n_jobs)
    try:
        split = _made(method, dataset, rule, seed, fractions)
    finally:
        _N_JOBS.reset(before)
    try:
        check_split(split, len(dataset), complete=method != "reference")
    except DataError as error:
        raise DataError(f"split {method!r} of {len(dataset)} molecules: {error}") from error
    return split


def _made(
    method: str, dataset: Dataset, rule: SplitRule | None, seed: int, fractions: Fractions
) -> Split:
    if method.startswith(DEEPCHEM_PREFIX):
        return _deepchem(method.removeprefix(DEEPCHEM_PREFIX), dataset, seed, fractions)
    makers: Mapping[str, Callable[[], Split]] = {
        "reference": lambda: _reference(dataset, rule),
        "scaffold": lambda: pour_balanced(
            group_by_scaffold(scaffold_smiles(dataset.smiles)), fractions
        ),
        "random": lambda: _random(len(dataset), seed, fractions),
    }
    if method not in makers:
        raise UnknownNameError("split", method, methods())
    return makers[method]()


def _reference(dataset: Dataset, rule: SplitRule | None) -> Split:
    if rule is None:
        raise SettingError(
            "this dataset has no reference split; choose --split scaffold, random or deepchem:NAME"
        )
    return rule(dataset)


def _random(n: int, seed: int, fractions: Fractions) -> Split:
    """Cut a seeded permutation at the rounded-down shares; the rest is test."""
    rows = np.random.default_rng(seed).permutation(n)
    first = math.floor(fractions[0] * n)
    second = first + math.floor(fractions[1] * n)
    return Split(
        train=ascending(rows[:first]),
        valid=ascending(rows[first:second]),
        test=ascending(rows[second:]),
    )


def _deepchem(name: str, dataset: Dataset, seed: int, fractions: Fractions) -> Split:
    from chmr_bench import deepchem_bridge

    train, valid, test = deepchem_bridge.split_rows(name, dataset, seed=seed, fractions=fractions)
    return Split(train=ascending(train), valid=ascending(valid), test=ascending(test))


def _check_fractions(fractions: Fractions) -> None:
    fits = len(fractions) == 3 and all(0 < f < 1 for f in fractions)
    if not fits or not math.isclose(sum(fractions), 1.0, abs_tol=1e-9):
        raise SettingError(
            f"fractions {tuple(fractions)!r}: expected three shares between 0 and 1 with sum 1, "
            "for instance (0.8, 0.1, 0.1)"
        )


def check_split(split: Split, n: int, *, complete: bool = True) -> None:
    """Raise DataError unless the parts are non-empty, disjoint, ascending and within n rows.

    Parameters
    ----------
    complete : every row must be in a part; the message names how many are left out.
    """
    for name in PARTS:
        rows = split.part(name)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise DataError(
                f"{name}: expected a list of row numbers, got {rows.dtype} {rows.shape}"
            )
        if not rows.size:
            raise DataError(f"{name} is empty; use another split or more molecules")
        if rows.min() < 0 or rows.max() >= n:
            wrong = rows[(rows < 0) | (rows >= n)]
            raise DataError(f"{name} holds row {wrong[0]}, expected 0 to {n - 1}")
        if (np.diff(rows) <= 0).any():
            raise DataError(f"{name}: rows are not ascending, or one stands twice")
    seen = np.concatenate([split.part(name) for name in PARTS])
    counts = np.bincount(seen, minlength=n)
    if counts.max() > 1:
        shared = np.flatnonzero(counts > 1)
        raise DataError(f"{shared.size} rows are in two parts, the first is row {shared[0]}")
    if complete and seen.size < n:
        left = np.flatnonzero(counts == 0)
        raise DataError(f"{left.size} of {n} rows are in no part, the first is row {left[0]}")
