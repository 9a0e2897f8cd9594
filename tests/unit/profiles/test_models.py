"""The models use profiles where there are any, and are models of structure where not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pytest

from chmr_bench import Inputs
from chmr_bench.lazy import load_object
from chmr_bench.metrics import roc_auc
from chmr_bench.types import FloatArray, TaskType
from chmr_bench_profiles.plugin import MODELS

pytest.importorskip("torch")

SPECS = {spec.name: spec for spec in MODELS}
NAMES = sorted(SPECS)
LATE = [name for name in NAMES if name.endswith(".late")]
TASK_TYPES: tuple[TaskType, ...] = ("classification", "regression")
QUICK: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"hidden": 32, "epochs": 20, "batch_size": 32},
    "counts": {"descriptors": (), "shapes": ("128",), "learning_rate": 0.01, "batch_size": 32},
    "forest": {"n_trees": 60},
}
BRIEF: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"epochs": 4},
    "counts": {"epochs": 4},
    "forest": {"n_trees": 10},
}
"""Where the same must come out twice, and nothing need be learnt well."""
MakeProblem: TypeAlias = Callable[..., Any]
Change: TypeAlias = dict[str, Callable[..., Inputs]]
every_model = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LATE else ()) for n in NAMES]
)
"""Late fusion is members of the other two kinds; what it adds has tests of its own."""


def build(name: str, **settings: Any) -> Any:
    spec = SPECS[name]
    quick = QUICK[name.split(".")[1]]
    config = load_object(spec.config).model_validate({**quick, **spec.preset, **settings})
    return load_object(spec.factory)(config)


def build_brief(name: str, **settings: Any) -> Any:
    return build(name, **{**BRIEF[name.split(".")[1]], **settings})


def auc(problem: Any, y_pred: FloatArray) -> float:
    return roc_auc(problem.y_test[:, 0], y_pred[:, 0])


def rows_with_cells(inputs: Inputs) -> Any:
    return inputs.matrix("morphology").observed | inputs.matrix("expression").observed


@every_model
def test_profiles_help_those_that_have_them(
    name: str, problem_of: MakeProblem, change: Change
) -> None:
    problem = problem_of("classification")
    plain = problem.on(change["without_cells"])
    y_pred = problem.fit(build(name)).predict(problem.test)
    structure = plain.fit(build(name)).predict(plain.test)
    assert 0 <= y_pred.min() <= y_pred.max() <= 1
    seen, label = rows_with_cells(problem.test), problem.y_test[:, 0]
    gain = roc_auc(label[seen], y_pred[seen, 0]) - roc_auc(label[seen], structure[seen, 0])
    assert gain > 0.08
    assert auc(problem, structure) > 0.6
    blind = roc_auc(label[~seen], y_pred[~seen, 0]) - roc_auc(label[~seen], structure[~seen, 0])
    assert abs(blind) < 0.1


@every_model
def test_profiles_help_with_values(name: str, problem_of: MakeProblem, change: Change) -> None:
    problem = problem_of("regression")
    plain = problem.on(change["without_cells"])
    found = problem.fit(build(name)).predict(problem.test)
    structure = plain.fit(build(name)).predict(plain.test)
    error, alone = (np.abs(y[:, 0] - problem.y_test[:, 0]).mean() for y in (found, structure))
    assert error < 0.85 * alone


@pytest.mark.parametrize("task_type", TASK_TYPES)
@every_model
def test_rows_that_are_not_observed_are_never_read(
    name: str, task_type: TaskType, problem_of: MakeProblem, change: Change
) -> None:
    problem = problem_of(task_type)
    bad = problem.on(lambda part: change["poisoned"](part, 1e30))
    assert np.nanmax(bad.train.matrix("morphology").values) == 1e30
    np.testing.assert_array_equal(
        bad.fit(build_brief(name)).predict(bad.test),
        problem.fit(build_brief(name)).predict(problem.test),
    )


@pytest.mark.parametrize("task_type", TASK_TYPES)
@every_model
def test_without_any_profile_it_is_the_model_of_structure(
    name: str, task_type: TaskType, problem_of: MakeProblem, change: Change
) -> None:
    problem = problem_of(task_type)
    plain, hidden = problem.on(change["without_cells"]), problem.on(change["hide"])
    y_pred = plain.fit(build_brief(name)).predict(plain.test)
    assert np.isfinite(y_pred).all()
    np.testing.assert_array_equal(hidden.fit(build_brief(name)).predict(hidden.test), y_pred)
    fusion = "early" if name in LATE else "late"
    other = plain.fit(build_brief(name, fusion=fusion)).predict(plain.test)
    np.testing.assert_array_equal(other, y_pred)


@every_model
def test_what_was_there_in_training_may_be_missing_later(
    name: str, problem_of: MakeProblem, change: Change
) -> None:
    problem = problem_of("classification")
    model = problem.fit(build(name))
    whole = model.predict(problem.test)
    hidden = model.predict(change["hide"](problem.test))
    np.testing.assert_array_equal(model.predict(change["without_cells"](problem.test)), hidden)
    assert np.isfinite(hidden).all()
    assert 0.6 < auc(problem, hidden) < auc(problem, whole)
    seen = rows_with_cells(problem.test)
    np.testing.assert_allclose(hidden[~seen], whole[~seen], atol=1e-6)
    half = model.predict(change["hide"](problem.test, ["expression"]))
    assert auc(problem, hidden) < auc(problem, half) < auc(problem, whole)


@pytest.mark.parametrize("name", LATE)
def test_each_member_of_late_fusion_speaks_where_its_profile_is(
    name: str, problem_of: MakeProblem, change: Change
) -> None:
    """Where no profile is, the member on the bits speaks alone: it is the model of structure."""
    problem = problem_of("classification")
    plain = problem.on(change["without_cells"])
    model, structure = problem.fit(build(name)), plain.fit(build(name))
    assert [member.reads for member in model._members] == ["", "morphology", "expression"]
    assert model._members[1].learnt.tolist() == [True, True, False, False]
    assert model._weights.sum() == pytest.approx(1)
    assert model._weights.min() > 0
    assert model._weights[1:].sum() > 0.5
    hidden = model.predict(change["hide"](problem.test))
    np.testing.assert_allclose(hidden, structure.predict(plain.test), atol=1e-6)


@pytest.mark.parametrize("name", LATE)
def test_a_profile_of_molecules_without_labels_gets_no_member(
    name: str, problem_of: MakeProblem
) -> None:
    problem = problem_of("classification")
    y_train = problem.y_train.copy()
    y_train[problem.train.matrix("expression").observed] = np.nan
    model = replace(problem, y_train=y_train).fit(build(name))
    assert [member.reads for member in model._members] == ["", "morphology"]
    assert np.isfinite(model.predict(problem.test)).all()


@pytest.mark.parametrize("task_type", TASK_TYPES)
@pytest.mark.parametrize("name", ["cells.forest", "cells.forest.late"])
def test_a_forest_says_the_constant_where_there_is_nothing_to_learn(
    name: str, task_type: TaskType, problem_of: MakeProblem
) -> None:
    problem = problem_of(task_type)
    y_pred = problem.fit(build(name)).predict(problem.test)
    np.testing.assert_array_equal(y_pred[:, 2], 1.0)
    np.testing.assert_array_equal(y_pred[:, 3], 0.5 if task_type == "classification" else 0.0)


@every_model
def test_same_seed_same_predictions_on_any_number_of_cores(
    name: str, problem_of: MakeProblem
) -> None:
    problem = problem_of("classification")
    one = problem.fit(build_brief(name), seed=3).predict(problem.test)
    np.testing.assert_array_equal(problem.fit(build_brief(name), seed=3).predict(problem.test), one)
    two = problem.fit(build_brief(name), seed=3, n_jobs=2).predict(problem.test)
    np.testing.assert_array_equal(two, one)
    assert not np.array_equal(problem.fit(build_brief(name), seed=4).predict(problem.test), one)


@every_model
def test_without_validation_rows_and_without_molecules(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    none = np.arange(0)
    blind = replace(problem, valid=problem.valid.take(none), y_valid=problem.y_valid[none])
    model = blind.fit(build_brief(name))
    assert np.isfinite(model.predict(problem.test)).all()
    assert model.predict(problem.test.take(none)).shape == (0, 4)
    assert len(set(np.round(model._weights, 12))) == 1


@pytest.mark.parametrize("name", ["cells.mlp", "cells.counts", "cells.forest"])
def test_hiding_profiles_while_learning_changes_what_is_learnt(
    name: str, problem_of: MakeProblem, change: Change
) -> None:
    problem = problem_of("classification")
    found = [
        problem.fit(build_brief(name, modality_dropout=share)).predict(problem.test)
        for share in (0.0, 0.5)
    ]
    assert not np.array_equal(*found)
    plain = problem.on(change["without_cells"])
    same = [
        plain.fit(build_brief(name, modality_dropout=share)).predict(plain.test)
        for share in (0.0, 0.5)
    ]
    np.testing.assert_array_equal(*same)


@every_model
def test_components_are_a_choice(name: str, problem_of: MakeProblem) -> None:
    problem = problem_of("classification")
    assert auc(problem, problem.fit(build(name, components=2)).predict(problem.test)) > 0.75


def in_part(inputs: Inputs, share: float, fill: float = np.nan) -> Inputs:
    """Return the inputs with a share of the entries of each profile not observed."""
    blocks = dict(inputs.blocks)
    for name in ("morphology", "expression"):
        block = inputs.matrix(name)
        drawn = np.random.default_rng(len(inputs)).random(block.values.shape)
        seen = block.entries & (drawn >= share)
        values = np.where(seen, block.values, fill)
        blocks[name] = replace(block, values=values, observed=seen)
    return replace(inputs, blocks=blocks)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("components", [0, 3])
def test_profiles_in_part_are_read_entry_by_entry(
    name: str, components: int, problem_of: MakeProblem
) -> None:
    problem = problem_of("classification")
    found = []
    for fill in (np.nan, 1e4, np.inf):
        part = problem.on(partial(in_part, share=0.6, fill=fill))
        found.append(part.fit(build_brief(name, components=components)).predict(part.test))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    full = problem.on(partial(in_part, share=0.0))
    plain = problem.fit(build_brief(name, components=components)).predict(problem.test)
    np.testing.assert_array_equal(
        full.fit(build_brief(name, components=components)).predict(full.test), plain
    )
