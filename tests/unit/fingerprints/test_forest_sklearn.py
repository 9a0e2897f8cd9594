"""The reference forest: deterministic by its seed, with the settings of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chmr_bench.metrics import roc_auc
from chmr_bench_fingerprints.forest import Forest, ForestConfig
from chmr_bench_fingerprints.forest_sklearn import SklearnForest

CONFIG = ForestConfig(n_trees=100, min_leaf=3, max_features_regression=0.3)
MakeProblem = Callable[..., Any]


def test_the_seed_decides_whatever_the_cores(problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    runs = [(0, 1), (0, 2), (1, 1)]
    first, again, other = (
        problem.fit(SklearnForest(CONFIG), seed=seed, n_jobs=cores).predict(problem.test)
        for seed, cores in runs
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_it_agrees_with_ours(task_type: Any, problem_of: MakeProblem) -> None:
    problem = problem_of(task_type)
    theirs, ours = (
        problem.fit(model(CONFIG)).predict(problem.test)[:, 0] for model in (SklearnForest, Forest)
    )
    assert np.corrcoef(theirs, ours)[0, 1] > 0.97
    if task_type == "classification":
        y = problem.y_test[:, 0]
        assert roc_auc(y, theirs) == pytest.approx(roc_auc(y, ours), abs=0.02)


def test_a_leaf_holds_as_many_draws_as_in_ours(problem_of: MakeProblem) -> None:
    """Draws count, as in ours: a molecule drawn three times fills a leaf of three."""
    problem = problem_of("regression")
    (forest, *_) = problem.fit(SklearnForest(CONFIG))._fitted.values()
    trees = [estimator.tree_ for estimator in forest.estimators_]
    leaves = [tree.weighted_n_node_samples[tree.children_left < 0] for tree in trees]
    assert np.concatenate(leaves).min() == CONFIG.min_leaf
    molecules = [tree.n_node_samples[tree.children_left < 0] for tree in trees]
    assert np.concatenate(molecules).min() < CONFIG.min_leaf
    assert {estimator.max_features for estimator in forest.estimators_} == {round(0.3 * 128)}
