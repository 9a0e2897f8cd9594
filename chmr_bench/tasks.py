"""Endpoints one by one: which rows teach a task, and what to say of a task that teaches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
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


SPREADS = 1e4
"""Single precision still tells a ten-thousandth part of a spread from labels so far from 0."""
UNITS = (1e-15, 1e15)
"""Labels whose squares are numbers in single precision."""


@dataclass(frozen=True)
class LabelScale:
    """Takes labels of an odd offset or unit to where models tell them apart, and back.

    Labels like -76,000 +- 0.01, or 1e40, lose their spread in single precision, or in sums of
    squares in double. All other labels stay as they are, to the last bit.

    Attributes
    ----------
    offsets : FloatArray
        (t,) what is taken off a task's labels: their mean, or 0.
    units : FloatArray
        (t,) what they are then divided by: their standard deviation, or 1.
    """

    offsets: FloatArray
    units: FloatArray

    @classmethod
    def of(cls, y: FloatArray, task_type: TaskType) -> LabelScale:
        """Return the scale that training labels y (n, t) need; classes need none.

        Examples
        --------
        >>> LabelScale.of(np.array([[1e9 - 1.0, 1.0], [1e9 + 1.0, 3.0]]), "regression").offsets
        array([1.e+09, 0.e+00])
        """
        offsets, units = np.zeros(y.shape[1]), np.ones(y.shape[1])
        for task in learnable(y) if task_type == "regression" else ():
            largest = float(np.abs(task.y).max())
            centre = largest * float(np.mean(task.y / largest))
            spread = largest * float(np.std((task.y - centre) / largest))
            if largest > SPREADS * spread or not UNITS[0] < largest < UNITS[1]:
                offsets[task.task], units[task.task] = centre, spread or 1.0
        return cls(offsets, units)

    def scaled(self, y: FloatArray) -> FloatArray:
        """Return labels (n, t) as a model learns them."""
        return np.asarray((y - self.offsets) / self.units) if self._is_needed else y

    def restored(self, y_pred: FloatArray) -> FloatArray:
        """Return predictions (n, t) in the unit of the labels."""
        return np.asarray(y_pred * self.units + self.offsets) if self._is_needed else y_pred

    @property
    def _is_needed(self) -> bool:
        return bool((self.units != 1).any() or (self.offsets != 0).any())


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
    context.progress(0, len(items), unit)
    with ThreadPoolExecutor(max_workers=max(1, context.n_jobs)) as pool:
        try:
            futures = [pool.submit(function, item) for item in items]
            for n_done, future in enumerate(as_completed(futures), start=1):
                future.result()
                context.progress(n_done, len(items), unit)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]
