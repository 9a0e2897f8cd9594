"""Several heads are fitted; the best on the validation rows, or the mean of few, predicts."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

import torch

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.errors import SettingError
from chmr_bench.features.profiles import CLIP
from chmr_bench.features.storage import write_block
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench_chmr import embedding
from chmr_bench_chmr.config import ChmrConfig
from chmr_bench_chmr.model import LINEAR, Chmr
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import feature_requests, load_network, save_network

ENDS = ("C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "S")
SMILES = tuple(f"c1c({a})ccc(C{b})c1" for a, b in itertools.product(ENDS, ENDS))
CELLS = (Modality("morphology", 5), Modality("expression", 4))
CONFIG = ChmrConfig(
    n_bits=64, geometry="none", head_hidden=8, head_epochs=4, head_strengths=(1.0, 30.0)
)
KINDS = ("network", "anchor", "readouts")
TRAIN, VALID = np.arange(0, 64, 2), np.arange(1, 64, 2)


@pytest.fixture
def context(encoder: Callable[..., Path]) -> FitContext:
    tasks = TaskInfo("classification", ("a", "b"), "roc_auc")
    return FitContext(tasks=tasks, weights=encoder(CONFIG, *CELLS))


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return featurised(SMILES, Chmr.needs(CONFIG))


def fitted(inputs: Inputs, y: Any, context: FitContext, **changes: Any) -> Chmr:
    model = Chmr(CONFIG.model_copy(update=changes))
    model.fit(inputs.take(TRAIN), y[TRAIN], inputs.take(VALID), y[VALID], context)
    return model


def drawn(seed: int, task_type: str) -> Any:
    """Return labels of two tasks that have nothing to do with the molecules."""
    y = np.random.default_rng(seed).normal(size=(len(SMILES), 2))
    return (y > 0).astype(float) if task_type == "classification" else y


def scored(y: Any, y_pred: Any, task_type: str) -> float:
    """Return the validation score, greater is better."""
    metric: Any = "roc_auc" if task_type == "classification" else "mae"
    found = macro(score_tasks(metric, ("a", "b"), y[VALID], y_pred[VALID])) or 0.0
    return found if task_type == "classification" else -found


@pytest.fixture(params=["classification", "regression"])
def task_type(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def judged(context: FitContext, task_type: Any) -> FitContext:
    metric: Any = "roc_auc" if task_type == "classification" else "mae"
    return replace(context, tasks=TaskInfo(task_type, ("a", "b"), metric))


def test_the_best_on_validation_rows_is_kept(
    task_type: Any, inputs: Inputs, judged: FitContext
) -> None:
    winners = set()
    for seed in range(6):
        y = drawn(seed, task_type)
        alone = {k: fitted(inputs, y, judged, heads=(k,)).predict(inputs) for k in KINDS}
        scores = {kind: scored(y, y_pred, task_type) for kind, y_pred in alone.items()}
        best = max(KINDS, key=lambda kind: scores[kind])
        together = fitted(inputs, y, judged, heads=KINDS, head_blend=False)
        np.testing.assert_array_equal(together.predict(inputs), alone[best])
        winners.add(best)
    assert len(winners) > 1


def test_the_best_few_predict_together(task_type: Any, inputs: Inputs, judged: FitContext) -> None:
    sizes = set()
    for seed in range(8):
        y = drawn(seed, task_type)
        score = functools.partial(scored, y, task_type=task_type)
        alone = [fitted(inputs, y, judged, heads=(kind,)).predict(inputs) for kind in KINDS]
        alone.sort(key=score, reverse=True)
        best = max([_mean(alone[:k], task_type) for k in (1, 2, 3)], key=score)
        together = fitted(inputs, y, judged, heads=KINDS)
        np.testing.assert_allclose(together.predict(inputs), best, atol=1e-9)
        sizes.add(len(together._kept))
    assert len(sizes) > 1


def _mean(predictions: list[Any], task_type: str) -> Any:
    if task_type == "regression":
        return sum(predictions) / len(predictions)
    odds = np.prod([p / (1 - p) for p in predictions], axis=0) ** (1 / len(predictions))
    return odds / (1 + odds)


def test_without_a_score_the_first_head_is_kept(inputs: Inputs, context: FitContext) -> None:
    y = np.full((len(SMILES), 2), np.nan)
    y[TRAIN] = np.arange(len(TRAIN))[:, None] % 2
    first = fitted(inputs, y, context, heads=("anchor",)).predict(inputs)
    found = fitted(inputs, y, context, heads=("anchor", "network")).predict(inputs)
    np.testing.assert_array_equal(found, first)


def test_a_head_reads_its_inputs_alone(inputs: Inputs, context: FitContext) -> None:
    """A linear head's columns are standardised on the training rows; the bits are left out."""
    y = np.arange(len(SMILES))[:, None] % 4 // 2 * np.ones(2)
    for kind in ("anchor", "readouts"):
        model = fitted(inputs, y, context, heads=(kind,))
        groups = model._groups(inputs.take(TRAIN))
        x = model._join(groups, kind, LINEAR[kind])  # type: ignore[arg-type,index]
        assert x.shape == (len(TRAIN), groups[kind].shape[1])
        np.testing.assert_allclose(x.mean(0), 0, atol=1e-4)


