"""The cell state: its posterior is the formula's, learning climbs, and a profile is worth it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from chmr_bench.nn.pretraining.network_file import WeightsMetadata
from chmr_bench_chmr.cell_state import LEAST_NOISE, CellState, Views
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.weights import load_network, save_network

N, Q, F = 600, 7, 2
CELLS = {"morphology.bray": 9, "expression": 6}
KINDS = ("loadings", "mean", "noise")


def normal(*shape: int, seed: int, sd: float = 1.0) -> Tensor:
    return sd * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def simulated(n: int = N) -> tuple[Views, Tensor]:
    """Return n molecules and their states (n, f); structure tells half of a state's variance.

    Which modalities are there hangs on the structure, and for a fifth of the molecules none is.
    """
    told = normal(n, F, seed=1)
    z = told + normal(n, F, seed=2)
    predicted = told @ normal(F, Q, seed=3) + 0.05 * normal(n, Q, seed=4) + 2
    x, observed = {}, {}
    for seed, (name, d) in enumerate(CELLS.items(), start=5):
        x[name] = z @ normal(F, d, seed=seed) + 0.7 * normal(n, d, seed=seed + 10) - 1
        observed[name] = normal(n, seed=seed + 20) + 0.5 * predicted[:, 0] > 0.5
    observed["expression"] &= observed["morphology.bray"] | (torch.arange(n) % 3 > 0)
    return Views(predicted, x, observed), z


def hidden(views: Views, hole: float = float("nan")) -> Views:
    """Return the views with something else in every row that is not observed."""
    x = {n: torch.where(views.observed[n][:, None], v, hole) for n, v in views.x.items()}
    return replace(views, x=x)


def without(views: Views) -> Views:
    return replace(views, observed={n: torch.zeros_like(o) for n, o in views.observed.items()})


def learnt(views: Views, steps: int = 60, factors: int = F) -> CellState:
    state = CellState(Q, CELLS, factors)
    state.learn(views, steps)
    return state


def drawn() -> CellState:
    """Return a state with parameters drawn by chance."""
    state = CellState(Q, CELLS, F)
    for seed, (name, buffer) in enumerate(state.named_buffers()):
        buffer.copy_(normal(*buffer.shape, seed=seed))
        if name.startswith("noise"):
            buffer.abs_().add_(0.1)
    state.spread.copy_(state.spread @ state.spread.T + torch.eye(F))
    return state


def row(state: CellState, views: Views, i: int) -> tuple[Any, Any, Any, Any, Any]:
    """Return of one molecule the prior mean, and x, L, m, v of all that is observed, as numpy."""
    b = {name: buffer.numpy() for name, buffer in state.named_buffers()}
    start = b["prior"].T @ (views.predicted[i].numpy() - b["centre"])
    names = [n for n in CELLS if views.observed[n][i]]
    x = np.concatenate([views.x[n][i].numpy() for n in names] or [np.zeros(0)])
    empty = np.zeros((0, F)), np.zeros(0), np.zeros(0)
    parts = [[b[f"{k}_{n}".replace(".", ":")] for n in names] for k in KINDS]
    found = [np.concatenate(p) if p else e for p, e in zip(parts, empty, strict=True)]
    return start, x, *found


def likelihood(state: CellState, views: Views) -> float:
    """Return the log-density of what is observed given what structure predicts."""
    total = 0.0
    for i in range(len(views)):
        start, x, loadings, mean, noise = row(state, views, i)
        covariance = loadings @ state.spread.numpy() @ loadings.T + np.diag(noise)
        off = x - mean - loadings @ start
        logdet = np.linalg.slogdet(2 * np.pi * covariance)[1]
        total -= 0.5 * float(logdet + off @ np.linalg.solve(covariance, off))
    return total


def explained(given: Tensor, z: Tensor) -> float:
    """Return the share of the states' variance a linear map of `given` tells, on new molecules."""
    x = torch.cat([given, torch.ones(len(z), 1).double()], dim=1).numpy()
    half, y = len(z) // 2, z.numpy()
    left = y[half:] - x[half:] @ np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    return float(1 - left.var() / y[half:].var())


# --------------------------------------------------------------------------------------- posterior


def test_the_patterns_share_out_the_molecules() -> None:
    views, _ = simulated()
    found = list(views.patterns())
    assert sorted(torch.cat([rows for rows, _ in found]).tolist()) == list(range(N))
    assert {names for _, names in found} == {
        (), ("morphology.bray",), ("expression",), ("morphology.bray", "expression"),
    }  # fmt: skip
    for rows, names in found:
        assert all(views.observed[n][rows].all() == (n in names) for n in CELLS)


