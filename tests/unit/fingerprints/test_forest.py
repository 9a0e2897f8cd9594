"""The forest is scikit-learn's in all but speed; its scores stand or fall with probabilities."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from pydantic import ValidationError

from chmr_bench import FitContext, Inputs, TaskInfo
from chmr_bench.features.fingerprints import morgan
from chmr_bench.metrics import macro, roc_auc, score_tasks
from chmr_bench.types import FloatArray, TaskType
from chmr_bench_fingerprints.forest import Forest, ForestConfig
from chmr_bench_fingerprints.multi_forest import MultiForest, MultiForestConfig

InputsOf: TypeAlias = Callable[..., Inputs]


def config(**settings: object) -> ForestConfig:
    return ForestConfig.model_validate(settings)


def fit_predict(
    settings: ForestConfig, train: Inputs, y: FloatArray, test: Inputs, metric: Any, seed: int
) -> FloatArray:
    task_type = "regression" if metric == "mae" else "classification"
    names = tuple(f"task{j}" for j in range(y.shape[1]))
    forest = Forest(settings)
    context = FitContext(TaskInfo(task_type, names, metric), seed=seed, n_jobs=2)
    forest.fit(train, y, train.take(np.arange(0)), y[:0], context)
    return forest.predict(test)


def noisy(seed: int, n: int = 700, d: int = 256) -> tuple[FloatArray, FloatArray]:
    """Return sparse bits and values that depend on thirty of them, in part."""
    rng = np.random.default_rng(seed)
    bits = (rng.random((n, d)) < rng.uniform(0.01, 0.3, d)).astype(np.float32)
    weights = np.zeros(d)
    weights[:30] = rng.standard_normal(30)
    latent = bits @ weights
    values = (latent - latent.mean()) / latent.std() + rng.standard_normal(n)
    return bits, values


TRAIN, TEST = slice(0, 400), slice(400, None)


@pytest.mark.parametrize(
    ("task_type", "max_features"),
    [
        pytest.param("classification", "sqrt", marks=pytest.mark.slow),
        ("classification", 0.3),
        pytest.param("regression", 0.1, marks=pytest.mark.slow),
    ],
)
def test_it_differs_from_scikit_learn_by_chance_alone(
    task_type: TaskType, max_features: str | float, inputs_of: InputsOf
) -> None:
    """Our forest is as far from scikit-learn's as two of scikit-learn's are from one another."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    bits, values = noisy(0)
    is_classifier = task_type == "classification"
    y = (values > 0.8).astype(float) if is_classifier else values
    train, test = inputs_of(bits[TRAIN] > 0), inputs_of(bits[TEST] > 0)
    plain = []
    for seed in (0, 1):
        kind = RandomForestClassifier if is_classifier else RandomForestRegressor
        model = kind(400, max_features=max_features, random_state=seed)
        model.fit(bits[TRAIN], y[TRAIN])
        plain.append(
            model.predict_proba(bits[TEST])[:, 1] if is_classifier else model.predict(bits[TEST])
        )
    name = "max_features" if is_classifier else "max_features_regression"
    settings = config(n_trees=400, **{name: max_features})
    metric = "roc_auc" if is_classifier else "mae"
    own = fit_predict(settings, train, y[TRAIN, None], test, metric, 0)[:, 0]
    chance = root_mean_square(plain[0] - plain[1])
    assert root_mean_square(own - plain[0]) < 1.2 * chance
    assert root_mean_square(own - plain[1]) < 1.2 * chance
    assert abs((own - plain[0]).mean()) < 0.5 * chance
    assert root_mean_square(plain[0] - y[TRAIN].mean()) > 1.5 * chance


def root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def test_several_fingerprints_are_read_side_by_side(inputs_of: InputsOf) -> None:
    rng = np.random.default_rng(2)
    noise, signal = rng.random((200, 64)) < 0.2, rng.random((200, 32)) < 0.5
    inputs = inputs_of(noise, maccs=signal)
    y = signal[:, :1].astype(float)
    settings = config(features="morgan,maccs", n_trees=50)
    assert list(Forest.needs(settings)) == ["morgan", "maccs"]
    y_pred = fit_predict(settings, inputs, y, inputs, "roc_auc", 0)
    assert roc_auc(y[:, 0], y_pred[:, 0]) == 1.0


