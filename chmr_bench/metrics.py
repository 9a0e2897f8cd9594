"""The metric table: scores per task over the labelled entries, and their unweighted mean.

A task that cannot be scored is never left out in silence: it keeps its row, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from chmr_bench.errors import DataError, PredictionError
from chmr_bench.types import FloatArray, MetricName, TaskType

STEPS = 100.0
"""Steps of a float64 that the labels of a task must span; below, rounding is in every score."""


@dataclass(frozen=True)
class TaskScore:
    """The score of one task over its labelled test rows.

    Attributes
    ----------
    task :
        The task's name.
    score :
        The metric in its own unit (ROC-AUC from 0 to 1, MAE in the unit of y), None where the
        task is not evaluable.
    n :
        Labelled rows.
    n_minority :
        Rows of the rarer class; None for regression.
    evaluable :
        True where `score` is a number.
    reason :
        Why not, else "".
    """

    task: str
    score: float | None
    n: int
    n_minority: int | None
    evaluable: bool
    reason: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric: ``compute(y, y_pred)`` on (n,) labelled entries of an evaluable task."""

    name: MetricName
    title: str
    task_type: TaskType
    greater_is_better: bool
    compute: Callable[[FloatArray, FloatArray], float]
    obstacle: Callable[[FloatArray], str]


def score_tasks(
    metric: MetricName, task_names: Sequence[str], y: FloatArray, y_pred: FloatArray
) -> list[TaskScore]:
    """Return one score a task, in the order of `task_names`.

    Parameters
    ----------
    y :
        (n, t), NaN = not measured; 0 or 1 for a classification metric.
    y_pred :
        (n, t), finite: probabilities of class 1, or values in the unit of y.

    Raises
    ------
    DataError
        Shapes do not fit, or a class label is neither 0 nor 1.
    PredictionError
        A prediction is not finite.
    """
    chosen = METRICS[metric]
    y = np.asarray(y, dtype=np.float64)
    y_pred = np.asarray(y_pred, dtype=np.float64)
    _check(chosen, task_names, y, y_pred)
    return [_score_task(chosen, task, y[:, j], y_pred[:, j]) for j, task in enumerate(task_names)]


def macro(scores: Sequence[TaskScore]) -> float | None:
    """Return the unweighted mean over the evaluable tasks, None where there is none."""
    values = [s.score for s in scores if s.score is not None]
    return math.fsum(values) / len(values) if values else None


# ------------------------------------------------------------------------------- one task's numbers


