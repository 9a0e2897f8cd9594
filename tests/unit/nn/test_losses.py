"""Every loss against plain numpy, and its silence where nothing is observed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from chmr_bench.nn.losses import Bounds, info_nce, nothing, reconstruction, vicreg
from chmr_bench.types import FloatArray


def rows(k: int, d: int = 5, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(k, d)).astype(np.float32))


def plain_info_nce(a: FloatArray, o: FloatArray, temperature: float) -> float:
    total = 0.0
    for i in range(len(a)):
        cosines = [a[i] @ x / np.linalg.norm(a[i]) / np.linalg.norm(x) for x in o]
        scores = np.exp(np.array(cosines) / temperature)
        total -= np.log(scores[i] / scores.sum())
    return total / len(a)


def plain_vicreg(x: FloatArray, y: FloatArray) -> float:
    loss = ((x - y) ** 2).mean()
    for z in (x, y):
        covariance = np.cov(z.T)
        sd = np.sqrt(np.diag(covariance) + 1e-4)
        loss += np.maximum(0, 1 - sd).mean()
        loss += (covariance[~np.eye(len(sd), dtype=bool)] ** 2).sum() / len(sd)
    return float(loss)


def plain_reconstruction(p: FloatArray, t: FloatArray, w: FloatArray, binary: bool) -> float:
    errors = []
    for i, j in np.argwhere(~np.isnan(t)):
        q = 1 / (1 + np.exp(-p[i, j]))
        cross = -(t[i, j] * np.log(q) + (1 - t[i, j]) * np.log(1 - q))
        if w[i] > 0:
            errors.append(w[i] * (cross if binary else (p[i, j] - t[i, j]) ** 2))
    return float(np.mean(errors))


@pytest.mark.parametrize("temperature", [0.1, 0.2, 2.0])
def test_info_nce(temperature: float) -> None:
    a, o = rows(7, seed=1), rows(7, seed=2)
    expected = plain_info_nce(a.double().numpy(), o.double().numpy(), temperature)
    assert info_nce(a, o, temperature).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("below", [True, False])
def test_beyond_where_a_number_is_censored_nothing_is_an_error(below: bool) -> None:
    target = torch.tensor([[1.0], [1.0], [1.0], [2.0], [0.0], [float("nan")]])
    given = torch.tensor([[0.0], [3.0], [1.0], [0.0], [1.5], [9.0]], requires_grad=True)
    bounds = Bounds(torch.tensor([1.0]), torch.tensor(below))
    loss = reconstruction(given, target, torch.ones(6), binary=False, bounds=bounds)
    errors = [0.0 if below else 1.0, 4.0 if below else 0.0, 0.0, 4.0, 2.25]
    assert loss.item() == pytest.approx(np.mean(errors))
    loss.backward()
    moved = given.grad[:, 0] != 0
    assert moved.tolist() == [not below, below, False, True, True, False]
    without = Bounds(torch.tensor([np.inf]), torch.tensor(below))
    plain = reconstruction(given, target, torch.ones(6), binary=False)
    same = reconstruction(given, target, torch.ones(6), binary=False, bounds=without)
    assert same.item() == plain.item()


def test_info_nce_is_low_for_partners_and_blind_to_length() -> None:
    a = rows(6)
    assert info_nce(a, 9 * a, 0.05) < 0.1 < info_nce(a, a.roll(1, 0), 0.05)
    torch.testing.assert_close(info_nce(a, 9 * a, 0.2), info_nce(3 * a, a, 0.2))


def test_vicreg() -> None:
    x, y = rows(9, seed=3) / 2, 3 * rows(9, seed=4)
    expected = plain_vicreg(x.double().numpy(), y.double().numpy())
    assert vicreg(x, y).item() == pytest.approx(expected, rel=1e-5)


def test_vicreg_of_one_row_is_its_invariance() -> None:
    x, y = rows(1, seed=3), rows(1, seed=4)
    assert vicreg(x, y).item() == pytest.approx(((x - y) ** 2).mean().item())


@pytest.mark.parametrize("binary", [True, False])
def test_reconstruction(binary: bool) -> None:
    p, t = rows(6, seed=5), rows(6, seed=6).sigmoid()
    t[1] = float("nan")
    t[2, 3:] = float("nan")
    w = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.25, 2.0])
    expected = plain_reconstruction(p.double().numpy(), t.double().numpy(), w.numpy(), binary)
    assert reconstruction(p, t, w, binary=binary).item() == pytest.approx(expected, rel=1e-5)


def test_unknown_entries_get_no_gradient() -> None:
    p, t = rows(3, seed=5).requires_grad_(), rows(3, seed=6)
    t[0, 1], w = float("nan"), torch.tensor([1.0, 0.0, 0.5])
    reconstruction(p, t, w, binary=False).backward()
    assert p.grad is not None
    assert (p.grad == 0).nonzero().tolist() == [[0, 1]] + [[1, j] for j in range(5)]


NAN = torch.full((2, 5), float("nan"))


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: info_nce(x[:0], x[:0], 0.2),
        lambda x: vicreg(x[:0], x[:0]),
        lambda x: reconstruction(x[:0], NAN[:0], torch.ones(0), binary=True),
        lambda x: reconstruction(x, NAN, torch.ones(2), binary=False),
        lambda x: reconstruction(x, x.detach(), torch.zeros(2), binary=False),
        lambda x: nothing(x),
    ],
)
def test_nothing_observed_is_zero_with_a_zero_gradient(loss: Callable[[Tensor], Tensor]) -> None:
    x = rows(2).requires_grad_()
    value = loss(x)
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert (x.grad == 0).all()


@pytest.mark.parametrize("loss", [lambda x, y: info_nce(x, y, 0.2), vicreg])
def test_losses_are_not_rounded_under_autocast(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y = rows(64, 32, seed=1), rows(64, 32, seed=2)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(x, y)
    assert inside.item() == loss(x, y).item()
