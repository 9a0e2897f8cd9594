"""The linear head is scikit-learn's, all tasks at once; validation rows choose its penalty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from sklearn.linear_model import LogisticRegression, Ridge

from chmr_bench import FitContext, TaskInfo
from chmr_bench.nn import linear
from chmr_bench.nn.linear import LinearHead, _Basis
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


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_more_columns_than_rows(task_type: TaskType) -> None:
    x, few = features(), np.arange(25)
    y = labels(x, task_type)[:, :2]
    found = LinearHead((3.0,))
    context = FitContext(tasks=tasks(task_type, 2))
    found.fit(x[few], y[few], x, y, context)
    for task in range(2):
        rows = few[np.isfinite(y[few, task])]
        plain: Any = Ridge(alpha=3.0)
        if task_type == "classification":
            plain = LogisticRegression(C=1 / 3.0, tol=1e-8, max_iter=3000)
        plain.fit(x[rows].astype(float), y[rows, task])
        asked = plain.predict if task_type == "regression" else plain.predict_proba
        expected = asked(x.astype(float)).reshape(N, -1)[:, -1]
        worst = np.abs(found.predict(x)[:, task] - expected).max()
        assert worst < 2e-3 * (SPREAD[task] if task_type == "regression" else 1)


@pytest.mark.parametrize("task_type", ["classification", "regression"])
@pytest.mark.parametrize("n", [25, N])
def test_constant_columns_change_nothing(task_type: TaskType, n: int) -> None:
    x = features()[:n]
    y = labels(features(), task_type)[:n]
    wide = np.concatenate([x, np.full((n, 3), 7.3, dtype=np.float32)], axis=1)
    found, alone = (predicted(given, y, task_type, 10.0) for given in (wide, x))
    scale = SPREAD if task_type == "regression" else 1
    np.testing.assert_allclose(found / scale, alone / scale, rtol=0, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_features_that_say_nothing_leave_the_mean(value: float) -> None:
    y = labels(features(), "classification")
    found = predicted(np.full((N, 4), value, dtype=np.float32), y, "classification", 10.0)
    np.testing.assert_allclose(found, np.tile(np.nanmean(y, axis=0), (N, 1)), atol=1e-3)


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


# ------------------------------------------------------------------------------------ shared tasks


def together(seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return features, and 12 tasks that all hang on one and the same two directions of 20."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(160, 20)).astype(np.float32)
    weight = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 12))
    return x, x @ weight + 3 * rng.normal(size=(160, 12))


def fitted(x: FloatArray, y: FloatArray, rounds: int, strength: float = 20.0) -> LinearHead:
    head = LinearHead((strength,), rounds)
    head.fit(x, y, x, y, FitContext(tasks=tasks("regression", y.shape[1])))
    return head


def test_rounds_go_down_the_penalised_trace_norm() -> None:
    """Half the penalty times the squared sum of singular values, over the features (Argyriou)."""
    x, y = together()
    scaled = (y - y.mean(0)) / y.std(0)
    values = []
    for rounds in (0, 1, 2, 4, 8, 16):
        weight, bias = fitted(x, y, rounds)._fitted
        loss = 0.5 * np.square(x @ weight + bias - scaled).sum()
        norm = np.linalg.svd(weight, compute_uv=False).sum()
        values.append(loss + 0.5 * 20.0 * norm**2 / x.shape[1])
    assert (np.diff(values) < 0.01).all()
    assert values[-1] < 0.98 * values[0]
    assert values[-2] - values[-1] < 0.2 * (values[0] - values[1])


def test_tasks_that_share_directions_help_each_other() -> None:
    x, y = together()
    truth = y[40:] - y[:40].mean(0)
    error = {}
    for rounds in (0, 8):
        heads = [fitted(x[:40], y[:40], rounds, s) for s in (1.0, 10.0, 100.0)]
        error[rounds] = min(
            np.square(head.predict(x[40:]) - y[:40].mean(0) - truth).mean() for head in heads
        )
    assert error[8] < 0.95 * error[0]


def test_one_feature_is_as_good_as_shared() -> None:
    """There is nothing to turn: the shared matrix is 1."""
    x, y = together()
    alone = fitted(x[:, :1], y, 0).predict(x[:, :1])
    np.testing.assert_allclose(fitted(x[:, :1], y, 8).predict(x[:, :1]), alone, atol=1e-2)


def test_features_are_turned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = features(3)
    whole = _Basis.of(x)
    monkeypatch.setattr(linear, "ROWS", 7)
    np.testing.assert_allclose(_Basis.of(x).x.numpy(), whole.x.numpy(), atol=1e-5)
    turned = whole.x.numpy() @ whole.back.T
    np.testing.assert_allclose(turned + whole.centre, x, atol=1e-4)


def test_the_same_fit_is_not_made_twice(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Not by another process either: a job has one of its own."""
    made: list[float] = []
    solve = LinearHead._solve

    def counted(self: LinearHead, basis: Any, y: FloatArray, strength: float) -> Any:
        made.append(strength)
        return solve(self, basis, y, strength)

    monkeypatch.setattr(LinearHead, "_solve", counted)
    x = features(3)
    y = labels(x, "classification")
    first = predicted(x, y, "classification", 3.0)
    np.testing.assert_array_equal(predicted(x.copy(), y, "classification", 3.0), first)
    assert made == [3.0]
    assert not np.array_equal(predicted(x, 1 - y, "classification", 3.0), first)
    assert not np.array_equal(predicted(x[:, ::-1], y, "classification", 3.0), first)
    predicted(x, y, "classification", 4.0)
    assert made == [3.0, 3.0, 3.0, 4.0]
    for file in (home / "linear").iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    np.testing.assert_array_equal(predicted(x, y, "classification", 3.0), first)
    assert made[4:] == [3.0]  # a damaged file is made again