def roc_auc(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the area under the ROC curve; ties count half (Mann-Whitney).

    Parameters
    ----------
    y :
        (n,) labels, 0 or 1, both present.
    y_pred :
        (n,) probabilities of class 1.
    """
    positive = y == 1
    negatives = np.sort(y_pred[~positive])
    wanted = y_pred[positive]
    below = np.searchsorted(negatives, wanted, side="left")
    not_above = np.searchsorted(negatives, wanted, side="right")
    return float((below + not_above).sum() / (2.0 * len(wanted) * len(negatives)))


def average_precision(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the step-wise area under the precision-recall curve; tied predictions are one step.

    Parameters
    ----------
    y :
        (n,) labels, 0 or 1, both present.
    y_pred :
        (n,) probabilities of class 1.
    """
    order = np.argsort(-y_pred, kind="stable")
    ends = tie_group_ends(y_pred[order])
    hits = np.cumsum(y[order])[ends]
    gained = np.diff(hits, prepend=0.0)
    return float((gained * hits / (ends + 1)).sum() / hits[-1])


def mae(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the mean absolute error, in the unit of y.

    Parameters
    ----------
    y :
        (n,) labels.
    y_pred :
        (n,) values in the unit of y.
    """
    return float(np.abs(y - y_pred).mean())


def rmse(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the root mean squared error, in the unit of y.

    Parameters
    ----------
    y :
        (n,) labels.
    y_pred :
        (n,) values in the unit of y.
    """
    return float(np.sqrt(np.square(y - y_pred).mean()))


def r2(y: FloatArray, y_pred: FloatArray) -> float:
    """Return the coefficient of determination against the mean of these labels.

    Parameters
    ----------
    y :
        (n,) labels.
    y_pred :
        (n,) values in the unit of y.
    """
    return float(1.0 - np.square(y - y_pred).sum() / np.square(y - y.mean()).sum())


def tie_group_ends(sorted_values: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the index of the last member of each run of equal neighbours."""
    changes = np.flatnonzero(sorted_values[1:] != sorted_values[:-1])
    return np.append(changes, len(sorted_values) - 1)


def _class_obstacle(y: FloatArray) -> str:
    if len(y) == 0:
        return "no label"
    n_positive = int((y == 1).sum())
    if n_positive == 0:
        return "one class in test (all 0)"
    return "one class in test (all 1)" if n_positive == len(y) else ""


def _value_obstacle(y: FloatArray) -> str:
    if len(y) == 0:
        return "no label"
    size, span = float(np.abs(y).max()), float(np.ptp(y))
    step = float(np.spacing(size))
    if not 0 < span < STEPS * step:
        return ""
    return (
        f"labels of size {size:.3g} span {span:.3g}, but numbers of that size are held in steps of "
        f"{step:.3g}; subtract what they share"
    )


def _spread_obstacle(y: FloatArray) -> str:
    if len(y) == 0:
        return "no label"
    if len(y) == 1:
        return "one label in test"
    return "all labels in test are equal" if bool((y == y[0]).all()) else _value_obstacle(y)


METRICS: Mapping[MetricName, Metric] = MappingProxyType(
    {
        m.name: m
        for m in (
            Metric("roc_auc", "ROC-AUC", "classification", True, roc_auc, _class_obstacle),
            Metric(
                "average_precision",
                "average precision",
                "classification",
                True,
                average_precision,
                _class_obstacle,
            ),
            Metric("mae", "MAE", "regression", False, mae, _value_obstacle),
            Metric("rmse", "RMSE", "regression", False, rmse, _value_obstacle),
            Metric("r2", "R2", "regression", True, r2, _spread_obstacle),
        )
    }
)


def _score_task(metric: Metric, task: str, y: FloatArray, y_pred: FloatArray) -> TaskScore:
    labelled = ~np.isnan(y)
    y, y_pred = y[labelled], y_pred[labelled]
    n = len(y)
    n_minority: int | None = None
    if metric.task_type == "classification":
        n_positive = int((y == 1).sum())
        n_minority = min(n_positive, n - n_positive)
    reason = metric.obstacle(y)
    score = None if reason else metric.compute(y, y_pred)
    return TaskScore(task, score, n, n_minority, not reason, reason)


def _check(metric: Metric, task_names: Sequence[str], y: FloatArray, y_pred: FloatArray) -> None:
    if y.ndim != 2 or y.shape[1] != len(task_names):
        raise DataError(f"labels have shape {y.shape}, expected (n, {len(task_names)})")
    if y_pred.shape != y.shape:
        raise PredictionError(f"predictions have shape {y_pred.shape}, expected {y.shape}")
    bad = ~np.isfinite(y_pred)
    if bad.any():
        row, j = np.argwhere(bad)[0]
        raise PredictionError(
            f"{int(bad.sum())} predictions are not finite, the first in row {row} of task "
            f"{task_names[j]!r}: {y_pred[row, j]}"
        )
    if metric.task_type == "classification":
        wrong = ~(np.isnan(y) | (y == 0) | (y == 1))
        if wrong.any():
            row, j = np.argwhere(wrong)[0]
            raise DataError(
                f"{metric.name} needs labels 0 or 1, but row {row} of task {task_names[j]!r} is "
                f"{y[row, j]}; use a regression metric such as mae for values"
            )
