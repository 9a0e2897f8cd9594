"""The compiled operations give what torch gives, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from chmr_bench.features.graphs import graph
from chmr_bench.nn import atoms
from chmr_bench.nn.batch import N_BOND_CODES, GraphBatch, graph_batch

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C",
    "[Na+].[Cl-]",
    "C1=CC2CC2C1",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
]
WIDTH = 19  # no multiple of a vector register's width


@pytest.fixture(scope="module")
def batch() -> GraphBatch:
    return graph_batch(graph(SMILES))


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Operation = Callable[[Tensor, Tensor, Tensor, GraphBatch], Tensor]


@pytest.mark.parametrize(
    ("operation", "rows"),
    [
        (atoms.receive, N_BOND_CODES),
        (lambda h, rows, eps, batch: atoms.add_up(h, batch), 1),
        (lambda h, rows, eps, batch: atoms.hand_out(h, rows, batch), len(SMILES)),
    ],
)
def test_compiled_is_torch(operation: Operation, rows: int, batch: GraphBatch) -> None:
    """float64 runs as torch operations, float32 compiled."""
    shapes = ((len(batch.atoms), WIDTH), (rows, WIDTH), (1,))
    inputs = [random(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    found = {}
    for dtype in (torch.float64, torch.float32):
        given = [x.to(dtype).requires_grad_() for x in inputs]
        out = operation(*given, batch)
        weights = random(*out.shape, seed=3).to(dtype)
        grads = torch.autograd.grad((out * weights).sum(), given, allow_unused=True)
        found[dtype] = [out.detach(), *(g for g in grads if g is not None)]
    assert atoms._compiled(inputs[0].float())
    assert not atoms._compiled(inputs[0])
    for ours, theirs in zip(found[torch.float32], found[torch.float64], strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)


def test_receive_by_hand() -> None:
    """In propane-like C-C-C the middle atom hears both ends; a message below 0 is silence."""
    batch = graph_batch(graph(["CCC"]))
    h = torch.tensor([[1.0, -5.0], [2.0, 2.0], [3.0, 0.5]])
    bonds = torch.zeros(N_BOND_CODES, 2)
    bonds[0] = torch.tensor([0.5, 0.25])  # a plain single bond
    received = [[2.5, 2.25], [5.0, 0.75], [2.5, 2.25]]
    assert atoms.receive(h, bonds, torch.tensor([-1.0]), batch).tolist() == received
    with_own = torch.tensor(received) + 1.5 * h
    assert torch.equal(atoms.receive(h, bonds, torch.tensor([0.5]), batch), with_own)


def test_a_nan_is_not_hidden_by_the_relu() -> None:
    h = torch.tensor([[float("nan")], [1.0], [1.0]])
    bonds = torch.zeros(N_BOND_CODES, 1)
    out = atoms.receive(h, bonds, torch.zeros(1), graph_batch(graph(["CC", "C"])))
    assert out.isnan().flatten().tolist() == [True, True, False]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_mean_and_its_gradient_follows_the_mask(rate: float, relu: bool) -> None:
    torch.manual_seed(0)
    h = torch.full((400, 300), 7.0, requires_grad=True)
    x = torch.ones(400, 300)
    x[:, ::3] = -1.0
    x.requires_grad_()
    out = atoms.add_dropped(h, x, rate, relu=relu)
    added = (out - 7).detach()
    kept = added != 0
    alive = torch.ones(400, 300, dtype=torch.bool) if not relu else x.detach() > 0
    assert not kept[~alive].any()
    assert kept[alive].double().mean().item() == pytest.approx(1 - rate, abs=0.01)
    torch.testing.assert_close(added[kept], x.detach()[kept] / (1 - rate))
    out.sum().backward()
    assert h.grad is not None
    assert x.grad is not None
    assert (h.grad == 1).all()
    torch.testing.assert_close(x.grad, kept / (1 - rate))


def test_dropout_follows_the_seed_and_has_no_pattern() -> None:
    x = torch.ones(512, 256)
    runs = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        runs.append(atoms.add_dropped(torch.zeros(512, 256), x, 0.5, relu=False).numpy() > 0)
    assert (runs[0] == runs[1]).all()
    assert np.mean(runs[0] == runs[2]) == pytest.approx(0.5, abs=0.01)
    for axis in (0, 1):  # neither rows, nor columns, nor neighbours hang together
        share = runs[0].mean(axis)
        assert share.std() == pytest.approx(0.5 / np.sqrt(runs[0].shape[axis]), rel=0.25)
    assert np.mean(runs[0][:, 1:] == runs[0][:, :-1]) == pytest.approx(0.5, abs=0.01)


def test_no_dropout_is_no_dropout() -> None:
    x = torch.tensor([[-1.0, 2.0]])
    assert atoms.add_dropped(torch.ones(1, 2), x, 0.0, relu=True).tolist() == [[1.0, 3.0]]
    assert atoms.add_dropped(torch.ones(1, 2), x, 0.0, relu=False).tolist() == [[0.0, 3.0]]
