"""When a network stops, and which epoch it keeps; and the scale of regression labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench import TaskInfo
from chmr_bench.metrics import METRICS, macro, score_tasks
from chmr_bench.types import FloatArray, TaskType


@dataclass
class EarlyStopping:
    """Keeps the state of the epoch with the best validation score.

    Where the validation rows cannot be scored (no label, one class), there is nothing to judge by:
    every epoch is run and the last one is kept.

    Attributes
    ----------
    patience : epochs without a better score before it says stop.
    best : the best score so far, greater is better; None where none could be had.
    state : what `take_state` gave at the best epoch; None as `best`.
    """

    tasks: TaskInfo
    patience: int
    best: float | None = None
    state: Any = None
    waited: int = 0

    def says_stop(
        self, y_valid: FloatArray, y_pred: FloatArray, take_state: Callable[[], Any]
    ) -> bool:
        """Hear of an epoch's validation predictions (n, t); return whether it was the last."""
        tasks = self.tasks
        score = macro(score_tasks(tasks.metric, tasks.task_names, y_valid, y_pred))
        if score is None:
            return False
        value = score if METRICS[tasks.metric].greater_is_better else -score
        if self.best is None or value > self.best:
            self.best, self.state, self.waited = value, take_state(), 0
            return False
        self.waited += 1
        return self.waited >= self.patience


def label_scale(y_train: FloatArray, task_type: TaskType) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread (t,) of each task's training labels; 0 and 1 for classes.

    A task without labels, or with one value only, has spread 1.
    """
    t = y_train.shape[1]
    centre, spread = np.zeros(t), np.ones(t)
    if task_type == "classification":
        return centre, spread
    for task in range(t):
        values = y_train[np.isfinite(y_train[:, task]), task]
        if len(values):
            centre[task], spread[task] = values.mean(), values.std() or 1.0
    return centre, spread