def test_read_outs_are_what_the_decoders_expect(inputs: Inputs, context: FitContext) -> None:
    found = embedding.embed(inputs, CONFIG, context)
    assert context.weights is not None
    network, _ = load_network(context.weights)
    with torch.inference_mode():
        anchor = torch.from_numpy(found["anchor"])
        expected = [network.eval().decode(cell.name, anchor).numpy() for cell in CELLS]
    np.testing.assert_allclose(found["readouts"], np.concatenate(expected, axis=1), atol=1e-4)


def test_a_far_geometry_counts_as_while_learning(
    inputs: Inputs, context: FitContext, tmp_path: Path
) -> None:
    path, seen = tmp_path / "geometry.safetensors", np.arange(len(SMILES)) % 4 > 0
    network = ChmrNetwork(NetworkShape(64 + 167, 3, hidden=8, layers=2, decoder_hidden=8))
    network.set_scale("geometry", torch.ones(3), torch.full((3,), 2.0))
    config = CONFIG.model_copy(update={"geometry": "geometry"})
    save_network(path, network, WeightsMetadata(config, feature_requests(config)))
    values = np.tile([1e6, -1e6, 2.0], (len(SMILES), 1))
    blocks = {**inputs.blocks, "geometry": MatrixBlock(values, seen)}
    found = embedding.embed(Inputs(SMILES, blocks), config, replace(context, weights=path))
    with torch.inference_mode():
        stored, _ = load_network(path)
        p = stored.project("geometry", torch.tensor([[CLIP, -CLIP, 0.5]])).numpy()
    np.testing.assert_allclose(found["geometry"], np.where(seen[:, None], p, 0), atol=1e-5)


def test_stored_embeddings_of_another_width_are_computed_again(
    inputs: Inputs, context: FitContext, home: Path
) -> None:
    first = embedding.embed(inputs, CONFIG, context)
    (path,) = (home / "embeddings").rglob("*.npz")
    n = len(SMILES)
    write_block(path, MatrixBlock(np.zeros((n, 16), np.float32), np.ones(n, dtype=bool)))
    again = embedding.embed(inputs, CONFIG, context)
    np.testing.assert_array_equal(again["readouts"], first["readouts"])


def test_weights_without_cells_predict_no_read_outs(
    inputs: Inputs, context: FitContext, encoder: Callable[..., Path]
) -> None:
    y = np.arange(len(SMILES))[:, None] % 2 * np.ones(2)
    context = replace(context, weights=encoder(CONFIG))
    assert "readouts" not in embedding.embed(inputs, CONFIG, context)
    fitted(inputs, y, context).predict(inputs)  # the other heads do
    with pytest.raises(DataError, match=r"heads \['readouts'\] find nothing to read"):
        fitted(inputs, y, context, heads=("readouts",))


def test_a_head_that_is_named_is_fitted(inputs: Inputs, context: FitContext) -> None:
    y = np.arange(len(SMILES))[:, None] % 2 * np.ones(2)
    bare = replace(context, weights=None)
    model = fitted(inputs, y, bare, head_inputs=("bits",), heads=("network",))
    assert [one.kind for one in model._kept] == ["network"]
    with pytest.raises(DataError, match="reads the encoder, but there are no pretrained weights"):
        fitted(inputs, y, bare, head_inputs=("bits",), heads=("network", "anchor"))
    model = fitted(inputs, y, context, head_inputs=("bits",), heads=("anchor",))
    assert [one.kind for one in model._kept] == ["anchor"]


def test_a_head_that_cannot_be_fitted_is_told(
    inputs: Inputs, context: FitContext, encoder: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    y = np.arange(len(SMILES))[:, None] % 2 * np.ones(2)
    with_cells = fitted(inputs, y, context, heads=("anchor", "readouts"))
    assert "left out" not in caplog.text
    assert with_cells._kept
    fitted(inputs, y, replace(context, weights=encoder(CONFIG)), heads=("anchor", "readouts"))
    assert "head readouts: nothing to read with these weights, left out" in caplog.text


def test_a_forest_is_for_the_ensemble_alone() -> None:
    with pytest.raises(SettingError, match="forest-ensemble alone"):
        Chmr(CONFIG.model_copy(update={"forest_weight": 1.0}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head_strengths": [-5]}, "head_strengths.0=-5: Input should be greater than 0"),
        ({"head_strengths": []}, "head_strengths"),
        ({"heads": "network,network"}, "each once"),
        ({"head_norm": "batch", "head_batch_size": 1}, "2 or more, or 0"),
        ({"sca_weight": float("inf")}, "sca_weight=inf: expected finite numbers"),
        ({"head_strengths": [1, float("inf")]}, "expected finite numbers"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        build_config(registry().model("chmr").spec, settings)


def test_penalties_are_taken_as_a_command_line_gives_them() -> None:
    spec = registry().model("chmr").spec
    for given, expected in (("10,30", (10.0, 30.0)), (3, (3.0,)), ([1, 2.5], (1.0, 2.5))):
        found: Any = build_config(spec, {"head_strengths": given})
        assert found.head_strengths == expected
