"""The Gaussian process: its algebra against plain linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.features.tanimoto import similarity_matrix
from chmr_bench.metrics import roc_auc
from chmr_bench_fingerprints import gp
from chmr_bench_fingerprints.gp import GaussianProcess, GaussianProcessConfig


def model(**settings: Any) -> GaussianProcess:
    return GaussianProcess(GaussianProcessConfig.model_validate(settings))


def bits(inputs: Any) -> sparse.csr_array:
    return sparse.csr_array(inputs.matrix("morgan").values, dtype=np.float32)


def test_values_are_the_posterior_mean(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("regression")
    y_pred = problem.fit(model(noise=0.5)).predict(problem.test)
    y = problem.y_train[:, 0]
    kernel = similarity_matrix(bits(problem.train), bits(problem.train)).astype(float)
    weights = np.linalg.solve(kernel + 0.5 * np.eye(len(y)), (y - y.mean()) / y.std())
    latent = similarity_matrix(bits(problem.test), bits(problem.train)) @ weights
    np.testing.assert_allclose(y_pred[:, 0], y.mean() + y.std() * latent, atol=1e-4)


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_with_every_molecule_inducing_the_sparse_way_is_the_exact_one(
    task_type: str, problem_of: Callable[..., Any]
) -> None:
    problem = problem_of(task_type)
    exact = problem.fit(model()).predict(problem.test)
    everything = problem.fit(model(max_exact=2, n_inducing=1000)).predict(problem.test)
    few = problem.fit(model(max_exact=2, n_inducing=60)).predict(problem.test)
    np.testing.assert_allclose(everything, exact, atol=0.01)
    assert np.abs(few - exact).max() > 0.01
    assert np.corrcoef(few[:, 0], exact[:, 0])[0, 1] > 0.8


def test_left_out_predictions_are_those_of_leaving_out() -> None:
    rng = np.random.default_rng(0)
    features, target, noise = rng.standard_normal((30, 6)), rng.standard_normal(30), 0.4
    _, found = gp._ridge(features, target, noise)
    for i in range(30):
        rest = np.delete(np.arange(30), i)
        gram = features[rest].T @ features[rest] + noise * np.eye(6)
        weights = np.linalg.solve(gram, features[rest].T @ target[rest])
        assert found[i] == pytest.approx(features[i] @ weights, rel=1e-4, abs=1e-5)


def test_the_link_gives_calibrated_probabilities() -> None:
    rng = np.random.default_rng(1)
    latent = rng.standard_normal(20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(1.0 - 2.0 * latent))).astype(float)
    shift, scale = gp.fit_logistic_link(latent, y)
    assert shift == pytest.approx(-1.0, abs=0.08)
    assert scale == pytest.approx(2.0, abs=0.1)


def test_the_link_never_turns_a_ranking_around() -> None:
    latent = np.array([3.0, 2.0, 1.0, 0.0])
    shift, scale = gp.fit_logistic_link(latent, np.array([0.0, 0.0, 1.0, 1.0]))
    assert scale > 0
    assert np.isfinite(shift)


def test_probabilities_have_the_base_rate(problem_of: Callable[..., Any]) -> None:
    problem = problem_of("classification", seed=5)
    y_pred = problem.fit(model()).predict(problem.test)[:, 0]
    assert y_pred.mean() == pytest.approx(problem.y_test[:, 0].mean(), abs=0.08)
    assert roc_auc(problem.y_test[:, 0], y_pred) > 0.93
