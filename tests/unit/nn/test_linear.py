"""The linear head is scikit-learn's, all tasks at once; validation rows choose its penalty."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from sklearn.linear_model import LogisticRegression, Ridge

from chmr_bench import FitContext, TaskInfo
from chmr_bench.nn.linear import LinearHead
from chmr_bench.types import FloatArray, TaskType

N, D, T = 300, 40, 5
SPREAD = np.array([1.0, 50.0, 1e-3, 7.0, 2.0])
"""Of the labels of each task."""


def tasks(task_type: TaskType, t: int = T) -> TaskInfo:
    metric = "roc_auc" if task_type == "classification" else "mae"
    return TaskInfo(task_type, tuple(f"t{i}" for i in range(t)), metric)  # type: ignore[arg-type]


def features(seed: int = 0) -> FloatArray:
    """Return columns that hang together, as predicted read-outs do."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 8)) @ rng.normal(size=(8, D)) + 0.1 * rng.normal(size=(N, D))
    return np.asarray((x - x.mean(0)) / x.std(0), dtype=np.float32)


def labels(x: FloatArray, task_type: TaskType) -> FloatArray:
    """Return tasks of very different size: the last one has labels for a tenth of the rows."""
    rng = np.random.default_rng(1)
    z = x[:, :T] + rng.normal(size=(N, T))
    y = (z > np.linspace(0, 1.5, T)).astype(float)
    if task_type == "regression":
        y = 1000 + SPREAD * z
    y[rng.random((N, T)) < np.linspace(0, 0.9, T)] = np.nan
    return np.asarray(y)


def predicted(x: FloatArray, y: FloatArray, task_type: TaskType, strength: float) -> FloatArray:
    head = LinearHead((strength,))
    head.fit(x, y, x, y, FitContext(tasks=tasks(task_type, y.shape[1])))
    return head.predict(x)


@pytest.mark.parametrize("strength", [1.0, 10.0, 1000.0])
def test_classes_are_logistic_regression(strength: float) -> None:
    x = features()
    y = labels(x, "classification")
    found = predicted(x, y, "classification", strength)
    for task in range(T):
        rows = np.isfinite(y[:, task])
        plain = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=3000)
        plain.fit(x[rows].astype(float), y[rows, task])
        expected = plain.predict_proba(x.astype(float))[:, 1]
        np.testing.assert_allclose(found[:, task], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("strength", [1.0, 10.0, 1000.0])
def test_values_are_ridge_regression_in_their_unit(strength: float) -> None:
    x = features()
    y = labels(x, "regression")
    found = predicted(x, y, "regression", strength)
    for task in range(T):
        rows = np.isfinite(y[:, task])
        expected = Ridge(alpha=strength).fit(x[rows].astype(float), y[rows, task]).predict(x)
        worst = np.abs(found[:, task] - expected).max() / SPREAD[task]
        assert worst < 1e-3


def test_the_penalty_is_the_one_best_on_the_validation_rows() -> None:
    """Few rows and many columns of noise: a strong penalty; the other way round, a weak one."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 60)).astype(np.float32)
    y = x[:, :1] + 3 * rng.normal(size=(400, 1))
    strengths = (1e-3, 1.0, 30.0, 1000.0)
    for n in (30, 300):
        parts = x[:n], y[:n], x[300:], y[300:]
        alone = {}
        for strength in strengths:
            head = LinearHead((strength,))
            head.fit(*parts, FitContext(tasks=tasks("regression", 1)))
            alone[strength] = np.abs(head.predict(x[300:]) - y[300:]).mean()
        chosen = LinearHead(strengths)
        chosen.fit(*parts, FitContext(tasks=tasks("regression", 1)))
        best = min(alone, key=lambda strength: alone[strength])
        assert best != strengths[0]
        assert np.abs(chosen.predict(x[300:]) - y[300:]).mean() == alone[best]


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_tasks_without_labels_or_with_one_value(task_type: TaskType) -> None:
    x = features()
    y = labels(x, task_type)
    alone = predicted(x, y[:, :1], task_type, 10.0)
    y[:, 1], y[:, 2] = np.nan, 1.0
    found = predicted(x, y, task_type, 10.0)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, :1], alone, atol=1e-3 * SPREAD[0])
    assert found[:, 2].mean() > 0.9
    assert np.ptp(found[:, 1]) < 1e-3


def test_validation_rows_that_cannot_be_scored() -> None:
    x = features()
    y = labels(x, "classification")
    head = LinearHead((10.0, 100.0))
    head.fit(x, y, x[:5], np.full((5, T), np.nan), FitContext(tasks=tasks("classification")))
    np.testing.assert_array_equal(head.predict(x), predicted(x, y, "classification", 10.0))


def test_nothing_is_drawn_by_chance() -> None:
    x = features()
    y = labels(x, "classification")
    first = predicted(x, y, "classification", 10.0)
    np.testing.assert_array_equal(first, predicted(x, y, "classification", 10.0))
