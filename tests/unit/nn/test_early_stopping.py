"""Early stopping: which epoch is kept, and what happens where nothing can be scored."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import TaskInfo
from chmr_bench.nn.early_stopping import EarlyStopping, label_scale

CLASSES = TaskInfo("classification", ("a",), "roc_auc")
VALUES = TaskInfo("regression", ("a",), "mae")
Y = np.array([[0.0], [0.0], [1.0], [1.0]])
GOOD = np.array([[0.1], [0.2], [0.8], [0.9]])
BAD = 1 - GOOD


def test_the_best_epoch_is_kept_and_patience_counts_from_it() -> None:
    stopping = EarlyStopping(CLASSES, patience=2)
    said = [
        stopping.says_stop(Y, y_pred, lambda epoch=epoch: epoch)
        for epoch, y_pred in enumerate([BAD, GOOD, BAD, BAD])
    ]
    assert said == [False, False, False, True]
    assert stopping.state == 1
    assert stopping.best == 1.0


def test_a_smaller_error_is_better() -> None:
    stopping = EarlyStopping(VALUES, patience=5)
    for epoch, y_pred in enumerate([GOOD, Y, BAD]):
        stopping.says_stop(Y, y_pred, lambda epoch=epoch: epoch)
    assert stopping.state == 1
    assert stopping.best == 0.0


@pytest.mark.parametrize("y", [np.ones((4, 1)), np.full((4, 1), np.nan), np.zeros((0, 1))])
def test_where_nothing_can_be_scored_it_never_stops_and_keeps_nothing(y: np.ndarray) -> None:
    """The last epoch then stands; to keep the first would be to hand out an untrained network."""
    stopping = EarlyStopping(CLASSES, patience=1)
    assert not any(stopping.says_stop(y, GOOD[: len(y)], lambda: 0) for _ in range(5))
    assert stopping.state is None


def test_scale_is_of_labelled_rows_and_never_zero() -> None:
    y = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    centre, spread = label_scale(y, "regression")
    assert centre.tolist() == [2.0, 5.0, 0.0]
    assert spread.tolist() == [1.0, 1.0, 1.0]
    centre, spread = label_scale(y, "classification")
    assert (centre.tolist(), spread.tolist()) == ([0.0] * 3, [1.0] * 3)
