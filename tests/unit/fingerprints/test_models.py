"""Every fingerprint model learns a planted rule, and behaves where there is nothing to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from chmr_bench.lazy import load_object
from chmr_bench.metrics import roc_auc
from chmr_bench.types import FloatArray, TaskType
from chmr_bench_fingerprints.plugin import MODELS

SPECS = {spec.name: spec for spec in MODELS}
READERS = sorted(set(SPECS) - {"mean"})
PER_TASK = sorted(set(READERS) - {"fingerprint.mlp"})
TASK_TYPES: tuple[TaskType, ...] = ("classification", "regression")
QUICK: Mapping[str, Mapping[str, Any]] = {
    "fingerprint.forest": {"n_trees": 60},
    "fingerprint.forest-sklearn": {"n_trees": 60},
    "fingerprint.multi-forest": {
        "features": "morgan",
        "n_trees": 60,
        "max_features": ("sqrt", 0.3),
    },
    "fingerprint.boosting": {"rounds": 60},
    "fingerprint.mlp": {
        "descriptors": "",
        "shapes": "64,64-64",
        "epochs": 60,
        "batch_size": 32,
    },
    "fingerprint.knn": {"k": 10},
}
BRIEF: Mapping[str, Mapping[str, Any]] = {"fingerprint.mlp": {"epochs": 3}}
"""Where two fits are held against each other, nothing need be learnt to the end."""
MakeProblem: TypeAlias = Callable[..., Any]


def build(name: str, **settings: Any) -> Any:
    spec = SPECS[name]
    config = load_object(spec.config).model_validate({**QUICK.get(name, {}), **settings})
    return load_object(spec.factory)(config)


def brief(name: str) -> Any:
    return build(name, **BRIEF.get(name, {}))


def fit_predict(name: str, problem: Any, make: Any = build, **changes: Any) -> FloatArray:
    y_pred: FloatArray = problem.fit(make(name), **changes).predict(problem.test)
    assert y_pred.shape == problem.y_test.shape
    assert np.isfinite(y_pred).all()
    return y_pred


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "fingerprint.mlp" else n for n in READERS],
)
def test_learns_the_rule_in_classes(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    y_pred = fit_predict(name, problem)
    assert y_pred.min() >= 0
    assert y_pred.max() <= 1
    bound = 0.75 if name == "fingerprint.knn" else 0.93
    assert roc_auc(problem.y_test[:, 0], y_pred[:, 0]) > bound
    labelled = np.isfinite(problem.y_test[:, 1])
    few_labels = roc_auc(problem.y_test[labelled, 1], y_pred[labelled, 1])
    assert few_labels > bound - 0.1


@pytest.mark.parametrize("name", READERS)
def test_learns_the_rule_in_values(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("regression")
    y_pred = fit_predict(name, problem)
    error = np.abs(y_pred[:, 0] - problem.y_test[:, 0]).mean()
    error_of_mean = np.abs(problem.y_train[:, 0].mean() - problem.y_test[:, 0]).mean()
    assert error < (0.85 if name == "fingerprint.knn" else 0.6) * error_of_mean


@pytest.mark.parametrize("task_type", TASK_TYPES)
@pytest.mark.parametrize("name", ["mean", *PER_TASK])
def test_says_the_constant_where_there_is_nothing_to_learn(
    name: str, task_type: TaskType, problem_of: MakeProblem
) -> None:
    y_pred = fit_predict(name, problem_of(task_type))
    np.testing.assert_array_equal(y_pred[:, 2], 1.0)
    np.testing.assert_array_equal(y_pred[:, 3], 0.5 if task_type == "classification" else 0.0)


@pytest.mark.parametrize("name", PER_TASK)
def test_rows_without_a_label_teach_nothing(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    rows = np.flatnonzero(np.isfinite(problem.y_train[:, 1]))
    columns = [1]
    whole = replace(
        problem, y_train=problem.y_train[:, columns], y_valid=problem.y_valid[:, columns]
    )
    only = replace(
        whole, train=problem.train.take(rows), y_train=problem.y_train[np.ix_(rows, columns)]
    )
    all_rows = whole.fit(build(name)).predict(problem.test)
    labelled_rows = only.fit(build(name)).predict(problem.test)
    np.testing.assert_allclose(all_rows, labelled_rows, atol=2e-4)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_same_seed_same_predictions_on_any_number_of_cores(
    name: str, problem_of: MakeProblem
) -> None:
    problem = problem_of("classification")
    one = fit_predict(name, problem, brief, seed=3, n_jobs=1)
    np.testing.assert_allclose(fit_predict(name, problem, brief, seed=3, n_jobs=1), one, atol=0)
    np.testing.assert_allclose(fit_predict(name, problem, brief, seed=3, n_jobs=2), one, atol=1e-6)
    other_seed = fit_predict(name, problem, brief, seed=4, n_jobs=1)
    assert SPECS[name].deterministic == np.array_equal(other_seed, one)


@pytest.mark.parametrize("name", READERS)
def test_without_validation_rows(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    none = np.arange(0)
    without = replace(problem, valid=problem.valid.take(none), y_valid=problem.y_valid[none])
    fit_predict(name, without, brief)


@pytest.mark.parametrize("name", READERS)
def test_one_molecule_alone_gets_the_same_prediction(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    model = problem.fit(brief(name))
    together = model.predict(problem.test)
    alone = model.predict(problem.test.take(np.array([5])))
    np.testing.assert_allclose(alone, together[5:6], atol=1e-5)
    assert model.predict(problem.test.take(np.arange(0))).shape == (0, 4)


@pytest.mark.parametrize("name", READERS)
def test_reports_progress_to_the_end(name: str, problem_of: MakeProblem) -> None:
    seen: list[tuple[int, int]] = []
    problem = problem_of("classification")
    fit_predict(name, problem, brief, progress=lambda done, total, unit: seen.append((done, total)))
    assert seen
    assert all(0 <= done <= total for done, total in seen)


def test_the_median_is_a_choice_for_values_only(problem_of: MakeProblem) -> None:
    problem = problem_of("regression")
    median = problem.fit(build("mean", statistic="median")).predict(problem.test)
    np.testing.assert_allclose(median[:, 1], np.nanmedian(problem.y_train[:, 1]))
    classes = problem_of("classification")
    share = classes.fit(build("mean", statistic="median")).predict(classes.test)
    np.testing.assert_allclose(share[:, 0], classes.y_train[:, 0].mean())


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("unit", "offset"), [(1e-3, 1e6), (1e-170, 0.0)])
def test_neither_offset_nor_unit_of_the_labels_costs_anything(
    name: str, unit: float, offset: float, problem_of: MakeProblem
) -> None:
    problem = problem_of("regression")
    odd = replace(
        problem, y_train=problem.y_train * unit + offset, y_valid=problem.y_valid * unit + offset
    )
    usual = np.abs(fit_predict(name, problem, brief) - problem.y_test)[:, 0].mean()
    back = (fit_predict(name, odd, brief) - offset) / unit
    assert np.abs(back - problem.y_test)[:, 0].mean() < 1.1 * usual
