"""deepchem's own network and fingerprint, quiet and seeded."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

pytest.importorskip("torch")

from chmr_bench import Inputs, MatrixBlock
from chmr_bench.data.deepchem_bridge import import_deepchem, quiet
from chmr_bench.metrics import roc_auc
from chmr_bench.types import FloatArray, TaskType
from chmr_bench_fingerprints.deepchem_multitask import (
    BLOCK,
    DeepchemMultitask,
    DeepchemMultitaskConfig,
    circular_fingerprint,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepchem") is None,
    reason="deepchem, an optional extra, is not installed",
)
SETTINGS = {
    "size": 128,
    "layer_sizes": [64],
    "dropouts": 0.1,
    "epochs": 25,
    "batch_size": 32,
    "learning_rate": 0.003,
}


def renamed(inputs: Inputs) -> Inputs:
    return Inputs(inputs.smiles, {BLOCK: inputs.matrix("morgan")})


@pytest.fixture
def problem(problem_of: Callable[..., Any]) -> Callable[[TaskType], Any]:
    def make(task_type: TaskType) -> Any:
        found = problem_of(task_type)
        parts = {part: renamed(getattr(found, part)) for part in ("train", "valid", "test")}
        return replace(found, **parts)

    return make


def model(**settings: Any) -> DeepchemMultitask:
    config = DeepchemMultitaskConfig.model_validate({**SETTINGS, **settings})
    return DeepchemMultitask(config)


def test_the_fingerprint_is_that_of_deepchem() -> None:
    smiles = ["CCO", "c1ccccc1C(=O)O", "CC(=O)[O-].[Na+]"]
    deepchem = import_deepchem()
    with quiet():
        expected = deepchem.feat.CircularFingerprint(size=256, radius=3).featurize(smiles)
    block = circular_fingerprint(smiles, size=256, radius=3)
    assert isinstance(block, MatrixBlock)
    assert isinstance(block.values, sparse.csr_array)
    np.testing.assert_array_equal(block.values.toarray(), np.asarray(expected))


def test_it_learns_classes_and_is_seeded(problem: Callable[[TaskType], Any]) -> None:
    found = problem("classification")
    state = random.getstate()
    y_pred: FloatArray = found.fit(model(), seed=2).predict(found.test)
    assert random.getstate() == state
    assert y_pred.shape == found.y_test.shape
    assert ((y_pred >= 0) & (y_pred <= 1)).all()
    assert roc_auc(found.y_test[:, 0], y_pred[:, 0]) > 0.93
    again = found.fit(model(), seed=2, n_jobs=2).predict(found.test)
    np.testing.assert_allclose(again, y_pred, atol=1e-6)
    assert not np.array_equal(found.fit(model(), seed=3).predict(found.test), y_pred)


def test_it_learns_values_in_their_unit(problem: Callable[[TaskType], Any]) -> None:
    found = problem("regression")
    far = replace(found, y_train=found.y_train + 100, y_valid=found.y_valid + 100)
    y_pred = far.fit(model(epochs=40)).predict(far.test)
    truth = found.y_test[:, 0] + 100
    error_of_mean = np.abs(truth - far.y_train[:, 0].mean()).mean()
    assert np.abs(y_pred[:, 0] - truth).mean() < 0.6 * error_of_mean


def test_unlabelled_entries_have_no_weight(problem: Callable[[TaskType], Any]) -> None:
    """Rows without any label in a lone task are as good as not there, but for the batches."""
    found = problem("classification")
    y_train = found.y_train.copy()
    y_train[100:, :] = np.nan
    few = replace(found, y_train=y_train)
    y_pred = few.fit(model()).predict(few.test)
    assert np.isfinite(y_pred).all()
    assert roc_auc(few.y_test[:, 0], y_pred[:, 0]) > 0.8
    assert 0.3 < y_pred[:, 0].mean() < 0.7  # zeros in place of the missing labels pull it to 1/6


def test_it_is_quiet(problem: Callable[[TaskType], Any], capfd: pytest.CaptureFixture[str]) -> None:
    found = problem("classification")
    found.fit(model(epochs=2)).predict(found.test)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_it_predicts_on_one_thread(
    problem: Callable[[TaskType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of sums depends on the threads: more of them move the last bits."""
    torch = pytest.importorskip("torch")
    found = problem("regression")
    fitted = found.fit(model(epochs=1), seed=0)
    seen: list[int] = []
    raw = fitted._raw

    def watched(inputs: Inputs) -> FloatArray:
        seen.append(torch.get_num_threads())
        return raw(inputs)

    monkeypatch.setattr(fitted, "_raw", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fitted.predict(found.test)
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
