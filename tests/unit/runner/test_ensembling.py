"""Weights of an ensemble: chosen by validation rows, and by nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chmr_bench import Dataset, DatasetSpec
from chmr_bench.records import Predictions
from chmr_bench.records.predictions import as_stored
from chmr_bench.runner.ensembling import PICKS, _record, best_of, mean_of, picked_rows
from chmr_bench.types import FloatArray, TaskType

N = 400


def spec_of(task_type: TaskType) -> DatasetSpec:
    metric: Any = {"classification": "roc_auc", "regression": "mae"}[task_type]
    return DatasetSpec(
        name="made",
        title="made",
        task_type=task_type,
        metric=metric,
        task_names=("a",),
        n_molecules=N,
        load="nowhere:load",
    )


def predictions(values: FloatArray, task_type: TaskType = "regression") -> Predictions:
    return as_stored(values[:, None], np.arange(len(values)), ["a"], task_type)


def data(y: FloatArray, task_type: TaskType = "regression") -> Any:
    dataset = Dataset(("C",) * len(y), y[:, None], ("a",))
    return SimpleNamespace(spec=spec_of(task_type), dataset=dataset)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_two_that_err_differently_share_and_a_bad_one_has_no_weight(
    rng: np.random.Generator,
) -> None:
    y = rng.normal(size=N)
    rows = {
        "one": [predictions(y + rng.normal(size=N)) for _ in range(2)],
        "other": [predictions(y + rng.normal(size=N)) for _ in range(2)],
        "bad": [predictions(y + 30 * rng.normal(size=N)) for _ in range(2)],
    }
    loaded = data(y)
    picks = picked_rows(loaded, rows)
    assert len(picks) == PICKS
    weights, valid = best_of(picks, loaded.spec)
    assert set(weights) == {"one", "other"}
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0.3
    assert 0 < valid < -picks[0][1]  # an error in the metric's own sense, less than the best row's


def test_a_row_that_is_best_alone_stays_alone(rng: np.random.Generator) -> None:
    y = rng.normal(size=N)
    rows = {"perfect": [predictions(y)], "noise": [predictions(rng.normal(size=N))]}
    weights, valid = best_of(picked_rows(data(y), rows), spec_of("regression"))
    assert weights == {"perfect": 1.0}
    assert valid == 0


def test_classes_are_averaged_as_logits_and_stay_probabilities() -> None:
    low, high = np.array([0.1, 0.0, np.nan]), np.array([0.9, 1.0, np.nan])
    parts = [(0.5, predictions(p, "classification")) for p in (low, high)]
    mean = mean_of(parts, spec_of("classification"))
    assert mean.values.dtype == np.float16
    np.testing.assert_allclose(mean.values[:2, 0].astype(float), 0.5, atol=1e-3)
    assert np.isnan(mean.values[2, 0])


def test_a_label_missing_counts_for_nothing(rng: np.random.Generator) -> None:
    y = (rng.random(N) < 0.5).astype(float)
    y[::3] = np.nan
    good = np.where(y > 0.5, 0.8, 0.2)
    rows = {
        "good": [predictions(np.where(np.isnan(y), np.nan, good), "classification")],
        "none": [predictions(np.where(np.isnan(y), np.nan, 0.5), "classification")],
    }
    loaded = data(y, "classification")
    picks = picked_rows(loaded, rows)
    assert picks[0] == ("good", 1.0)


def test_what_its_rows_were_pretrained_on_is_said(results: Any) -> None:
    made = {"weights": "ab" * 32, "pretraining": {"atlases": ["cells"], "n_molecules": 9}}
    of = {f"model__{name}": value for name, value in made.items()}
    records = {row: results.add(row, "bace", **more) for row, more in (("a", of), ("b", {}))}
    runs: Any = {row: SimpleNamespace(record=r, identity=r.identity) for row, r in records.items()}
    whole, said, *none = _record(runs, 0, {"a": 0.7, "b": 0.3}, ("test",)).remarks
    assert whole == "weighted mean, by validation rows alone, of: a 0.7, b 0.3"
    assert said.startswith("a was pretrained on cells, 9 molecules; ")
    assert none == []
    assert _record(runs, 0, {"b": 1.0}, ("test",)).remarks[1:] == []
