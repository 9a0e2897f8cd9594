"""The head learns, stops on validation rows, ignores unlabelled entries, repeats by seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from chmr_bench import FitContext, TaskInfo  # noqa: E402
from chmr_bench.nn.heads import Head, HeadSettings, SideBySide  # noqa: E402
from chmr_bench.types import FloatArray, TaskType  # noqa: E402

QUICK = HeadSettings(hidden=16, dropout=0.0, learning_rate=0.02, epochs=60, patience=60)
CLASSES = TaskInfo("classification", ("a", "b"), "roc_auc")
VALUES = TaskInfo("regression", ("a", "b"), "mae")


def problem() -> tuple[FloatArray, FloatArray]:
    """Return x (120, 6) and two tasks that are linear in it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    return x, np.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 3]], axis=1).astype(np.float64)


def classes() -> tuple[FloatArray, FloatArray]:
    """Return the same features, and whether each task's value is above 0."""
    x, values = problem()
    return x, (values > 0).astype(np.float64)


def fitted(settings: HeadSettings, y: FloatArray, tasks: TaskInfo, seed: int = 0) -> Head:
    x, _ = problem()
    head = Head(settings)
    head.fit(x[:80], y[:80], x[80:], y[80:], FitContext(tasks=tasks, seed=seed))
    return head


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_it_learns_classes(norm: str, layers: int) -> None:
    x, y = classes()
    head = fitted(replace(QUICK, norm=norm, layers=layers), y, CLASSES)  # type: ignore[arg-type]
    y_pred = head.predict(x)
    assert ((y_pred > 0.5) == (y > 0.5)).mean() > 0.85
    assert y_pred.min() >= 0
    assert y_pred.max() <= 1


def test_it_predicts_values_in_their_unit() -> None:
    x, values = problem()
    y = 1000 + 50 * values
    head = fitted(QUICK, y, VALUES)
    assert np.abs(head.predict(x) - y).mean() < 0.3 * np.abs(y - y.mean(0)).mean()


@pytest.mark.parametrize("batch_size", [0, 33, 79])
def test_every_batch_size_learns(batch_size: int) -> None:
    """79 of 80 rows would leave a batch of one, which a batch norm cannot take."""
    x, y = classes()
    head = fitted(replace(QUICK, batch_size=batch_size, norm="batch"), y, CLASSES)
    assert ((head.predict(x) > 0.5) == (y > 0.5)).mean() > 0.85


def test_entries_without_a_label_change_nothing() -> None:
    """A row without any label is as good as not there."""
    x, y = classes()
    gappy = y.copy()
    gappy[:30] = np.nan
    whole = Head(QUICK)
    whole.fit(x[30:80], y[30:80], x[80:], y[80:], FitContext(tasks=CLASSES))
    assert np.array_equal(fitted(QUICK, gappy, CLASSES).predict(x), whole.predict(x))


def test_features_are_augmented_in_every_training_step_and_never_in_prediction() -> None:
    x, y = classes()
    calls: list[tuple[int, ...]] = []

    def first_column_gone(features: torch.Tensor) -> torch.Tensor:
        calls.append(tuple(features.shape))
        return features * (torch.arange(features.shape[1]) > 0)

    settings = replace(QUICK, epochs=4, batch_size=40)
    head = Head(settings, augment=first_column_gone)
    head.fit(x[:80], y[:80], x[80:], y[80:], FitContext(tasks=CLASSES))
    assert calls == [(40, 6)] * 8
    head.predict(x)
    assert len(calls) == 8
    same = Head(settings, augment=lambda features: features)
    same.fit(x[:80], y[:80], x[80:], y[80:], FitContext(tasks=CLASSES))
    assert np.array_equal(same.predict(x), fitted(settings, y, CLASSES).predict(x))
    assert not np.array_equal(same.predict(x), head.predict(x))


def test_the_same_seed_gives_the_same_predictions_and_another_seed_others() -> None:
    x, y = classes()
    settings = replace(QUICK, dropout=0.5)
    first, again = (fitted(settings, y, CLASSES, seed=3).predict(x) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, fitted(settings, y, CLASSES, seed=4).predict(x))


def test_the_best_epoch_is_kept_not_the_last() -> None:
    """Labels of noise: training on only spoils the validation score."""
    x, _ = problem()
    y = np.random.default_rng(1).integers(0, 2, size=(120, 2)).astype(np.float64)
    seen: list[tuple[int, int, str]] = []
    head = Head(replace(QUICK, epochs=500, patience=5))
    context = FitContext(tasks=CLASSES, progress=lambda *told: seen.append(told))
    head.fit(x[:80], y[:80], x[80:], y[80:], context)
    assert len(seen) < 500
    longer = Head(replace(QUICK, epochs=len(seen) - 5, patience=500))
    longer.fit(x[:80], y[:80], x[80:], y[80:], FitContext(tasks=CLASSES))
    assert np.array_equal(head.predict(x), longer.predict(x))


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_a_task_without_labels_is_predicted_all_the_same(task_type: TaskType) -> None:
    x, y = classes()
    y[:, 1] = np.nan
    tasks = CLASSES if task_type == "classification" else VALUES
    assert np.isfinite(fitted(QUICK, y, tasks).predict(x)).all()


def test_no_global_generator_moves() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fitted(QUICK, classes()[1], CLASSES)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_groups_side_by_side_are_read_as_one_matrix(
    precision: Literal["float32", "bfloat16"],
) -> None:
    """Bytes and numbers: the same head, to the last bit."""
    x, y = classes()
    x[:, :2] = x[:, :2] > 0
    y[7] = np.nan  # a row without any label is left out of the training rows
    context = FitContext(tasks=CLASSES, precision=precision)
    joined, apart = Head(QUICK), Head(QUICK)
    groups = SideBySide((x[:, :2].astype(np.uint8), x[:, 2:]))
    assert groups.shape == x.shape
    rows = np.arange(80), np.arange(80, 120)
    joined.fit(x[rows[0]], y[rows[0]], x[rows[1]], y[rows[1]], context)
    apart.fit(groups[rows[0]], y[rows[0]], groups[rows[1]], y[rows[1]], context)
    np.testing.assert_array_equal(apart.predict(groups), joined.predict(x))
