"""MMSA downstream: heads on frozen embeddings, neighbours of the training molecules alone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import DataError, FitContext, Inputs, TaskInfo
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_mmsa import embedding
from chmr_bench_mmsa.config import MmsaConfig
from chmr_bench_mmsa.model import Mmsa
from chmr_bench_mmsa.network import MmsaNetwork, MmsaShape
from chmr_bench_mmsa.weights import feature_requests, save_network
from tests.unit.problems import featurised

ENDS = ("C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "S")
SMILES = tuple(f"c1c({a})ccc(C{b})c1" for a, b in itertools.product(ENDS, ENDS[:4]))
TRAIN, VALID = np.arange(0, 32, 2), np.arange(1, 32, 2)
SHAPE: dict[str, Any] = {
    "hidden": 16, "layers": 2, "image_width": 4, "conformer_hidden": 8, "conformer_layers": 1,
    "code_hidden": 16, "code": 16, "neighbours": 4, "anchors": 8,
}  # fmt: skip
CONFIG: dict[str, Any] = {"image_size": 32, "head_hidden": 32, "head_epochs": 5, **SHAPE}


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return featurised(SMILES, feature_requests(MmsaConfig(**CONFIG)))


@pytest.fixture
def context(home: Path, tmp_path: Path) -> Any:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    config = MmsaConfig(**CONFIG)
    metadata = WeightsMetadata.now(config, feature_requests(config), {})
    save_network(path, MmsaNetwork(MmsaShape(**SHAPE)).eval(), metadata)
    return FitContext(tasks=TaskInfo("classification", ("a", "b"), "roc_auc"), weights=path)


def fitted(inputs: Inputs, context: FitContext) -> Mmsa:
    y = np.array([[a % 2, (a + b) % 3 == 0] for a in range(8) for b in range(4)], dtype=float)
    y[::7, 1] = np.nan
    one = Mmsa(MmsaConfig(**CONFIG))
    one.fit(inputs.take(TRAIN), y[TRAIN], inputs.take(VALID), y[VALID], context)
    return one


def test_eight_molecules_are_learnt_by_heart(inputs: Inputs, context: FitContext) -> None:
    eight, y = inputs.take(np.arange(0, 32, 4)), np.tile([[0.0, 1], [1, 0]], (4, 1))
    still: dict[str, Any] = {"head_dropout": 0.0, "head_epochs": 200, "head_patience": 200}
    one = Mmsa(MmsaConfig(**{**CONFIG, **still, "head_learning_rate": 1e-2}))
    values = replace(context, tasks=TaskInfo("regression", ("a", "b"), "mae"))
    one.fit(eight, y, eight, y, values)
    np.testing.assert_allclose(one.predict(eight), y, atol=0.1)


def test_neither_batch_mates_nor_their_order_change_a_prediction(
    inputs: Inputs, context: FitContext
) -> None:
    one = fitted(inputs, context)
    rows = np.arange(32)
    whole = one.predict(inputs)
    for part in (rows[::-1], rows[5:9], rows[:1], np.tile(rows[3:4], 3)):
        found = one.predict(inputs.take(part))
        np.testing.assert_allclose(found, whole[part], rtol=1e-4, atol=1e-5)


def test_codes_are_cached_by_weights_and_what_is_observed(
    inputs: Inputs, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embedding.unified_codes(inputs, context)
    image = inputs.matrix("image")
    blind = replace(inputs, blocks={
        **inputs.blocks, "image": replace(image, observed=np.zeros(32, dtype=bool))
    })  # fmt: skip
    other = embedding.unified_codes(blind, context)
    assert np.abs(first - other).max() > 1e-3
    monkeypatch.setattr(embeddings, "encoded", None)
    np.testing.assert_array_equal(embedding.unified_codes(inputs, context), first)


def test_without_weights_it_says_so(inputs: Inputs) -> None:
    context = FitContext(tasks=TaskInfo("classification", ("a",), "roc_auc"))
    with pytest.raises(DataError, match="starts from pretrained weights"):
        Mmsa(MmsaConfig(**CONFIG)).fit(
            inputs, np.zeros((32, 1)), inputs, np.zeros((32, 1)), context
        )
