"""The cell state is learnt last, on what the finished network predicts of measured molecules."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chmr_bench import FitContext, Inputs, TaskInfo
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.pretraining.features import compute_features
from chmr_bench.nn.pretraining.values import Values
from chmr_bench_chmr import embedding
from chmr_bench_chmr.cell_state import CellState, Views
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.pretraining import state
from chmr_bench_chmr.pretraining.loop import new_network
from chmr_bench_chmr.pretraining.material import Material, prepare
from chmr_bench_chmr.pretraining.store import find_or_make
from chmr_bench_chmr.weights import feature_requests, load_network

CELLS = ("morphology", "expression")


@pytest.fixture
def material(tiny: Any, home: Path, tmp_path: Path) -> Material:
    return prepare(tiny.atlas(), tiny.config(), tiny.request(tmp_path), 0)


@pytest.fixture
def network(tiny: Any, material: Material) -> ChmrNetwork:
    return new_network(material, tiny.config(), 0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Views]:
    """Return the views that the cell state learns from, as soon as it does."""
    found: list[Views] = []
    monkeypatch.setattr(CellState, "learn", lambda _, views: found.append(views))
    return found


def observed_in(values: Values, n: int) -> Values:
    return dataclasses.replace(values, observed=np.arange(len(values.observed)) < n)


def tensors(network: ChmrNetwork) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in network.state_dict().items()}


# ------------------------------------------------------------------------------------------- width


@pytest.mark.parametrize(
    ("counts", "wanted", "expected"),
    [
        ((64, 64), 12, 12),
        ((64, 64), 16, 16),
        ((64, 64), 17, 16),  # four molecules a factor
        ((64, 23), 12, 5),
        ((23, 64), 12, 5),
        ((64, 3), 12, 0),
        ((0, 64), 12, 0),
        ((64, 64), 0, 0),
    ],
)
def test_the_width_is_what_so_many_molecules_can_tell(
    tiny: Any, material: Material, counts: Any, wanted: int, expected: int
) -> None:
    cells = dict(material.cells)
    cells |= {name: observed_in(cells[name], n) for name, n in zip(CELLS, counts, strict=True)}
    given = dataclasses.replace(material, cells=cells)
    assert state.factors(given, tiny.config(state_factors=wanted)) == expected


def test_the_width_is_no_more_than_the_read_outs(tiny: Any, material: Material) -> None:
    own = observed_in(material.cells["morphology"], 64)
    narrow = dataclasses.replace(own, x=own.x[:, :2], mean=own.mean[:2], sd=own.sd[:2])
    given = dataclasses.replace(material, cells={"morphology": narrow})
    assert state.factors(given, tiny.config()) == 2


def test_bits_and_encoders_that_learn_nothing_have_no_state(
    tiny: Any, home: Path, tmp_path: Path
) -> None:
    for changes in ({"cells": ()}, {"cells": ("perturbation",)}, {"encoder": "random"}):
        config = tiny.config(**changes)
        made = prepare(tiny.atlas(), config, tiny.request(tmp_path), 0)
        assert state.factors(made, config) == 0
        assert new_network(made, config, 0).state is None


# ---------------------------------------------------------------------------------------- learning


def test_only_the_state_is_learnt(
    tiny: Any, material: Material, network: ChmrNetwork, tmp_path: Path
) -> None:
    stages: list[str] = []
    before = tensors(network)
    state.learn_state(network, material, tiny.request(tmp_path, stage=stages.append))
    after = tensors(network)
    assert stages == ["cell state"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    own = {name for name in before if name.startswith("state.")}
    assert own >= changed >= {name for name in own if "mean_" not in name}
    assert all(torch.isfinite(t).all() for t in after.values())


def test_it_learns_from_all_that_were_measured(
    tiny: Any, material: Material, network: ChmrNetwork, tmp_path: Path, seen: list[Views]
) -> None:
    """Not from those that have bits of perturbation alone."""
    state.learn_state(network.train(), material, tiny.request(tmp_path))
    (views,) = seen
    cells = {name: material.cells[name] for name in CELLS}
    rows = np.flatnonzero(cells["morphology"].observed | cells["expression"].observed)
    assert 0 < len(views) == len(rows) < len(material)
    assert list(views.x) == list(views.observed) == list(CELLS)
    for name, values in cells.items():
        np.testing.assert_array_equal(views.x[name], values.x[rows])
        np.testing.assert_array_equal(views.observed[name], values.observed[rows])
    bits = torch.from_numpy(material.bits[rows].toarray())
    with torch.no_grad():
        latents = network.eval().encode(bits, graph_batch(material.graph.take(rows)))
        expected = network.readouts(network.anchor(latents))
    torch.testing.assert_close(views.predicted, expected, rtol=1e-4, atol=1e-5)


def test_of_many_it_takes_some_at_equal_distances(
    tiny: Any, material: Material, network: ChmrNetwork, tmp_path: Path, seen: list[Views],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(state, "MOLECULES", 9)
    everyone = {n: observed_in(material.cells[n], 64) for n in CELLS}
    cells = {**material.cells, **everyone}
    given = dataclasses.replace(material, cells=cells)
    state.learn_state(network, given, tiny.request(tmp_path))
    rows = [0, 21, 42, 63]  # 9 // 2 of either, and they are the same
    np.testing.assert_array_equal(seen[0].x["morphology"], everyone["morphology"].x[rows])


@pytest.mark.parametrize("few", [False, True])
def test_molecules_held_out_say_how_far_structure_is_believed(
    tiny: Any, material: Material, network: ChmrNetwork, tmp_path: Path, few: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked: list[Views] = []

    def calibrate(_: CellState, views: Views) -> tuple[float, float]:
        asked.append(views)
        return 0.81234, 1.5

    monkeypatch.setattr(CellState, "calibrate", calibrate)
    given = dataclasses.replace(material, valid=np.arange(5 if few else 60))
    found = state.learn_state(network, given, tiny.request(tmp_path))
    if few:
        assert found == {}
        assert not asked
        return
    cells = [material.cells[name] for name in CELLS]
    rows = np.flatnonzero((cells[0].observed | cells[1].observed)[:60])
    assert found == {"held_out": len(rows), "trust": 0.8123, "width": 1.5}
    np.testing.assert_array_equal(asked[0].x["morphology"], cells[0].x[rows])


def test_a_rare_read_out_is_drawn_too() -> None:
    often, rarely = np.ones(100_000, dtype=bool), np.zeros(100_000, dtype=bool)
    rarely[31:31_000:3000] = True
    rows = state._drawn([often, rarely])
    assert rarely[rows].sum() == rarely.sum() == 11
    assert 10_000 <= len(rows) <= 10_011
    assert (np.diff(rows) > 0).all()


def test_a_network_without_a_state_learns_none(
    tiny: Any, material: Material, tmp_path: Path
) -> None:
    stages: list[str] = []
    network = new_network(material, tiny.config(state_factors=0), 0)
    before = tensors(network)
    found = state.learn_state(network, material, tiny.request(tmp_path, stage=stages.append))
    assert not stages
    assert found == {}
    assert all(torch.equal(t, before[name]) for name, t in tensors(network).items())


# ------------------------------------------------------------------------------------------ weights


def test_the_weights_know_the_state_they_predict_by(
    tiny: Any, material: Material, tmp_path: Path
) -> None:
    """The state was learnt on the very read-outs a head is given later."""
    config, request = tiny.config(epochs=1), tiny.request(tmp_path / "weights")
    made: Any = find_or_make(config, request)
    network, _ = load_network(made.path)
    assert network.state is not None
    assert network.shape.state == network.state.factors == 34 // 4  # 34 have morphology
    smiles = tiny.atlas().smiles
    inputs = Inputs(smiles, compute_features(smiles, feature_requests(config), request))
    tasks = TaskInfo("classification", ("a",), "roc_auc")
    found = embedding.embed(inputs, config, FitContext(tasks=tasks, weights=made.path))
    rows = np.arange(64)
    expected = state._predicted(network, material, rows, "cpu").numpy()
    np.testing.assert_allclose(found["readouts"], expected, rtol=1e-4, atol=1e-5)
    before = tensors(network)
    network.state = CellState(found["readouts"].shape[1], network.state.cells, 34 // 4)
    state.learn_state(network, material, request)
    for name, tensor in tensors(network).items():
        torch.testing.assert_close(tensor, before[name])