def test_the_posterior_is_that_of_the_joint_normal() -> None:
    """Conditioning z on x by covariances, where the source adds up precisions."""
    views, _ = simulated(60)
    state = drawn()
    found, spread = state(views).numpy(), state.spread.numpy()
    for i in range(len(views)):
        start, x, loadings, mean, noise = row(state, views, i)
        gain = spread @ loadings.T @ np.linalg.inv(loadings @ spread @ loadings.T + np.diag(noise))
        np.testing.assert_allclose(found[i], start + gain @ (x - mean - loadings @ start))


def test_nothing_observed_gives_what_structure_says() -> None:
    views, _ = simulated(40)
    state = drawn()
    expected = (views.predicted - state.centre) @ state.prior
    torch.testing.assert_close(state(without(views)), expected)
    assert not torch.isclose(state(views), expected).all()


def test_a_molecule_s_state_is_its_own() -> None:
    """Whoever stands beside it; and single precision is taken as well."""
    views, _ = simulated(40)
    state = drawn()
    together = state(views)
    for i in (0, 7, 39):
        part = Views(
            views.predicted[[i]],
            {n: x[[i]] for n, x in views.x.items()},
            {n: o[[i]] for n, o in views.observed.items()},
        )
        torch.testing.assert_close(state(part)[0], together[i])
    single = Views(views.predicted.float(), {n: x.float() for n, x in views.x.items()},
                   views.observed)  # fmt: skip
    torch.testing.assert_close(state(single), together, rtol=1e-5, atol=1e-5)
    assert state(single).dtype == torch.float64


@pytest.mark.parametrize("hole", [0.0, 1e6, float("nan")])
def test_what_is_not_observed_changes_nothing(hole: float) -> None:
    views, _ = simulated(200)
    other = hidden(views, hole)
    state, again = learnt(views, 5), learnt(other, 5)
    for name, buffer in state.named_buffers():
        torch.testing.assert_close(again.get_buffer(name), buffer, rtol=1e-9, atol=1e-9)
    assert torch.equal(state(other), state(views))


# ---------------------------------------------------------------------------------------- learning


def test_every_step_makes_the_observed_likelier() -> None:
    views = hidden(simulated(200)[0])
    found = [likelihood(learnt(views, steps), views) for steps in (0, 1, 2, 4, 8, 16, 32, 60)]
    assert (np.diff(found) > -1e-3).all()  # the prior has a ridge, so that the last ones stand
    assert found[1] > found[0] + 50
    assert found[-1] - found[-2] < 0.1 * (found[1] - found[0])


def test_the_state_is_found_up_to_a_linear_map() -> None:
    views, z = simulated(2000)
    state = learnt(hidden(views))
    measured = views.observed["morphology.bray"]
    alone, both = state(without(views)), state(hidden(views))
    from_structure = explained(views.predicted, z)
    assert from_structure == pytest.approx(0.5, abs=0.06)
    assert explained(alone, z) == pytest.approx(from_structure, abs=0.03)
    assert explained(both[measured], z[measured]) > from_structure + 0.35
    none = ~measured & ~views.observed["expression"]
    assert torch.equal(both[none], alone[none])


def test_the_parameters_are_those_it_was_simulated_with() -> None:
    """What no turn of the state changes: the noise, and the covariance of a modality."""
    views, _ = simulated(2000)
    state = learnt(hidden(views), 200)
    for seed, (name, d) in enumerate(CELLS.items(), start=5):
        key = name.replace(".", ":")
        noise, loadings = state.get_buffer(f"noise_{key}"), state.get_buffer(f"loadings_{key}")
        torch.testing.assert_close(noise, torch.full((d,), 0.49).double(), rtol=0.2, atol=0)
        true = normal(F, d, seed=seed)
        torch.testing.assert_close(
            loadings @ state.spread @ loadings.T, true.T @ true, rtol=0.15, atol=0.25
        )


def test_learning_again_starts_anew() -> None:
    views, _ = simulated()
    state = learnt(views, steps=5)
    before = {name: buffer.clone() for name, buffer in state.named_buffers()}
    state.learn(views, 5)
    assert all(torch.equal(before[name], buffer) for name, buffer in state.named_buffers())


def test_one_prediction_for_all_is_no_crash() -> None:
    views, _ = simulated()
    views = replace(views, predicted=torch.ones_like(views.predicted))
    assert torch.isfinite(learnt(views)(views)).all()


