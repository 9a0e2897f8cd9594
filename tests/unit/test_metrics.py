"""The metric table against scikit-learn, and what happens to tasks that cannot be scored."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import metrics
from chmr_bench.errors import DataError, PredictionError
from chmr_bench.types import FloatArray

NAN = float("nan")


def column(values: list[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)[:, None]


def labels_and_predictions(seed: int, n: int = 200) -> tuple[FloatArray, FloatArray]:
    """Return labels and heavily tied float16 predictions, as they are stored."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(np.float64)
    y_pred = np.round(rng.random(n) + 0.3 * y, 1).astype(np.float16)
    return y, y_pred.astype(np.float64)


TOO_COARSE = (
    "labels of size 3e+17 span 640, but numbers of that size are held in steps of 64; subtract "
    "what they share"
)


@pytest.mark.parametrize("seed", range(5))
def test_class_metrics_agree_with_sklearn_with_ties(seed: int) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, y_pred = labels_and_predictions(seed)
    assert metrics.roc_auc(y, y_pred) == pytest.approx(roc_auc_score(y, y_pred), abs=1e-12)
    expected = average_precision_score(y, y_pred)
    assert metrics.average_precision(y, y_pred) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_value_metrics_agree_with_sklearn(seed: int) -> None:
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    rng = np.random.default_rng(seed)
    y = rng.normal(5.0, 2.0, 50)
    y_pred = y + rng.normal(0.0, 1.0, 50)
    assert metrics.mae(y, y_pred) == pytest.approx(mean_absolute_error(y, y_pred))
    assert metrics.rmse(y, y_pred) == pytest.approx(mean_squared_error(y, y_pred) ** 0.5)
    assert metrics.r2(y, y_pred) == pytest.approx(r2_score(y, y_pred))


def test_a_constant_prediction_is_chance_not_zero() -> None:
    y = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    assert metrics.roc_auc(y, np.full(5, 0.3)) == 0.5
    assert metrics.average_precision(y, np.full(5, 0.3)) == pytest.approx(0.4)


def test_hard_labels_score_lower_than_the_probabilities_they_came_from() -> None:
    y = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    probability = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.45])
    assert metrics.roc_auc(y, probability) == 1.0
    assert metrics.roc_auc(y, (probability > 0.5).astype(np.float64)) == 0.5


def test_only_labelled_rows_count() -> None:
    y = column([0, 1, NAN, 1, 0])
    y_pred = column([0.1, 0.9, 0.0, 0.8, 0.2])
    (score,) = metrics.score_tasks("roc_auc", ["a"], y, y_pred)
    assert (score.score, score.n, score.n_minority, score.evaluable) == (1.0, 4, 2, True)
    assert score.reason == ""


@pytest.mark.parametrize(
    ("metric", "y", "reason", "n_minority"),
    [
        ("roc_auc", [NAN, NAN, NAN], "no label", 0),
        ("roc_auc", [0, NAN, 0], "one class in test (all 0)", 0),
        ("average_precision", [1, 1, NAN], "one class in test (all 1)", 0),
        ("mae", [NAN, NAN, NAN], "no label", None),
        ("r2", [NAN, 2.5, NAN], "one label in test", None),
        ("r2", [2.5, 2.5, NAN], "all labels in test are equal", None),
        *((metric, [3e17, 3e17 + 640, NAN], TOO_COARSE, None) for metric in ("mae", "rmse", "r2")),
    ],
)
def test_a_task_that_cannot_be_scored_keeps_its_row_and_says_why(
    metric: metrics.MetricName, y: list[float], reason: str, n_minority: int | None
) -> None:
    (score,) = metrics.score_tasks(metric, ["a"], column(y), column([0.1, 0.2, 0.3]))
    assert (score.score, score.evaluable, score.reason) == (None, False, reason)
    assert score.n_minority == n_minority
    assert score.n == np.isfinite(y).sum()


def test_macro_is_the_plain_mean_over_evaluable_tasks() -> None:
    y = np.array([[0, 0, 1], [1, 0, 0], [0, 0, NAN], [1, 0, NAN]], dtype=np.float64)
    y_pred = np.array([[0.1, 0.5, 0.2], [0.9, 0.5, 0.7], [0.2, 0.5, 0.5], [0.8, 0.5, 0.5]])
    scores = metrics.score_tasks("roc_auc", ["a", "b", "c"], y, y_pred)
    assert [s.score for s in scores] == [1.0, None, 0.0]
    assert metrics.macro(scores) == 0.5
    assert metrics.macro(scores[1:2]) is None


def test_bad_input_is_named() -> None:
    good = column([0, 1])
    with pytest.raises(PredictionError, match=r"shape \(1, 1\), expected \(2, 1\)"):
        metrics.score_tasks("roc_auc", ["a"], good, column([0.5]))
    with pytest.raises(PredictionError, match="not finite, the first in row 1 of task 'a'"):
        metrics.score_tasks("roc_auc", ["a"], good, column([0.5, NAN]))
    with pytest.raises(DataError, match=r"row 0 of task 'a' is 5\.3"):
        metrics.score_tasks("roc_auc", ["a"], column([5.3, 1]), column([0.5, 0.5]))
    with pytest.raises(DataError, match=r"expected \(n, 2\)"):
        metrics.score_tasks("roc_auc", ["a", "b"], good, good)


def test_the_table_says_which_way_is_better() -> None:
    better = {name: m.greater_is_better for name, m in metrics.METRICS.items()}
    assert better == {
        "roc_auc": True,
        "average_precision": True,
        "mae": False,
        "rmse": False,
        "r2": True,
    }
    assert all(name == m.name for name, m in metrics.METRICS.items())
