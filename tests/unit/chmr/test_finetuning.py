"""CHMR trained on with the labels: what is trained, what is chosen, and what stays as it was."""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.problems import featurised

pytest.importorskip("torch")

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock, TaskInfo
from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench_chmr.config import CellFinetunedConfig, ChmrConfig, FinetunedConfig
from chmr_bench_chmr.embedding import checked_network
from chmr_bench_chmr.finetuning import CellFinetuned, Finetuned, TunedNetwork
from chmr_bench_chmr.shape import Modality

ENDS = ("C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "S")
SMILES = tuple(f"c1c({a})ccc(C{b})c1" for a, b in itertools.product(ENDS, ENDS))
CONFIG = FinetunedConfig(
    n_bits=64,
    geometry="none",
    head_hidden=8,
    head_epochs=4,
    head_strengths=(1.0,),
    tune_hidden=16,
    tune_epochs=4,
    tune_batch_size=16,
)
TRAIN, VALID = np.arange(0, 64, 2), np.arange(1, 64, 2)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    every = CONFIG.model_copy(update={"tune_inputs": ("bits", "counts", "descriptors")})
    return featurised(SMILES, Finetuned.needs(every))


@pytest.fixture
def context(encoder: Callable[..., Path]) -> FitContext:
    tasks = TaskInfo("classification", ("a", "b"), "roc_auc")
    return FitContext(tasks=tasks, weights=encoder(CONFIG, Modality("morphology", 5)))


def labels() -> Any:
    """Return labels that hang on the molecules: which end each has, some not measured."""
    pairs = list(itertools.product(range(8), range(8)))
    y = np.array([[a % 2, (a + b) % 3 == 0] for a, b in pairs], dtype=float)
    y[::7, 1] = np.nan
    return y


def fitted(inputs: Inputs, context: FitContext, **changes: Any) -> Finetuned:
    y = labels()
    model = Finetuned(CONFIG.model_copy(update=changes))
    model.fit(inputs.take(TRAIN), y[TRAIN], inputs.take(VALID), y[VALID], context)
    return model


@pytest.mark.parametrize("tune_graph", [False, True])
@pytest.mark.parametrize("candidate", ["pretrained", pytest.param("fresh", marks=pytest.mark.slow)])
def test_eight_molecules_are_learnt_by_heart(
    inputs: Inputs, context: FitContext, candidate: Any, tune_graph: bool
) -> None:
    rows, y = np.arange(0, 64, 8), np.tile([[0.0, 1], [1, 0]], (4, 1))
    still = {"tune_dropout": 0.0, "tune_encoder_dropout": 0.0, "tune_epochs": 150}
    rates = {"tune_encoder_rate": 1e-2, "tune_learning_rate": 1e-2, "tune_patience": 150}
    config = CONFIG.model_copy(
        update={"candidates": (candidate,), "tune_graph": tune_graph, **still, **rates}
    )
    model, eight = Finetuned(config), inputs.take(rows)
    model.fit(eight, y, inputs.take(VALID), np.full((32, 2), np.nan), context)
    np.testing.assert_allclose(model.predict(eight), y, atol=0.05)


def test_the_encoder_is_trained_and_the_one_on_disk_is_not(
    inputs: Inputs, context: FitContext
) -> None:
    shared = checked_network(CONFIG, context)
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    for tune_graph in (False, True):
        model = fitted(inputs, context, candidates=("pretrained",), tune_graph=tune_graph)
        (kept,) = model._kept
        assert isinstance(kept, TunedNetwork)
        after = kept._encoder.state_dict()
        moved = {name.split(".")[0] for name in before if not before[name].equal(after[name])}
        assert moved == ({"projectors", "graph_encoder"} if tune_graph else {"projectors"})
    assert all(value.equal(before[name]) for name, value in shared.state_dict().items())


@pytest.mark.parametrize("tune_graph", [False, True])
def test_one_labelled_molecule_is_enough_to_run(
    inputs: Inputs, context: FitContext, tune_graph: bool
) -> None:
    y = np.full((32, 2), np.nan)
    y[3] = [1, 0]
    changes = {"candidates": ("pretrained",), "tune_graph": tune_graph}
    model = Finetuned(CONFIG.model_copy(update=changes))
    model.fit(inputs.take(TRAIN), y, inputs.take(VALID), labels()[VALID], context)
    assert np.isfinite(model.predict(inputs)).all()


def test_a_fresh_one_has_nothing_of_the_pretrained(inputs: Inputs, context: FitContext) -> None:
    context = replace(context, seed=1)  # the fixture's weights are those of seed 0
    known, fresh = (TunedNetwork(CONFIG, context, inputs, fresh=f)._encoder for f in (False, True))
    pairs = zip(known.named_parameters(), fresh.parameters(), strict=True)
    same = [n for (n, a), b in pairs if a.dim() > 1 and a.any() and a.equal(b)]
    assert not same
    assert all(
        a.equal(b) for a, b in zip(known.scales.buffers(), fresh.scales.buffers(), strict=True)
    )
    first, second = (fitted(inputs, context, candidates=(c,)) for c in ("pretrained", "fresh"))
    assert not np.array_equal(first.predict(inputs), second.predict(inputs))


def test_the_head_reads_counts_and_descriptors_in_place_of_bits(
    inputs: Inputs, context: FitContext
) -> None:
    config = FinetunedConfig.model_validate(
        {"tune_inputs": "counts,descriptors", "geometry": "none"}
    )
    alone = config.model_copy(update={"tune_inputs": ("bits",), "candidates": ("pretrained",)})
    assert set(Finetuned.needs(config)) - set(Finetuned.needs(alone)) == {"counts", "descriptors"}
    width = {"bits": 64 + 167, "counts": 64, "descriptors": 15}
    for reads in (("bits",), ("counts", "descriptors"), ("bits", "descriptors")):
        model = fitted(inputs, context, candidates=("pretrained",), tune_inputs=reads)
        (kept,) = model._kept
        assert isinstance(kept, TunedNetwork)
        raw = kept.read(inputs).parts["raw"]
        assert raw.shape == (64, sum(width[name] for name in reads))
        y_pred = model.predict(inputs)
        other = {**inputs.blocks, "counts": inputs.matrix("counts").take(np.arange(63, -1, -1))}
        changed = not np.array_equal(model.predict(Inputs(SMILES, other)), y_pred)
        assert changed == ("counts" in reads)


@pytest.mark.parametrize("candidate", ["pretrained", "counts"])
def test_own_profiles_are_read_and_masked_while_learning(
    inputs: Inputs, context: FitContext, candidate: Any
) -> None:
    """The labels hang on the profile alone; a fifth of the molecules has none."""
    rng = np.random.default_rng(0)
    state, seen = rng.normal(size=(64, 2)), rng.random(64) < 0.8
    y, profile = (state > 0).astype(float), np.tile(state, (1, 20))
    block = MatrixBlock(np.where(seen[:, None], profile, np.nan), seen)
    own = Inputs(SMILES, {**inputs.blocks, "growth": block})
    settings = CONFIG.model_dump() | {"candidates": (candidate,), "tune_epochs": 40}
    rates = {"tune_encoder_rate": 1e-2, "tune_learning_rate": 1e-2, "tune_patience": 40}
    model = CellFinetuned(CellFinetunedConfig(**settings | rates))
    model.fit(own.take(TRAIN), y[TRAIN], own.take(VALID), y[VALID], context)
    told = VALID[seen[VALID]]
    hits = (model.predict(own)[told] > 0.5) == y[told]
    assert hits.mean() > 0.8
    without = model.predict(inputs)
    np.testing.assert_allclose(model.predict(own)[~seen], without[~seen], rtol=1e-5)
    assert not np.allclose(model.predict(own)[seen], without[seen], rtol=1e-2)


def test_validation_rows_choose(
    inputs: Inputs, context: FitContext, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("pretrained", "fresh", "frozen", "counts")
    with caplog.at_level(logging.INFO):
        together = fitted(inputs, context, head_blend=False, candidates=names)
    alone = {c: fitted(inputs, context, candidates=(c,), head_blend=False) for c in names}
    told = [text for text in caplog.messages if "kept: " in text]  # others' threads log here too
    chosen = told[-1].rpartition("kept: ")[2]
    assert chosen in names
    np.testing.assert_array_equal(together.predict(inputs), alone[chosen].predict(inputs))


def test_the_seed_settles_all_and_a_stored_model_predicts_the_same(
    inputs: Inputs, context: FitContext
) -> None:
    one, two = fitted(inputs, context), fitted(inputs, context)
    y_pred = one.predict(inputs)
    np.testing.assert_array_equal(y_pred, two.predict(inputs))
    again = pickle.loads(pickle.dumps(one))  # noqa: S301  # made one line above
    np.testing.assert_array_equal(again.predict(inputs), y_pred)
    rows = np.array([5, 40, 3])
    np.testing.assert_allclose(one.predict(inputs.take(rows)), y_pred[rows], rtol=1e-5)


def test_an_encoder_that_learnt_nothing_stands_for_a_fresh_one() -> None:
    assert Finetuned(CONFIG)._candidates() == ["pretrained", "fresh", "counts"]
    random = CONFIG.model_copy(update={"encoder": "random"})
    assert Finetuned(random)._candidates() == ["pretrained", "counts"]


def test_without_weights_it_says_so(inputs: Inputs, context: FitContext) -> None:
    nothing = FitContext(context.tasks)
    with pytest.raises(DataError, match="no pretrained weights"):
        fitted(inputs, nothing)


def test_on_simulated_data_it_reads_the_weights_of_chmr() -> None:
    """Its own settings are none of pretraining's: the same weights serve both."""
    for dataset in ("planted", "planted-regression"):
        specs = (registry().model(name).spec for name in ("chmr", "chmr.finetuned"))
        plain, tuned = (build_config(spec, {}, dataset) for spec in specs)
        assert isinstance(tuned, FinetunedConfig)
        assert ChmrConfig(**tuned.model_dump(include=set(ChmrConfig.model_fields))) == plain
