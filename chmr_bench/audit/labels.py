"""What each part of a split can teach and test, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.metrics import METRICS
from chmr_bench.types import PARTS, FloatArray, MetricName


@dataclass(frozen=True)
class TaskLabels:
    """The labels of one task in train, valid and test, in that order.

    Attributes
    ----------
    n : tuple[int, ...]
        Labelled rows.
    positives : tuple[int, ...] or None
        Rows of class 1; None for regression.
    obstacle : str
        Why the task cannot be scored in test, "" where it can.
    train_obstacle : str
        Why train teaches nothing: no label, or labels all equal; "" where it can.
    """

    task: str
    n: tuple[int, ...]
    positives: tuple[int, ...] | None
    obstacle: str
    train_obstacle: str

    @property
    def negatives(self) -> tuple[int, ...] | None:
        """Return the rows of class 0; None for regression."""
        if self.positives is None:
            return None
        return tuple(n - p for n, p in zip(self.n, self.positives, strict=True))


def label_counts(
    y: FloatArray, split: Split, task_names: Sequence[str], metric: MetricName
) -> tuple[TaskLabels, ...]:
    """Return the labels of each task, in the order of `task_names`.

    Parameters
    ----------
    y : ndarray
        (n, t), NaN = not measured.
    """
    chosen = METRICS[metric]
    parts = [y[split.part(part)] for part in PARTS]
    n = np.array([(~np.isnan(part)).sum(axis=0) for part in parts])  # (3, t)
    positives = np.array([(part == 1).sum(axis=0) for part in parts])
    is_class = chosen.task_type == "classification"
    labels = []
    for j, task in enumerate(task_names):
        train, test = (_labelled(part[:, j]) for part in (parts[0], parts[2]))
        labels.append(
            TaskLabels(
                task=task,
                n=tuple(n[:, j].tolist()),
                positives=tuple(positives[:, j].tolist()) if is_class else None,
                obstacle=chosen.obstacle(test),
                train_obstacle=_train_obstacle(train, is_class),
            )
        )
    return tuple(labels)


def _labelled(values: FloatArray) -> FloatArray:
    kept: FloatArray = values[~np.isnan(values)]
    return kept


def _train_obstacle(labels: FloatArray, is_class: bool) -> str:
    if not labels.size:
        return "no label in train"
    if (labels != labels[0]).any():
        return ""
    if is_class:
        return f"one class in train (all {labels[0]:.0f})"
    return "all labels in train are equal" if labels.size > 1 else "one label in train"
