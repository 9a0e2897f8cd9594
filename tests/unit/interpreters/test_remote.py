"""A model in an interpreter of its own gives what it would give here, and fails with a reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel
from scipy import sparse

from chmr_bench import FitContext, Inputs, MatrixBlock, ModelSpec, TaskInfo
from chmr_bench.errors import DataError, MissingDependencyError, PluginError, WorkerDiedError
from chmr_bench.features.graphs import graph
from chmr_bench.interpreters import RemoteModel, environment_digest, interpreter_of
from chmr_bench.lazy import load_object
from chmr_bench.settings import missing_modules, require

SOURCE = '''
import os

import numpy as np


class Ridge:
    """Runs on either side: it imports nothing of chmr-bench."""

    def __init__(self, config):
        self.alpha = config.alpha

    def fit(self, train, y_train, valid, y_valid, context):
        print("printed", flush=True)
        context.log.info("seed %d, %d molecules", context.seed, len(train))
        context.progress(1, 2, "steps")
        if self.alpha == 13:
            raise ValueError(f"no luck with {context.tasks.task_names[0]}")
        if self.alpha == 7:
            os._exit(3)
        x = self._x(train)
        y = np.where(np.isfinite(y_train), y_train, 0.0)
        self.weights = np.linalg.solve(x.T @ x + self.alpha * np.eye(x.shape[1]), x.T @ y)

    def predict(self, inputs):
        return self._x(inputs) @ self.weights

    def _x(self, inputs):
        bits, profile = inputs.matrix("bits"), inputs.matrix("profile")
        dense = bits.values.toarray() if hasattr(bits.values, "toarray") else bits.values
        size = np.array([[float(len(s))] for s in inputs.smiles]).reshape(-1, 1)
        return np.hstack([dense, np.where(profile.observed, profile.values, 0.0), size])
'''


class Config(BaseModel, extra="forbid"):
    alpha: float = 1.0


CONTEXT = FitContext(TaskInfo("regression", ("a", "b"), "mae"), seed=5)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model whose package lies in a folder that only this interpreter searches."""
    (tmp_path / "away_package").mkdir()
    (tmp_path / "away_package" / "__init__.py").write_text("")
    (tmp_path / "away_package" / "ridge.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AWAY_PYTHON", sys.executable)
    factory = "away_package.ridge:Ridge"
    return ModelSpec("away", "a test model", factory, f"{__name__}:Config", python="AWAY_PYTHON")


@pytest.fixture
def data() -> tuple[Inputs, Any]:
    """Molecules with sparse bits and a profile measured in part, and labels with gaps."""
    rng = np.random.default_rng(0)
    bits = sparse.csr_array((rng.random((30, 6)) < 0.4).astype(np.uint8))
    values, seen = rng.standard_normal((30, 3)), rng.random((30, 3)) < 0.7
    blocks = {
        "bits": MatrixBlock(bits, np.ones(30, dtype=bool)),
        "profile": MatrixBlock(np.where(seen, values, np.nan), seen),
    }
    y = rng.standard_normal((30, 2))
    y[::4, 1] = np.nan
    return Inputs(tuple("C" * (i + 1) for i in range(30)), blocks), y


def test_it_predicts_as_it_does_here(
    spec: ModelSpec, data: tuple[Inputs, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inputs, y = data
    here, away = load_object(spec.factory)(Config()), RemoteModel(spec, Config())
    steps: list[tuple[int, int, str]] = []
    context = FitContext(
        CONTEXT.tasks, seed=5, progress=lambda done, total, unit: steps.append((done, total, unit))
    )
    none = inputs.take(np.arange(0))
    with caplog.at_level("INFO", logger="chmr_bench.model"):
        for model in (here, away):
            model.fit(inputs, y, none, y[:0], context)
    for rows in (np.arange(30), np.array([7]), np.arange(0)):
        expected = here.predict(inputs.take(rows))
        np.testing.assert_allclose(away.predict(inputs.take(rows)), expected, atol=1e-12)
    assert steps == [(1, 2, "steps")] * 2
    assert caplog.text.count("seed 5, 30 molecules") == 2
    assert "numpy==" in caplog.text
    away.close()
    assert away._process.returncode is not None


@pytest.mark.parametrize(
    ("alpha", "error", "words"),
    [(13, PluginError, "ValueError: no luck with a"), (7, WorkerDiedError, "code 3 in fit")],
)
def test_what_goes_wrong_there_is_said_here(
    alpha: float, error: type[Exception], words: str, spec: ModelSpec, data: tuple[Inputs, Any]
) -> None:
    inputs, y = data
    model = RemoteModel(spec, Config(alpha=alpha))
    with pytest.raises(error, match=words) as raised:
        model.fit(inputs, y, inputs, y, CONTEXT)
    if error is PluginError:
        assert "in fit" in str(getattr(raised.value, "trace", ""))
    model.close()


def test_a_package_that_is_not_there_is_named_with_what_to_do(
    spec: ModelSpec, data: tuple[Inputs, Any], tmp_path: Path
) -> None:
    """As where the settings class, of pydantic, stands beside the model."""
    inputs, y = data
    (tmp_path / "lacking_package.py").write_text(f"import no_such_module_anywhere\n{SOURCE}")
    lacking = ModelSpec("away", "", "lacking_package:Ridge", spec.config, python=spec.python)
    model = RemoteModel(lacking, Config())
    with pytest.raises(PluginError) as raised:
        model.fit(inputs, y, inputs, y, CONTEXT)
    text = str(raised.value)
    assert "ModuleNotFoundError: No module named 'no_such_module_anywhere' in the inter" in text
    assert f"(AWAY_PYTHON, {sys.executable}): install it there, or move the import" in text
    model.close()


def test_graphs_are_not_sent(spec: ModelSpec, data: tuple[Inputs, Any]) -> None:
    inputs, y = data
    graphs = Inputs(inputs.smiles, {"graph": graph(inputs.smiles)})
    with pytest.raises(DataError, match="'graph' holds graphs"):
        RemoteModel(spec, Config()).fit(graphs, y, graphs, y, CONTEXT)


def of(spec: ModelSpec, python: str, *modules: str) -> ModelSpec:
    return ModelSpec("away", "", spec.factory, spec.config, python=python, requires=modules)


def test_an_interpreter_that_is_not_there_is_named(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWAY_PYTHON")
    with pytest.raises(MissingDependencyError, match="set AWAY_PYTHON to the python of an env"):
        require(spec)
    assert missing_modules(spec) == ["AWAY_PYTHON"]
    assert environment_digest(spec) == "unknown"
    nothing = tmp_path / "python"
    nothing.write_text("no program")
    with pytest.raises(MissingDependencyError, match="no Python interpreter that starts"):
        require(of(spec, str(nothing)))


def test_packages_are_looked_for_there(spec: ModelSpec) -> None:
    lacking = of(spec, "AWAY_PYTHON", "numpy", "no_such_module_anywhere")
    with pytest.raises(MissingDependencyError, match="needs no_such_module_anywhere, which is not"):
        require(lacking)
    require(of(spec, sys.executable, "numpy"))


def test_the_digest_is_of_what_is_installed_not_of_the_place(spec: ModelSpec) -> None:
    found = interpreter_of(spec)
    assert found.digest == environment_digest(of(spec, sys.executable))
    assert any(name.startswith("pyarrow==") for name in found.packages)
