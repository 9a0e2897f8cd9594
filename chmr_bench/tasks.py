"""Endpoints one by one: which rows teach a task, and what to say of a task that teaches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from chmr_bench import FitContext
from chmr_bench.types import FloatArray, IntArray, TaskType

Item = TypeVar("Item")
Result = TypeVar("Result")

NO_LABEL: dict[TaskType, float] = {"classification": 0.5, "regression": 0.0}
"""The prediction of a task of which no label is known at all."""


@dataclass(frozen=True)
class TaskRows:
    """The labelled rows of a task whose labels are not all the same.

    Attributes
    ----------
    task :
        Column of y.
    rows :
        (k,) rows with a label, ascending.
    y :
        (k,) their labels.
    """

    task: int
    rows: IntArray
    y: FloatArray


def learnable(y: FloatArray) -> list[TaskRows]:
    """Return the tasks of y (n, t) that have two different labels at least."""
    tasks = []
    for task in range(y.shape[1]):
        rows = np.flatnonzero(np.isfinite(y[:, task]))
        labels = np.asarray(y[rows, task], dtype=np.float64)
        if len(rows) and labels.min() != labels.max():
            tasks.append(TaskRows(task, rows, labels))
    return tasks


def constants(y: FloatArray, task_type: TaskType) -> FloatArray:
    """Return the mean label of each task, (t,); `NO_LABEL` where a task has none."""
    labelled = np.isfinite(y)
    counts = labelled.sum(axis=0)
    sums = np.where(labelled, y, 0.0).sum(axis=0)
    means: FloatArray = np.where(counts > 0, sums / np.maximum(counts, 1), NO_LABEL[task_type])
    return means


def fill_constants(values: FloatArray, n: int) -> FloatArray:
    """Return (n, t) predictions that say the same of every molecule."""
    return np.tile(np.asarray(values, dtype=np.float64), (n, 1))


def over_threads(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    context: FitContext,
    unit: str = "tasks",
) -> list[Result]:
    """Return ``[function(item) for item in items]``, computed on `context.n_jobs` threads.

    Only worth it for functions that release the interpreter lock. The first error, Ctrl-C
    included, stops what has not begun.
    """
    results: dict[int, Result] = {}
    context.progress(0, len(items), unit)
    with ThreadPoolExecutor(max_workers=max(1, context.n_jobs)) as pool:
        try:
            for index, result in _completed(pool, function, items):
                results[index] = result
                context.progress(len(results), len(items), unit)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[index] for index in range(len(items))]


def _completed(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) as they come."""
    waiting: dict[Future[Result], int] = {
        pool.submit(function, item): index for index, item in enumerate(items)
    }
    while waiting:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield waiting.pop(future), future.result()
