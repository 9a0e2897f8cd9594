"""The trainer: which epoch is kept, and what happens where nothing can be scored."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chmr_bench import TaskInfo
from chmr_bench.nn.trainer import (
    EarlyStopping,
    TrainerSettings,
    label_scale,
    seeded,
    train,
    validation_score,
)

CLASSES = TaskInfo("classification", ("a",), "roc_auc")
VALUES = TaskInfo("regression", ("a",), "mae")
Y = np.array([[0.0], [0.0], [1.0], [1.0]])
GOOD = np.array([[0.1], [0.2], [0.8], [0.9]])
BAD = 1 - GOOD


def test_the_best_epoch_is_kept_and_patience_counts_from_it() -> None:
    stopping = EarlyStopping(patience=2)
    stops = [
        stopping.should_stop(validation_score(CLASSES, Y, y_pred), lambda epoch=epoch: epoch)
        for epoch, y_pred in enumerate([BAD, GOOD, BAD, BAD])
    ]
    assert stops == [False, False, False, True]
    assert stopping.state == 1
    assert stopping.best == 1.0


def test_a_smaller_error_is_better() -> None:
    stopping = EarlyStopping(patience=5)
    for epoch, y_pred in enumerate([GOOD, Y, BAD]):
        stopping.should_stop(validation_score(VALUES, Y, y_pred), lambda epoch=epoch: epoch)
    assert stopping.state == 1
    assert stopping.best == 0.0


@pytest.mark.parametrize("y", [np.ones((4, 1)), np.full((4, 1), np.nan), np.zeros((0, 1))])
def test_where_nothing_can_be_scored_it_never_stops_and_keeps_nothing(y: np.ndarray) -> None:
    """The last epoch then stands; to keep the first would be to hand out an untrained network."""
    stopping = EarlyStopping(patience=1)
    score = validation_score(CLASSES, y, GOOD[: len(y)])
    assert score is None
    assert not any(stopping.should_stop(score, lambda: 0) for _ in range(5))
    assert stopping.state is None


def test_the_network_ends_with_the_weights_of_its_best_epoch() -> None:
    """Two steps an epoch; the scores fall after the second epoch, and two more are waited for."""
    network, weights = torch.nn.Linear(1, 1), []
    scores = iter([0.1, 0.9, 0.5, 0.4, 1.0])
    modes = []

    def score() -> float:
        modes.append(network.training)
        weights.append(network.weight.item())
        return next(scores)

    def losses() -> Iterator[torch.Tensor]:
        modes.append(network.training)
        yield from (network(torch.ones(1, 1)).sum() for _ in range(2))

    done: list[tuple[int, int]] = []
    settings = TrainerSettings(epochs=9, patience=2)
    best, epochs = train(network, settings, losses, score, lambda i, n, unit: done.append((i, n)))
    assert (best, epochs) == (0.9, 4)
    assert network.weight.item() == weights[1]
    assert len(set(weights)) == 4
    assert modes == [True, False] * 4
    assert done == [(1, 9), (2, 9), (3, 9), (4, 9)]


def test_without_a_score_every_epoch_is_run_and_the_last_kept() -> None:
    network = torch.nn.Linear(1, 1)
    start = network.weight.item()
    settings = TrainerSettings(epochs=3, patience=1)
    result = train(network, settings, lambda: [network(torch.ones(1, 1)).sum()], lambda: None)
    assert result == (None, 3)
    assert network.weight.item() == pytest.approx(start - 3e-3, abs=1e-4)


def test_settings_are_taken_from_a_config_by_their_names() -> None:
    config = SimpleNamespace(
        head_learning_rate=0.1, head_weight_decay=0.2, head_epochs=3, head_patience=4
    )
    assert TrainerSettings.of(config, "head_") == TrainerSettings(0.1, 0.2, 3, 4)


def test_a_seed_leaves_the_generators_as_they_were() -> None:
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(7):
            draws.append(torch.rand(3).tolist())
            assert torch.get_num_threads() == 1
    assert draws[0] == draws[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_scale_is_of_labelled_rows_and_never_zero() -> None:
    y = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    centre, spread = label_scale(y, "regression")
    assert centre.tolist() == [2.0, 5.0, 0.0]
    assert spread.tolist() == [1.0, 1.0, 1.0]
    centre, spread = label_scale(y, "classification")
    assert (centre.tolist(), spread.tolist()) == ([0.0] * 3, [1.0] * 3)
