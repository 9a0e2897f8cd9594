"""check_model finds each broken promise; every toy here breaks exactly one."""

from __future__ import annotations

import gc
import inspect
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from chmr_bench import FeatureRequest, FitContext, Inputs, ModelSpec, PluginError
from chmr_bench.errors import MissingDependencyError
from chmr_bench.testing import check_model
from chmr_bench.types import FloatArray


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = 1


class LooseConfig(BaseModel):
    width: int = 1


class Honest:
    """Predicts a seeded constant a task: keeps every promise."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.y_pred = np.zeros(0)

    @classmethod
    def needs(cls, config: Config) -> Mapping[str, FeatureRequest]:
        return {"maccs": FeatureRequest("maccs")}

    def fit(
        self,
        train: Inputs,
        y_train: FloatArray,
        valid: Inputs,
        y_valid: FloatArray,
        context: FitContext,
    ) -> None:
        self.y_pred = np.random.default_rng(context.seed).random(y_train.shape[1])

    def predict(self, inputs: Inputs) -> FloatArray:
        return np.tile(self.y_pred, (len(inputs), 1))


class NoPredict:
    needs = Honest.needs
    fit = Honest.fit


class ReadsOneName(Honest):
    """Takes a block to be called as its modality is."""

    def predict(self, inputs: Inputs) -> FloatArray:
        inputs.matrix("growth")
        return super().predict(inputs)


class ReadsFull(Honest):
    """Reads what it is given, full profiles alone."""

    def predict(self, inputs: Inputs) -> FloatArray:
        for name in inputs.blocks:
            inputs.matrix(name).complete_rows(name, "toy")
        return super().predict(inputs)


class NeedsList(Honest):
    @classmethod
    def needs(cls, config: Config) -> Any:
        return ["maccs"]


class NeedsUnknown(Honest):
    @classmethod
    def needs(cls, config: Config) -> Mapping[str, FeatureRequest]:
        return {"maccs": FeatureRequest("macs")}


class WrongShape(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        return super().predict(inputs)[:, 0]


class Integers(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        return super().predict(inputs).astype(np.int64)  # type: ignore[return-value]


class NotFinite(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        return super().predict(inputs) * np.nan


class Logits(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        return super().predict(inputs) - 2.0


class Unseeded(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        self.y_pred = np.random.default_rng().random(self.y_pred.shape)


class FillsLabels(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        args[1][np.isnan(args[1])] = 0.0


class ScalesInputs(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        values: Any = inputs.matrix("maccs").values
        values.data[:] = 2
        return super().predict(inputs)


class ChangesSettings(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        self.config.width += 1


class LooksAround(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        return super().predict(inputs) / len(inputs)


class PatchesNumpy(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        np.isnan = np.isinf


class ChangesEnvironment(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        os.environ["HOME"] = "/nowhere"


class Moves(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        os.chdir("/")


class Silences(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        sys.stdout = None  # type: ignore[assignment]


class LeavesChild(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        words = [sys.executable, "-c", "import time; time.sleep(60)"]
        os.posix_spawn(sys.executable, words, os.environ)


class PeeksOnStack(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        for info in inspect.stack():
            y = info.frame.f_locals.get("y_test")
            if y is not None and len(y) == len(inputs):
                return 0.9 * np.asarray(y) + 0.05
        return super().predict(inputs)


class PeeksInMemory(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        for held in gc.get_objects():
            if type(held) is dict and isinstance(held.get("y_test"), np.ndarray):
                y = held["y_test"]
                if y.shape == (len(inputs), len(self.y_pred)):
                    return np.asarray(y)
        return super().predict(inputs)


class Falls(Honest):
    def fit(self, *args: Any) -> None:
        raise ValueError("y contains only one class")


class Leaves(Honest):
    def fit(self, *args: Any) -> None:
        os._exit(0)


class Sleeps(Honest):
    def fit(self, *args: Any) -> None:
        time.sleep(600)


class RaisesBase(Honest):
    def predict(self, inputs: Inputs) -> FloatArray:
        raise BaseException("neither an error nor an exit")


class Forks(Honest):
    def fit(self, *args: Any) -> None:
        super().fit(*args)
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)


def spec(name: str = "Honest", **changes: Any) -> ModelSpec:
    values = {
        "name": "toy",
        "title": "A toy",
        "factory": f"{__name__}:{name}",
        "config": f"{__name__}:Config",
    }
    return ModelSpec(**values | changes)  # type: ignore[arg-type]


def test_an_honest_model_passes() -> None:
    check_model(spec())


@pytest.mark.parametrize(
    ("toy", "words"),
    [
        ("Absent", "has no 'Absent'"),
        ("NoPredict", "no method 'predict'"),
        ("NeedsList", "expected a mapping"),
        ("WrongShape", "expected \\(14, 4\\)"),
        ("Integers", "gave int64"),
        ("NotFinite", "not finite"),
        ("Logits", "expected probabilities"),
        ("Unseeded", "same seed"),
        ("FillsLabels", "changed y_train"),
        ("ScalesInputs", "changed the block 'maccs' of test"),
        ("ChangesSettings", "changed its own settings"),
        ("LooksAround", "depends on which others"),
        ("PatchesNumpy", "changed numpy.isnan, which others rely on"),
        ("ChangesEnvironment", "changed the environment variable HOME"),
        ("Moves", "changed the working folder"),
        ("Silences", "changed the standard streams"),
        ("LeavesChild", r"left processes behind: python\S* \(process \d+\)"),
        ("PeeksOnStack", "looks for test labels"),
        ("PeeksInMemory", "looks for test labels"),
        ("Leaves", "model 'toy': the worker process ended itself with exit code 0"),
        ("RaisesBase", "BaseException: neither an error nor an exit"),
        pytest.param("Forks", "left processes behind", marks=pytest.mark.slow),
        ("Falls", "ValueError: y contains only one class"),
    ],
)
def test_a_broken_promise_is_named(toy: str, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check_model(spec(toy))


def test_blocks_have_the_names_of_atlases_too() -> None:
    words = r"block 'growth.sample' alone of its kind: the inputs hold no matrix called 'growth'"
    with pytest.raises(PluginError, match=words):
        check_model(spec("ReadsOneName", reads=("morphology", "growth")))
    check_model(spec("ReadsFull", reads=("morphology", "growth")))


def test_one_that_never_returns_is_ended() -> None:
    with pytest.raises(PluginError, match="model 'toy': it took longer than the limit of 2 s"):
        check_model(spec("Sleeps"), time_limit=2)


def test_logits_are_no_matter_for_regression() -> None:
    check_model(spec("Logits", task_types=("regression",)))


def test_an_unknown_feature_offers_the_nearest() -> None:
    with pytest.raises(Exception, match="did you mean 'maccs'"):
        check_model(spec("NeedsUnknown"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config": f"{__name__}:LooseConfig"}, "extra='forbid'"),
        ({"config": f"{__name__}:Honest"}, "no pydantic model"),
        ({"recipe": "nowhere.toml"}, "no recipe file"),
        ({"deterministic": True}, "yet the seed changes it"),
        ({"preset": {"widht": 2}}, "unknown"),
    ],
)
def test_a_wrong_spec_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check_model(spec(**changes))


def test_a_missing_package_is_no_broken_promise() -> None:
    with pytest.raises(MissingDependencyError, match="no_such_package"):
        check_model(spec(requires=("no_such_package",)))


def test_printing_at_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_config.py").write_text("print('HELLO from import')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match=r"prints on standard output.*'HELLO from import'"):
        check_model(spec(config="loud_config:Config"))