@pytest.mark.parametrize(
    "settings",
    [
        {"n_trees": 0},
        {"max_features": "log2"},
        {"max_features": 0},
        {"max_features": 1.5},
        {"min_leaf": 0},
        {"trees": 10},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


# ------------------------------------------------------------------------------ the published error


@pytest.fixture(scope="module")
def chembl2k(mirror: Path) -> tuple[Inputs, FloatArray, dict[str, Any]]:
    """ChEMBL2K with its reference split, read without the loaders of the harness."""
    with gzip.open(mirror / "chembl2k" / "assays.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    y = np.array([[float(v) if v else np.nan for v in row[4:]] for row in rows])
    smiles = [row[header.index("smiles")] for row in rows]
    parts = {}
    for part in ("train", "test"):
        path = mirror / "splits" / "chembl2k" / f"{part}.csv.gz"
        with gzip.open(path, "rt", encoding="utf-8") as file:
            parts[part] = np.array([int(line) for line in file])
    return Inputs(tuple(smiles), {"morgan": morgan(smiles)}), y, parts


@pytest.mark.slow
def test_hard_labels_make_a_good_forest_look_like_a_coin_toss(chembl2k: Any) -> None:
    """The error behind published forest rows: ROC-AUC of 0/1 votes in place of probabilities."""
    inputs, y, parts = chembl2k
    train, test = parts["train"], parts["test"]
    settings = config(n_trees=200)
    y_pred = fit_predict(settings, inputs.take(train), y[train], inputs.take(test), "roc_auc", 0)
    names = [f"task{j}" for j in range(y.shape[1])]
    soft = macro(score_tasks("roc_auc", names, y[test], y_pred))
    hard = macro(score_tasks("roc_auc", names, y[test], (y_pred > 0.5).astype(float)))
    assert soft is not None
    assert hard is not None
    assert soft > 0.72
    assert 0.50 < hard < 0.60


# ------------------------------------------------------------------------- one forest a fingerprint


def test_several_forests_are_averaged(inputs_of: InputsOf) -> None:
    """The mean of the single forests, each with the share of bits that validation rows choose."""
    rng = np.random.default_rng(4)
    first, second = rng.random((300, 64)) < 0.3, rng.random((300, 48)) < 0.3
    inputs = inputs_of(first, maccs=second)
    y = (first[:, :1] & second[:, :1]).astype(float)
    train, valid = np.arange(150), np.arange(150, 300)
    context = FitContext(TaskInfo("classification", ("a",), "roc_auc"), n_jobs=2)

    def scored(model: Any) -> tuple[float, FloatArray]:
        model.fit(inputs.take(train), y[train], inputs.take(valid), y[valid], context)
        y_pred: FloatArray = model.predict(inputs.take(valid))
        return roc_auc(y[valid, 0], y_pred[:, 0]), y_pred

    def several(*shares: float) -> MultiForest:
        settings = {"features": "morgan,maccs", "n_trees": 30, "max_features": shares}
        return MultiForest(MultiForestConfig.model_validate(settings))

    one = [
        scored(Forest(config(features=name, n_trees=30, max_features=0.5, min_leaf=2)))[1]
        for name in ("morgan", "maccs")
    ]
    score, y_pred = scored(several(0.5))
    np.testing.assert_allclose(y_pred, (one[0] + one[1]) / 2, atol=1e-12)
    poor, _ = scored(several(0.02))
    assert poor < score
    for order in ((0.02, 0.5), (0.5, 0.02)):
        np.testing.assert_array_equal(scored(several(*order))[1], y_pred)


def test_shares_are_read_from_a_command_line() -> None:
    assert MultiForestConfig.model_validate({"max_features": "sqrt,0.2"}).max_features == (
        "sqrt",
        0.2,
    )
    assert MultiForestConfig.model_validate({"max_features": 0.2}).max_features == (0.2,)
    with pytest.raises(ValidationError):
        MultiForestConfig.model_validate({"max_features": "sqrt,half"})