def test_noise_has_a_floor() -> None:
    views, z = simulated(100)
    exact = {name: z @ normal(F, d, seed=1) for name, d in CELLS.items()}
    state = learnt(replace(views, x=exact))
    for name, buffer in state.named_buffers():
        if name.startswith("noise"):
            assert (buffer >= LEAST_NOISE).all()
        assert torch.isfinite(buffer).all()


def test_more_factors_than_structure_tells_apart() -> None:
    """Of predictions that all lie along two axes, seven factors: nothing is divided by zero."""
    views, z = simulated(200)
    flat = replace(views, predicted=views.predicted @ normal(Q, F, seed=1) @ normal(F, Q, seed=2))
    state = learnt(flat, factors=Q)
    assert all(torch.isfinite(buffer).all() for buffer in state.buffers())
    assert state(flat).shape == (200, Q)
    measured = views.observed["morphology.bray"]
    assert explained(state(flat)[measured], z[measured]) > 0.8


def test_the_same_molecules_give_the_same_bytes() -> None:
    """Wherever in memory their arrays come to lie."""
    views = simulated(54)[0]
    first = learnt(views, 3, factors=Q)
    others = []
    for seed in range(20):
        torch.manual_seed(seed)
        others.append((torch.rand(100 + 37 * seed), learnt(views, 3, factors=Q)))
    for name, buffer in first.named_buffers():
        assert all(torch.equal(other.get_buffer(name), buffer) for _, other in others), name


# ----------------------------------------------------------------------------------------- storage


def tensors(network: ChmrNetwork) -> Mapping[str, Tensor]:
    return {name: t for name, t in network.state_dict().items() if name.startswith("state.")}


def test_the_state_is_kept_with_the_weights(tmp_path: Path) -> None:
    views, _ = simulated(50)
    known = (Modality("morphology.bray", 9), Modality("activity", 1, binary=True))
    cells = (*known, Modality("expression", 6))
    narrow = replace(views, predicted=torch.cat([views.predicted] * 3, dim=1)[:, :16])
    shape = NetworkShape(4, cells=cells, hidden=8, layers=1, decoder_hidden=8, state=F)
    network = ChmrNetwork(shape)
    assert network.state is not None
    assert network.state.cells == CELLS  # the bits are predicted, but no view of the state
    assert not list(network.state.parameters())
    network.state.learn(narrow)
    save_network(tmp_path / "w", network, WeightsMetadata(PretrainConfig(), {}))
    loaded, _ = load_network(tmp_path / "w")
    assert loaded.state is not None
    assert loaded.shape.state == F
    torch.testing.assert_close(tensors(loaded), tensors(network), rtol=0, atol=0)
    assert torch.equal(loaded.state(narrow), network.state(narrow))
    assert ChmrNetwork(replace(shape, state=0)).state is None


# ------------------------------------------------------------------------------------- calibration


@pytest.mark.slow
def test_a_prior_too_sure_of_itself_is_set_right() -> None:
    views, _ = simulated(2000)
    state = learnt(hidden(views), 200)
    right = {name: buffer.clone() for name, buffer in state.named_buffers()}
    state.prior.mul_(1.6)
    state.spread.mul_(0.4)
    trust, width = state.calibrate(hidden(views))
    assert trust == pytest.approx(1 / 1.6, rel=0.03)
    assert width == pytest.approx(1 / 0.4, rel=0.03)
    for name, buffer in state.named_buffers():
        tolerance = 0.03 if name in ("prior", "spread") else 0
        torch.testing.assert_close(buffer, right[name], rtol=tolerance, atol=tolerance)


def test_calibration_makes_new_molecules_likeliest() -> None:
    """Of the prior's mean and covariance, scaled, none else explains them as well."""
    views, _ = simulated(300)
    state = learnt(hidden(views), 20)
    noise = normal(len(views), Q, seed=9, sd=2.0)  # structure says less of these than it did
    fresh = hidden(replace(views, predicted=views.predicted + noise), 0.0)
    state.calibrate(fresh, 200)
    best = likelihood(state, fresh)
    for of_mean, of_spread in ((0.9, 1.0), (1.1, 1.0), (1.0, 0.9), (1.0, 1.1)):
        other = copy.deepcopy(state)
        other.prior.mul_(of_mean)
        other.spread.mul_(of_spread)
        assert likelihood(other, fresh) < best


def test_where_nothing_was_measured_calibration_changes_little() -> None:
    views, _ = simulated(50)
    state = learnt(views, 5)
    before = state.prior.clone()
    trust, width = state.calibrate(without(views))
    assert (trust, width) == (pytest.approx(1), pytest.approx(1))
    torch.testing.assert_close(state.prior, before)
