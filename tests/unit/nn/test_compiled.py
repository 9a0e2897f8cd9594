"""The compiled back end gives what PyTorch Geometric gives, forwards and backwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from chmr_bench.errors import UnknownNameError
from chmr_bench.features.graphs import BOND_SIZES, graph
from chmr_bench.nn import compiled
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.gnn import BACKEND_VARIABLE, GinLayer, GinVirtualNode

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C",
    "[Na+].[Cl-]",
    "C1=CC2CC2C1",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
]
WIDTH = 19  # no multiple of a vector register's width
N_CODES = math.prod(BOND_SIZES)


def order_of(batch: Batch, codes: Tensor) -> compiled.BondOrder:
    return compiled.BondOrder.of(batch.edge_index, codes, len(batch.x))


def test_bonds_are_listed_by_target_and_by_source() -> None:
    batch = graph_batch(graph(SMILES))
    order = order_of(batch, torch.zeros(batch.edge_index.shape[1], dtype=torch.int64))
    for bonds, starts, ends in (
        (order.incoming, order.incoming_starts, order.target),
        (order.outgoing, order.outgoing_starts, order.source),
    ):
        assert sorted(bonds.tolist()) == list(range(len(ends)))
        for atom in range(len(batch.x)):
            mine = bonds[starts[atom] : starts[atom + 1]]
            assert mine.tolist() == (ends == atom).nonzero()[0].tolist()


def test_a_layer_and_its_gradients_are_those_of_pyg() -> None:
    torch.manual_seed(0)
    layer, batch = GinLayer(WIDTH).double(), graph_batch(graph(SMILES))
    layer.eps.data.normal_()
    codes = torch.randint(N_CODES, (batch.edge_index.shape[1],))
    h = torch.randn(len(batch.x), WIDTH, dtype=torch.float64)
    weights = torch.randn(len(batch.x), WIDTH, dtype=torch.float64)
    found = []
    for dtype, order in ((torch.float64, None), (torch.float32, order_of(batch, codes))):
        layer = layer.to(dtype)
        layer.zero_grad()
        given = h.to(dtype, copy=True).requires_grad_()
        out = layer(given, batch.edge_index, codes, order)
        (out * weights.to(dtype)).sum().backward()
        grads = [given.grad, layer.eps.grad, layer.bond_table.grad]
        found.append([out.detach(), *(g.clone() for g in grads if g is not None)])
    assert [len(values) for values in found] == [4, 4]
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("training", [False, True])
def test_both_back_ends_give_the_same_molecules(training: bool) -> None:
    """To 1e-6 of the largest, in both modes; without dropout, whose draws differ."""
    found = []
    for backend in ("compiled", "pyg"):
        torch.manual_seed(0)
        network = GinVirtualNode(32, 3, 0.0, backend).train(training)
        network.virtual.data.normal_()
        found.append(network(graph_batch(graph(SMILES))))
    ours, theirs = found
    assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()
    assert not torch.equal(ours, theirs)  # they are two


def test_the_environment_chooses_the_back_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GinVirtualNode(8, 2, 0.0).backend == "compiled"
    monkeypatch.setenv(BACKEND_VARIABLE, "pyg")
    assert GinVirtualNode(8, 2, 0.0).backend == "pyg"
    monkeypatch.setenv(BACKEND_VARIABLE, "pgy")
    with pytest.raises(UnknownNameError, match="pyg"):
        GinVirtualNode(8, 2, 0.0)


def test_receive_by_hand() -> None:
    """In propane-like C-C-C the middle atom gets both ends; a message below 0 is nothing."""
    batch = graph_batch(graph(["CCC"]))
    order = order_of(batch, torch.zeros(4, dtype=torch.int64))
    h = torch.tensor([[1.0, -5.0], [2.0, 2.0], [3.0, 0.5]])
    bonds = torch.zeros(N_CODES, 2)
    bonds[0] = torch.tensor([0.5, 0.25])  # a plain single bond
    received = [[2.5, 2.25], [5.0, 0.75], [2.5, 2.25]]
    assert compiled.receive(h, bonds, torch.tensor([-1.0]), order).tolist() == received
    with_own = torch.tensor(received) + 1.5 * h
    assert torch.equal(compiled.receive(h, bonds, torch.tensor([0.5]), order), with_own)


def test_a_nan_is_not_masked_by_the_relu() -> None:
    h = torch.tensor([[float("nan")], [1.0], [1.0]])
    bonds = torch.zeros(N_CODES, 1)
    order = order_of(graph_batch(graph(["CC", "C"])), torch.zeros(2, dtype=torch.int64))
    out = compiled.receive(h, bonds, torch.zeros(1), order)
    assert out.isnan().flatten().tolist() == [True, True, False]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_mean_and_its_gradient_follows_the_mask(rate: float, relu: bool) -> None:
    torch.manual_seed(0)
    h = torch.full((400, 300), 7.0, requires_grad=True)
    x = torch.ones(400, 300)
    x[:, ::3] = -1.0
    x.requires_grad_()
    out = compiled.add_dropped(h, x, rate, relu=relu)
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
        runs.append(compiled.add_dropped(torch.zeros(512, 256), x, 0.5, relu=False).numpy() > 0)
    assert (runs[0] == runs[1]).all()
    assert np.mean(runs[0] == runs[2]) == pytest.approx(0.5, abs=0.01)
    for axis in (0, 1):  # neither rows, nor columns, nor neighbours hang together
        share = runs[0].mean(axis)
        assert share.std() == pytest.approx(0.5 / np.sqrt(runs[0].shape[axis]), rel=0.25)
    assert np.mean(runs[0][:, 1:] == runs[0][:, :-1]) == pytest.approx(0.5, abs=0.01)
