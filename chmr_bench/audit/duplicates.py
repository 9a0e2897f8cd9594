"""Rows of one molecule, and labels that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.audit.leakage import codes
from chmr_bench.types import BoolArray, FloatArray, IntArray

EXAMPLES = 5


@dataclass(frozen=True)
class Conflict:
    """A task in which rows of one molecule have different labels.

    Attributes
    ----------
    groups, rows : int
        Molecules whose labels differ, and their labelled rows.
    largest, median : float
        Over these groups, of the difference between the largest and the smallest label, in the unit
        of the task; 1 for classes.
    """

    task: str
    groups: int
    rows: int
    largest: float
    median: float


@dataclass(frozen=True)
class Example:
    """A molecule with differing labels: its rows (0-based), the task, the extreme labels."""

    rows: tuple[int, ...]
    task: str
    low: float
    high: float


@dataclass(frozen=True)
class Duplicates:
    """Molecules that stand in more than one row.

    Attributes
    ----------
    groups, rows : int
        Such molecules, and their rows.
    conflicting_groups, conflicting_rows : int
        Those whose labels differ in any task.
    conflicts : tuple[Conflict, ...]
        Tasks with a difference, the most groups first.
    examples : tuple[Example, ...]
        The largest differences, at most one a molecule.
    """

    groups: int
    rows: int
    conflicting_groups: int
    conflicting_rows: int
    conflicts: tuple[Conflict, ...]
    examples: tuple[Example, ...]


def duplicates(names: Sequence[str], y: FloatArray, task_names: Sequence[str]) -> Duplicates:
    """Return the molecules of more than one row, and where their labels differ.

    Parameters
    ----------
    names : Sequence[str]
        n names, equal where two rows are one molecule; "" = of no known molecule.
    y : ndarray
        (n, t), NaN = not measured.
    """
    rows, starts, sizes = _groups(codes(names))
    if not rows.size:
        return Duplicates(0, 0, 0, 0, (), ())
    labels = y[rows]
    low = np.fmin.reduceat(labels, starts, axis=0)  # (groups, t)
    high = np.fmax.reduceat(labels, starts, axis=0)
    counts = np.add.reduceat(~np.isnan(labels), starts, axis=0)
    differ = high > low  # False where a label is NaN
    any_task = differ.any(axis=1)
    return Duplicates(
        groups=len(starts),
        rows=len(rows),
        conflicting_groups=int(any_task.sum()),
        conflicting_rows=int(sizes[any_task].sum()),
        conflicts=_conflicts(task_names, differ, high - low, counts),
        examples=_examples(np.split(rows, starts[1:]), low, high, differ, task_names),
    )


def _groups(numbers: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows of groups of two or more side by side, where each begins, its size."""
    named = np.flatnonzero(numbers >= 0)
    order = named[np.argsort(numbers[named], kind="stable")]
    _, sizes = np.unique(numbers[order], return_counts=True)
    several = sizes > 1
    kept = np.repeat(several, sizes)
    sizes = sizes[several].astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    return order[kept].astype(np.int64), starts.astype(np.int64), sizes


def _conflicts(
    task_names: Sequence[str], differ: BoolArray, spread: FloatArray, counts: IntArray
) -> tuple[Conflict, ...]:
    conflicts = []
    for j in np.flatnonzero(differ.any(axis=0)).tolist():
        chosen = differ[:, j]
        values = spread[chosen, j]
        conflicts.append(
            Conflict(
                task=task_names[j],
                groups=int(chosen.sum()),
                rows=int(counts[chosen, j].sum()),
                largest=float(values.max()),
                median=float(np.median(values)),
            )
        )
    return tuple(sorted(conflicts, key=lambda one: -one.groups))


def _examples(
    groups: Sequence[IntArray],
    low: FloatArray,
    high: FloatArray,
    differ: BoolArray,
    task_names: Sequence[str],
) -> tuple[Example, ...]:
    spread = np.where(differ, high - low, 0.0)  # (groups, t)
    worst = spread.max(axis=1)
    examples = []
    for g in np.argsort(-worst, kind="stable")[:EXAMPLES].tolist():
        if worst[g] > 0:
            j = int(spread[g].argmax())
            rows = tuple(groups[g].tolist())
            examples.append(Example(rows, task_names[j], float(low[g, j]), float(high[g, j])))
    return tuple(examples)
