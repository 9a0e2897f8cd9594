"""Late fusion averages those that speak, and gives weight to those that help."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from chmr_bench import TaskInfo
from chmr_bench_profiles.fusion import SHARES, Fusion

NAN = np.nan
CLASSES = TaskInfo("classification", ("a",), "roc_auc")
VALUES = TaskInfo("regression", ("a",), "mae")


def test_the_mean_is_over_those_that_speak() -> None:
    members = [np.array([[0.2], [0.4]]), np.array([[0.8], [NAN]]), np.array([[NAN], [0.6]])]
    found = Fusion(CLASSES, on_logits=False).mean(members, np.array([0.25, 0.25, 0.5]))
    np.testing.assert_allclose(found, [[0.5], [(0.4 + 2 * 0.6) / 3]])


def test_logits_are_averaged_for_classes_alone() -> None:
    members, even = [np.array([[0.9]]), np.array([[0.2]])], np.array([0.5, 0.5])
    found = Fusion(CLASSES, on_logits=True).mean(members, even)
    np.testing.assert_allclose(found, expit((logit(0.9) + logit(0.2)) / 2))
    np.testing.assert_allclose(Fusion(VALUES, on_logits=True).mean(members, even), 0.55)
    certain = Fusion(CLASSES, on_logits=True).mean([np.array([[1.0]]), np.array([[0.0]])], even)
    np.testing.assert_allclose(certain, 0.5)


def test_one_member_alone_is_taken_as_it_is() -> None:
    only = np.array([[0.123], [1.0]])
    fusion = Fusion(CLASSES, on_logits=True)
    weights = fusion.weights([only], np.array([[0.0], [1.0]]))
    assert weights.tolist() == [1.0]
    np.testing.assert_array_equal(fusion.mean([only], weights), only)


@pytest.mark.parametrize("tasks", [CLASSES, VALUES])
def test_the_better_member_gets_more_weight(tasks: TaskInfo) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((200, 1)) < 0.5).astype(float)
    good, noise = 0.3 * y + 0.35 * rng.random(y.shape), rng.random(y.shape)
    weights = Fusion(tasks, on_logits=False).weights([noise, good], y)
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.6
    assert weights[0] >= 1 / (SHARES + 2)


def test_weights_stay_equal_where_nothing_can_be_scored_or_nothing_helps() -> None:
    fusion = Fusion(CLASSES, on_logits=False)
    members = [np.array([[0.1], [0.9]]), np.array([[0.9], [0.1]])]
    for y in (np.array([[NAN], [NAN]]), np.array([[1.0], [1.0]])):
        assert fusion.weights(members, y).tolist() == [0.5, 0.5]
    nobody = [m[:0] for m in members]
    assert fusion.weights(nobody, np.zeros((0, 1))).tolist() == [0.5, 0.5]
    same = [members[0], members[0]]
    assert fusion.weights(same, np.array([[0.0], [1.0]])).tolist() == [0.5, 0.5]
