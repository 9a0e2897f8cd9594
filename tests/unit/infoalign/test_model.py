"""InfoAlign downstream: heads on the frozen latent, and the encoder trained on."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import DataError, FitContext, Inputs, TaskInfo
from chmr_bench.nn import embeddings
from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_infoalign import embedding
from chmr_bench_infoalign.config import InfoAlignConfig, InfoAlignTunedConfig
from chmr_bench_infoalign.finetuned import FinetunedInfoAlign
from chmr_bench_infoalign.model import InfoAlign
from chmr_bench_infoalign.network import InfoAlignNetwork, InfoAlignShape, TargetSpace
from chmr_bench_infoalign.weights import INPUTS, save_network
from tests.unit.problems import featurised

ENDS = ("C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "S")
SMILES = tuple(f"c1c({a})ccc(C{b})c1" for a, b in itertools.product(ENDS, ENDS))
TRAIN, VALID = np.arange(0, 64, 2), np.arange(1, 64, 2)
SMALL: dict[str, Any] = {"head_hidden": 32, "head_epochs": 5}


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return featurised(SMILES, INPUTS)


@pytest.fixture
def context(home: Path, tmp_path: Path) -> Any:
    torch.manual_seed(0)
    shape = InfoAlignShape((TargetSpace("molecule", 16),), hidden=16, layers=2, decoder_hidden=8)
    path = tmp_path / "weights.safetensors"
    metadata = WeightsMetadata.now(InfoAlignConfig(), INPUTS, {})
    save_network(path, InfoAlignNetwork(shape).eval(), metadata)
    return FitContext(tasks=TaskInfo("classification", ("a", "b"), "roc_auc"), weights=path)


def model(kind: str, **changes: Any) -> Any:
    if kind == "frozen":
        return InfoAlign(InfoAlignConfig(**{**SMALL, **changes}))
    return FinetunedInfoAlign(InfoAlignTunedConfig(**{**SMALL, "head_batch_size": 16, **changes}))


def labels() -> Any:
    """Return labels that hang on the molecules: which end each has, some not measured."""
    y = np.array([[a % 2, (a + b) % 3 == 0] for a in range(8) for b in range(8)], dtype=float)
    y[::7, 1] = np.nan
    return y


def fitted(kind: str, inputs: Inputs, context: FitContext) -> Any:
    y, one = labels(), model(kind)
    one.fit(inputs.take(TRAIN), y[TRAIN], inputs.take(VALID), y[VALID], context)
    return one


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_eight_molecules_are_learnt_by_heart(
    kind: str, inputs: Inputs, context: FitContext
) -> None:
    eight, y = inputs.take(np.arange(0, 64, 8)), np.tile([[0.0, 1], [1, 0]], (4, 1))
    epochs = 1000 if kind == "frozen" else 100
    still = {"head_dropout": 0.0, "head_epochs": epochs, "head_patience": epochs}
    rates = {"head_learning_rate": 1e-2}
    if kind == "tuned":
        rates |= {"tune_encoder_rate": 1e-2, "tune_encoder_dropout": 0.0}
    one = model(kind, **still, **rates)
    numbers = TaskInfo("regression", ("a", "b"), "mae")  # an AUC is 1 long before it knows all
    one.fit(eight, y, eight, y, replace(context, tasks=numbers))
    np.testing.assert_allclose(one.predict(eight), y, atol=0.1)


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_a_fit_is_repeated_and_survives_a_pickle(
    kind: str, inputs: Inputs, context: FitContext
) -> None:
    first, second = fitted(kind, inputs, context), fitted(kind, inputs, context)
    y_pred = first.predict(inputs)
    assert y_pred.shape == (64, 2)
    np.testing.assert_array_equal(second.predict(inputs), y_pred)
    again = pickle.loads(pickle.dumps(first))  # noqa: S301  # of our own making
    np.testing.assert_array_equal(again.predict(inputs), y_pred)
    rows = np.array([5, 40, 3])
    np.testing.assert_allclose(first.predict(inputs.take(rows)), y_pred[rows], rtol=1e-5)


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_one_labelled_molecule_is_enough_to_run(
    kind: str, inputs: Inputs, context: FitContext
) -> None:
    one, y = model(kind), np.full((32, 2), np.nan)
    y[3] = [1, 0]
    one.fit(inputs.take(TRAIN), y, inputs.take(VALID), labels()[VALID], context)
    assert np.isfinite(one.predict(inputs)).all()


def test_the_shared_network_stays_as_it_was(inputs: Inputs, context: FitContext) -> None:
    network = embedding.checked_network(context)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    tuned = fitted("tuned", inputs, context)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    trained = tuned._encoder.latent_layer.weight
    assert not torch.equal(trained, before["latent_layer.weight"])


def test_latents_are_cached(
    inputs: Inputs, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "MOLECULES_AT_ONCE", 5)
    mu = embedding.embed(inputs, replace(context, n_jobs=2))
    network = embedding.checked_network(context)
    alone = embedding._encode(inputs.take(np.array([7])), network, context)
    np.testing.assert_allclose(alone, mu[[7]], rtol=1e-4, atol=1e-5)

    def computed(*_: Any) -> None:
        raise AssertionError("what is cached is computed again")

    monkeypatch.setattr(embedding, "checked_network", computed)  # nor is a network loaded
    np.testing.assert_array_equal(embedding.embed(inputs, context), mu)


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_weights_that_are_no_good(
    kind: str, inputs: Inputs, context: FitContext, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="there are none"):
        fitted(kind, inputs, replace(context, weights=None))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"junk")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        fitted(kind, inputs, replace(context, weights=damaged))
