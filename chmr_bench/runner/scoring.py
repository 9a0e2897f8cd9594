"""Stored predictions and labels -> scores; the same way in a run, in `score` and in `verify`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from chmr_bench.contracts import Dataset, DatasetSpec
from chmr_bench.metrics import (
    METRICS,
    TaskScore,
    macro,
    score_tasks,
)
from chmr_bench.records import Metrics, Predictions, TaskResult
from chmr_bench.statistics import Bootstrap, bootstrap
from chmr_bench.types import FloatArray, IntArray, MetricName

SHARE_METRIC: MetricName = "roc_auc"
SHARE_THRESHOLD = 0.8
"""InfoAlign (arXiv 2406.12056) prints the share of tasks with ROC-AUC >= 0.80."""


def score(
    spec: DatasetSpec,
    dataset: Dataset,
    predictions: Predictions,
    clusters: IntArray,
) -> tuple[Metrics, FloatArray]:
    """Return the scores of the predicted rows, and the (1000,) bootstrap replicates of the macro.

    Parameters
    ----------
    clusters :
        (n_test,) rows of one number are drawn together; see `clusters_of`.

    Raises
    ------
    DataError, PredictionError
        Labels and predictions do not fit each other.
    """
    y = dataset.y[predictions.rows]
    y_pred = _whole(predictions, y)
    tasks = score_tasks(spec.metric, dataset.task_names, y, y_pred)
    scored = np.where([task.evaluable for task in tasks], y, np.nan)
    resampled = bootstrap(spec.metric, scored, y_pred, clusters=clusters)
    return _metrics(spec.metric, tasks, resampled), resampled.macro


def clusters_of(keys: Sequence[str]) -> IntArray:
    """Return (n,) the same number for equal keys, counted as they come; "" is equal to none.

    Rows of one molecule are drawn together. Where no key comes twice, this is 0 .. n - 1: then
    drawing clusters is drawing rows.
    """
    named = [key or f"row {i}" for i, key in enumerate(keys)]
    places = {key: i for i, key in enumerate(dict.fromkeys(named))}
    return np.array([places[key] for key in named], dtype=np.int64)


def constant_targets(metrics: Metrics, y: FloatArray) -> Iterator[str]:
    """Yield a remark for each scored task of y (n_test, t) whose labels are all equal.

    Classes need none: such a task has no score.
    """
    for j, task in enumerate(metrics.per_task):
        labels = y[np.isfinite(y[:, j]), j]
        if task.evaluable and len(labels) > 1 and labels.min() == labels.max():
            yield (
                f"all {len(labels)} test labels of {task.task!r} are {labels[0]:g}: that constant "
                "has no error, so the score tells little of a model; it has no interval, and R2 is "
                "not defined"
            )


def hard_labels(y_pred: FloatArray) -> Iterator[str]:
    """Yield a remark where probabilities y_pred (n_test, t) of classes are classes themselves."""
    known = y_pred[np.isfinite(y_pred)]
    if len(known) > 1 and np.isin(known, (0, 1)).all() and known.min() != known.max():
        yield (
            "all predictions are 0 or 1: a ROC-AUC ranks molecules by probability, and says little "
            "of classes; predict probabilities, such as scikit-learn's predict_proba"
        )


def score_only(spec: DatasetSpec, dataset: Dataset, predictions: Predictions) -> Metrics:
    """Return the scores without intervals, which take most of the time."""
    y = dataset.y[predictions.rows]
    tasks = score_tasks(spec.metric, dataset.task_names, y, _whole(predictions, y))
    return _metrics(spec.metric, tasks, None)


def _whole(predictions: Predictions, y: FloatArray) -> FloatArray:
    """Return values without NaN in cells that no score looks at, for they have no label."""
    if predictions.cells == "all" or predictions.values.shape != y.shape:
        return predictions.values
    return np.where(np.isnan(y), predictions.values.dtype.type(0), predictions.values)


def _metrics(metric: MetricName, tasks: list[TaskScore], resampled: Bootstrap | None) -> Metrics:
    low, high = resampled.macro_interval if resampled else (None, None)
    unknown: Sequence[None] = [None] * len(tasks)
    lows, highs = (resampled.low, resampled.high) if resampled else (unknown, unknown)
    scores = [task.score for task in tasks if task.score is not None]
    shared = metric == SHARE_METRIC and scores
    return Metrics(
        metric=metric,
        greater_is_better=METRICS[metric].greater_is_better,
        macro=_number(macro(tasks)),
        low=_number(low),
        high=_number(high),
        n_effective=resampled.n_effective if resampled else None,
        n_tasks=len(tasks),
        n_evaluable=len(scores),
        share_080=sum(s >= SHARE_THRESHOLD for s in scores) / len(scores) if shared else None,
        per_task=[_result(*of) for of in zip(tasks, lows, highs, strict=True)],
    )


def _result(task: TaskScore, low: float | None, high: float | None) -> TaskResult:
    return TaskResult(
        task=task.task,
        score=_number(task.score),
        low=_number(low),
        high=_number(high),
        n=task.n,
        n_minority=task.n_minority,
        evaluable=task.evaluable,
        reason=task.reason,
    )


def _number(value: float | None) -> float | None:
    """Return a finite number, or None: JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
