"""The frozen encoder: embedded once, cached by content, never trained; the head on top of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

import torch

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench.types import FloatArray
from chmr_bench_chmr import embedding
from chmr_bench_chmr.config import ChmrConfig, HeadInput, HeadKind
from chmr_bench_chmr.ensemble import PREFIX, ForestEnsemble
from chmr_bench_chmr.model import Chmr
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.reading import bits_of
from chmr_bench_chmr.shape import NetworkShape
from chmr_bench_chmr.weights import (
    WEIGHTS_FILE,
    feature_requests,
    load_network,
    save_network,
)

SMILES = tuple(
    f"{a}{b}"
    for a in ("CCO", "CCN", "c1ccccc1", "CC(=O)O", "OCC", "CS")
    for b in ("", "C", "CC", "CO")
)
TASKS = TaskInfo("classification", ("a",), "roc_auc")
CONFIG = ChmrConfig(
    n_bits=64, hidden=8, layers=2, head_hidden=8, head_epochs=3, head_dropout=0.0, decoder_hidden=8
)


def inputs_of(smiles: tuple[str, ...], config: ChmrConfig = CONFIG) -> Inputs:
    return featurised(smiles, Chmr.needs(config))


@pytest.fixture
def weights(home: Path, tmp_path: Path) -> Path:
    """A small untrained encoder on disk, and an empty cache."""
    torch.manual_seed(0)
    network = ChmrNetwork(NetworkShape(64 + 167, 399, hidden=8, layers=2, decoder_hidden=8))
    path = tmp_path / "weights.safetensors"
    save_network(path, network.eval(), WeightsMetadata(CONFIG, feature_requests(CONFIG)))
    return path


@pytest.fixture
def context(weights: Path) -> FitContext:
    return FitContext(tasks=TASKS, weights=weights)


def labels(n: int) -> FloatArray:
    return np.arange(n)[:, None] % 2 * 1.0


def fitted(config: ChmrConfig, inputs: Inputs, context: FitContext) -> Chmr:
    model = Chmr(config)
    half = np.arange(len(inputs) // 2)
    rest = np.arange(len(inputs) // 2, len(inputs))
    y = labels(len(inputs))
    model.fit(inputs.take(half), y[half], inputs.take(rest), y[rest], context)
    return model


def test_an_embedding_depends_on_the_molecule_alone(context: FitContext) -> None:
    inputs = inputs_of(SMILES)
    together = embedding.embed(inputs, CONFIG, context)
    for row in (0, 7, 23):
        alone = embedding.embed(inputs.take(np.array([row])), CONFIG, context)
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][row], atol=1e-5)


def test_the_anchor_is_the_sum_of_the_modalities(context: FitContext) -> None:
    found = embedding.embed(inputs_of(SMILES), CONFIG, context)
    assert set(found) == {"fingerprint", "graph", "geometry", "anchor"}
    total = found["fingerprint"] + found["graph"] + found["geometry"]
    np.testing.assert_allclose(found["anchor"], total, atol=1e-6)


def test_geometry_that_is_not_observed_adds_nothing(context: FitContext) -> None:
    inputs = inputs_of(SMILES)
    observed = inputs.matrix("geometry").observed
    assert not observed[SMILES.index("CS")]  # two atoms have no shape
    found = embedding.embed(inputs, CONFIG, context)
    assert np.array_equal(found["geometry"].any(axis=1), observed)


def test_the_second_time_nothing_is_encoded(
    context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(SMILES)
    first = embedding.embed(inputs, CONFIG, context)
    monkeypatch.setattr(embedding, "checked_network", None)  # nor is a network loaded
    again = embedding.embed(inputs, CONFIG, context)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    with pytest.raises(TypeError):  # other molecules are not in the cache
        embedding.embed(inputs.take(np.arange(3)), CONFIG, context)


def test_a_damaged_cache_is_computed_again(context: FitContext, home: Path) -> None:
    inputs = inputs_of(SMILES)
    first = embedding.embed(inputs, CONFIG, context)
    (file,) = (home / "embeddings").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:-40])
    again = embedding.embed(inputs, CONFIG, context)
    assert np.array_equal(first["graph"], again["graph"])


def test_cores_change_nothing(context: FitContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "MOLECULES_AT_ONCE", 5)
    inputs = inputs_of(SMILES)
    first = embedding.embed(inputs, CONFIG, replace(context, n_jobs=1))
    monkeypatch.setattr(embeddings, "read", lambda *_: None)
    again = embedding.embed(inputs, CONFIG, replace(context, n_jobs=3))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_fitting_leaves_the_encoder_as_it_was(context: FitContext, weights: Path) -> None:
    before = weights.read_bytes()
    fitted(CONFIG, inputs_of(SMILES), context)
    network, *_ = WEIGHTS_FILE.of_context(context, "")
    assert not network.training
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            network.state_dict().values(),
            load_network(weights)[0].state_dict().values(),
            strict=True,
        )
    )
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    "head_inputs",
    [
        ("bits",),
        ("graph",),
        ("bits", "fingerprint", "graph", "geometry"),
        ("anchor",),
        ("counts", "descriptors", "graph"),
    ],
)
def test_the_head_reads_what_it_is_told_to(
    head_inputs: tuple[HeadInput, ...], context: FitContext
) -> None:
    config = CONFIG.model_copy(update={"head_inputs": head_inputs})
    inputs = inputs_of(SMILES, config)
    y_pred = fitted(config, inputs, context).predict(inputs)
    assert y_pred.shape == (len(SMILES), 1)
    assert np.isfinite(y_pred).all()


def test_the_head_alone_needs_no_graph_and_no_weights(home: Path) -> None:
    config = CONFIG.model_copy(update={"head_inputs": ("bits",), "heads": ("network", "bits")})
    assert set(Chmr.needs(config)) == {"morgan", "maccs"}
    inputs = inputs_of(SMILES, config)
    fitted(config, inputs, FitContext(tasks=TASKS)).predict(inputs)
    assert not (home / "embeddings").exists()


@pytest.mark.parametrize("head", ["network", "counts"])
def test_counts_and_descriptors_need_no_weights(head: HeadKind, home: Path) -> None:
    config = CONFIG.model_copy(
        update={"head_inputs": ("counts", "descriptors"), "heads": (head,), "n_bits": 2048}
    )
    needed = Chmr.needs(config)
    assert set(needed) == {"morgan", "maccs", "counts", "descriptors"}
    assert needed["counts"].settings["counts"] is True
    assert "counts" not in needed["morgan"].settings
    inputs = inputs_of(SMILES, config)
    model = fitted(config, inputs, FitContext(tasks=TASKS))
    counts = inputs.matrix("counts").values
    assert counts.max() > 1
    groups = model._groups(inputs)
    np.testing.assert_allclose(groups["counts"], np.log1p(counts.toarray()), rtol=1e-6)
    learnt = groups["descriptors"][: len(SMILES) // 2]  # the training rows
    assert learnt.std(axis=0).max() == pytest.approx(1, abs=1e-5)
    assert [one.reads for one in model._kept] == [("counts", "descriptors")]


def test_an_encoder_without_weights_is_an_error(home: Path) -> None:
    with pytest.raises(DataError, match="no pretrained weights"):
        fitted(CONFIG, inputs_of(SMILES), FitContext(tasks=TASKS))


def test_weights_of_other_features_are_refused(context: FitContext) -> None:
    config = CONFIG.model_copy(update={"n_bits": 128})
    with pytest.raises(DataError, match=r"pretrained on another morgan.*n_bits=64"):
        fitted(config, inputs_of(SMILES, config), context)


def test_only_training_rows_set_the_scales(context: FitContext) -> None:
    inputs = inputs_of(SMILES)
    model = fitted(CONFIG, inputs, context)
    half = embedding.embed(inputs.take(np.arange(len(SMILES) // 2)), CONFIG, context)
    centre, _ = model._scales["graph"]
    np.testing.assert_allclose(centre, half["graph"].mean(0), atol=1e-6)


def test_bits_of_a_molecule_without_them_are_zero() -> None:
    inputs = inputs_of(SMILES)
    block = inputs.matrix("maccs")
    observed = block.observed.copy()
    observed[0] = False
    blocks: dict[str, Any] = {**inputs.blocks, "maccs": MatrixBlock(block.values, observed)}
    bits = bits_of(Inputs(inputs.smiles, blocks))
    assert bits.shape == (len(SMILES), 64 + 167)
    assert not bits[0, 64:].any()
    assert bits[0, :64].any()


def test_the_ensemble_is_the_weighted_mean_of_both(context: FitContext) -> None:
    found = {}
    for gamma in (0.0, 1.0, 3.0):
        config = CONFIG.model_copy(update={"forest_weight": gamma})
        inputs = featurised(SMILES, ForestEnsemble.needs(config))
        assert {n for n in inputs.blocks if n.startswith(PREFIX)} == {
            "forest.morgan",
            "forest.maccs",
        }
        model = ForestEnsemble(config)
        half, rest = np.arange(12), np.arange(12, 24)
        y = labels(24)
        model.fit(inputs.take(half), y[half], inputs.take(rest), y[rest], context)
        found[gamma] = model.predict(inputs)
        alone = model._chmr.predict(inputs)
    forest = found[0.0]
    np.testing.assert_allclose(found[1.0], (forest + alone) / 2, atol=1e-12)
    np.testing.assert_allclose(found[3.0], (forest + 3 * alone) / 4, atol=1e-12)
