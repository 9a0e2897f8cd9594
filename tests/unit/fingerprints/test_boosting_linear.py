"""Boosting stops on validation rows; the linear model is scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chmr_bench_fingerprints.boosting import Boosting, BoostingConfig
from chmr_bench_fingerprints.linear import Linear, LinearConfig


def n_trees(model: Boosting, task: int) -> int:
    booster = model._fitted[task][0]
    return int(booster.best_iteration or booster.num_trees())


def test_boosting_stops_when_validation_no_longer_improves(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("regression")
    settings = BoostingConfig.model_validate({"rounds": 150, "patience": 5, "learning_rate": 0.3})
    assert n_trees(problem.fit(Boosting(settings)), 0) < 150
    unlabelled = replace(problem, y_valid=np.full_like(problem.y_valid, np.nan))
    assert n_trees(unlabelled.fit(Boosting(settings)), 0) == 150


def test_boosting_survives_fingerprints_without_a_common_bit(
    problem_of: Callable[..., Any],
) -> None:
    problem = problem_of("classification")
    settings = BoostingConfig.model_validate({"min_bit": 1000})
    y_pred = problem.fit(Boosting(settings)).predict(problem.test)
    assert np.isfinite(y_pred).all()


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_probabilities_are_those_of_scikit_learn(
    class_weight: str, problem_of: Callable[..., Any]
) -> None:
    from sklearn.linear_model import LogisticRegression

    problem = problem_of("classification")
    settings = LinearConfig.model_validate({"strength": 2.0, "class_weight": class_weight})
    y_pred = problem.fit(Linear(settings)).predict(problem.test)
    plain = LogisticRegression(
        C=0.5, class_weight=None if class_weight == "none" else "balanced", tol=1e-6
    )
    train, test = (p.matrix("morgan").values for p in (problem.train, problem.test))
    expected = plain.fit(train, problem.y_train[:, 0]).predict_proba(test)[:, 1]
    np.testing.assert_allclose(y_pred[:, 0], expected, atol=0.02)


def test_values_are_those_of_scikit_learn(problem_of: Callable[..., Any]) -> None:
    from sklearn.linear_model import Ridge

    problem = problem_of("regression")
    settings = LinearConfig.model_validate({"strength": 2.0})
    y_pred = problem.fit(Linear(settings)).predict(problem.test)
    train, test = (p.matrix("morgan").values.toarray() for p in (problem.train, problem.test))
    expected = Ridge(alpha=2.0).fit(train, problem.y_train[:, 0]).predict(test)
    np.testing.assert_allclose(y_pred[:, 0], expected, atol=1e-3)
