"""The parts of MMSA's network: encoders, hypergraph, memory, and what the losses see."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from chmr_bench.features.conformers import conformer
from chmr_bench.features.drawings import image
from chmr_bench.features.graphs import graph
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.distances import DistanceEncoder
from chmr_bench_mmsa.hypergraph import HypergraphLayer, hyperedges, nearest
from chmr_bench_mmsa.memory import AnchorMemory
from chmr_bench_mmsa.molecules import molecule_batch
from chmr_bench_mmsa.network import Encoded, MmsaNetwork, MmsaShape
from chmr_bench_mmsa.objective import contrast, objective
from chmr_bench_mmsa.resnet import ResNet18

SMILES = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "C", "c1ccncc1CN", "CC(C)CC1CCNCC1", "OCCCl")
SMALL = MmsaShape(
    hidden=16, layers=2, image_width=4, conformer_hidden=8, conformer_layers=1, code_hidden=16,
    code=12, neighbours=3, anchors=8,
)  # fmt: skip
"""Methane has no conformer."""


@pytest.fixture(scope="module")
def blocks() -> dict[str, Any]:
    return {"graph": graph(SMILES), "image": image(SMILES, 32), "conformer": conformer(SMILES)}


@pytest.fixture
def network() -> MmsaNetwork:
    torch.manual_seed(0)
    return MmsaNetwork(SMALL).eval()


# --------------------------------------------------------------------------------------- encoders


def test_resnet_18_has_the_parameters_and_the_names_of_torchvisions() -> None:
    with torch.device("meta"):
        encoder = ResNet18()
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512
    names = set(encoder.state_dict())
    assert {n for n in names if n.startswith("layer") and "conv" in n} == {
        f"layer{i}.{j}.conv{k}.weight" for i in (1, 2, 3, 4) for j in (0, 1) for k in (1, 2)
    }
    shortcuts = {n for n in names if "downsample" in n and n.endswith("weight")}
    assert shortcuts == {f"layer{i}.0.downsample.{k}.weight" for i in (2, 3, 4) for k in (0, 1)}
    assert {"conv1.weight", "bn1.running_mean", "layer4.1.bn2.num_batches_tracked"} <= names


def test_a_block_adds_its_input() -> None:
    """With a last norm of weight 0, as at the start of some recipes, a block is a ReLU."""
    encoder = ResNet18(4).eval()
    block: Any = encoder.layer1[0]
    nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(x), functional.relu(x))
    assert encoder(torch.rand(3, 3, 32, 32)).shape == (3, 32)


def test_distances_are_all_that_is_seen_of_a_conformer() -> None:
    torch.manual_seed(0)
    encoder = DistanceEncoder(8, 2, 5.0)
    values: Any = conformer(SMILES[1:2]).values
    atoms = torch.from_numpy(values.toarray()).view(1, -1, 4)[:, :13]
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    turned = torch.cat([atoms[..., :1], atoms[..., 1:] @ turn + 7], dim=2)
    expected = encoder(atoms)
    torch.testing.assert_close(encoder(turned), expected, rtol=1e-4, atol=1e-5)
    order = torch.randperm(13)
    torch.testing.assert_close(encoder(atoms[:, order]), expected, rtol=1e-4, atol=1e-5)
    padded = functional.pad(atoms, (0, 0, 0, 20))
    torch.testing.assert_close(encoder(padded), expected, rtol=1e-5, atol=1e-6)
    stretched = torch.cat([atoms[..., :1], 1.1 * atoms[..., 1:]], dim=2)
    assert not torch.allclose(encoder(stretched), expected, atol=1e-3)


def test_molecules_beside_it_are_nothing_to_a_molecule(network: Any, blocks: Any) -> None:
    with torch.no_grad():
        together = network.encode(molecule_batch(blocks, np.arange(6))).unified()
        for row in range(6):
            alone = network.encode(molecule_batch(blocks, np.array([row]))).unified()
            torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-5)


def test_what_is_not_observed_enters_nothing(network: Any, blocks: Any) -> None:
    """The mean is over the modalities a molecule has; what stands in the others is not read."""
    batch = molecule_batch(blocks, np.arange(6))
    assert batch.observed["conformer"].tolist() == [True, True, False, True, True, True]
    with torch.no_grad():
        encoded = network.encode(batch)
        expected = (encoded.codes["graph"][2] + encoded.codes["image"][2]) / 2
        torch.testing.assert_close(encoded.unified()[2], expected)
        noise = {**batch.tensors, "conformer": batch.tensors["conformer"].clone()}
        noise["conformer"][2] = 6.0
        other = network.encode(replace(batch, tensors=noise)).unified()
    torch.testing.assert_close(other, encoded.unified())


# ------------------------------------------------------------------------------------- hypergraph


def test_the_hypergraph_is_that_of_the_formula() -> None:
    torch.manual_seed(0)
    layer, x = HypergraphLayer(4, 3, 0.5).eval(), torch.randn(7, 4)
    rows, edges = hyperedges(x, 3)
    h = torch.zeros(7, 7)
    h[rows, edges] = 1
    assert h.sum(0).tolist() == [3.0] * 7
    assert h.diagonal().tolist() == [1.0] * 7
    mixed = torch.diag(1 / h.sum(1)) @ h @ torch.diag(1 / h.sum(0)) @ h.T @ x
    conv = layer.conv
    expected = functional.relu(layer.norm(mixed @ conv.lin.weight.T + conv.bias))
    torch.testing.assert_close(layer(x), expected)


def test_a_pool_that_stays_the_same_is_the_hypergraph_of_one_that_is_in_no_other() -> None:
    """A molecule far from all is nobody's neighbour: its row is the mean over its hyperedge."""
    torch.manual_seed(0)
    layer = HypergraphLayer(4, 3, 0.0).eval()
    pool = torch.tensor([1.0, 0, 0, 0]) + 0.1 * torch.randn(6, 4)
    far = torch.tensor([[-1.0, 0.2, 0, 0]])
    together = layer(torch.cat([pool, far]))[-1:]
    torch.testing.assert_close(layer.from_pool(far, pool), together)
    both = torch.cat([far, pool[:2] + 1])
    torch.testing.assert_close(layer.from_pool(both, pool)[:1], layer.from_pool(far, pool))


def test_nobody_is_its_own_neighbour() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 4)
    near, cosine = nearest(x, x, 5, others=True)
    assert not (near == torch.arange(6)[:, None]).any()
    assert cosine.isfinite().all()
    layer = HypergraphLayer(4, 3, 0.0).eval()
    rest = torch.cat(
        [layer.from_pool(x[i : i + 1], torch.cat([x[:i], x[i + 1 :]])) for i in range(6)]
    )
    torch.testing.assert_close(layer.from_pool(x, x), rest)
    alone = layer._finish(functional.linear(x, layer.conv.lin.weight, layer.conv.bias))
    torch.testing.assert_close(layer.from_pool(x[:1], x[:1]), alone[:1])


# ----------------------------------------------------------------------------------------- memory


def test_anchors_are_addressed_by_a_sharp_cosine() -> None:
    """Dot products at temperature 1, which collapse, would feel the length and be near uniform."""
    torch.manual_seed(0)
    memory, x = AnchorMemory(128, 16, 0.05), torch.randn(5, 16)
    recall = memory(x)
    cosine = functional.normalize(x, dim=1) @ functional.normalize(memory.anchors, dim=1).T
    torch.testing.assert_close(recall.attention, torch.softmax(cosine / 0.05, 1))
    torch.testing.assert_close(memory(100 * x).attention, recall.attention)
    flat = torch.softmax(x @ memory.anchors.T, 1)
    entropy = torch.special.entr(flat).sum(1).mean()
    assert recall.attention_entropy() < 0.7 * math.log(128) < 0.9 * entropy
    assert 1 < recall.anchors_in_use() < 128


def test_each_loss_of_the_memory_moves_one_side() -> None:
    memory: Any = AnchorMemory(8, 4, 0.05)
    x: Any = torch.randn(5, 4, requires_grad=True)
    for loss, moved in (("anchor_loss", False), ("commitment_loss", True)):
        x.grad, memory.anchors.grad = None, None
        recall = replace(memory(x), attention=memory(x).attention.detach())
        value = recall.attention @ memory.anchors
        getattr(replace(recall, value=value), loss)().backward()
        grads = [g is not None and bool(g.abs().sum() > 0) for g in (x.grad, memory.anchors.grad)]
        assert grads == [moved, not moved]


def test_balance_is_0_where_anchors_are_used_alike() -> None:
    recall = AnchorMemory(4, 4, 0.05)(torch.eye(4))
    even = replace(recall, attention=torch.eye(4))
    assert even.imbalance().item() == pytest.approx(0, abs=1e-6)
    assert even.anchors_in_use().item() == pytest.approx(4)
    assert even.attention_entropy().item() == 0
    one = replace(recall, attention=torch.eye(4)[:1].expand(4, -1))
    assert one.imbalance().item() == pytest.approx(math.log(4))


# -------------------------------------------------------------------------------------- objective


def codes(**parts: Tensor) -> Encoded:
    n = len(next(iter(parts.values())))
    unit = {name: functional.normalize(x, dim=1) for name, x in parts.items()}
    return Encoded(unit, unit, {name: torch.ones(n, dtype=torch.bool) for name in parts})


def test_modalities_that_agree_cost_nothing() -> None:
    agree = contrast(codes(graph=torch.eye(4), image=torch.eye(4)), 0.1)
    assert agree.item() == pytest.approx(0, abs=1e-3)
    apart = contrast(codes(graph=torch.eye(4), image=torch.eye(4).roll(1, 0)), 0.1)
    assert apart.item() == pytest.approx(10, abs=0.1)
    assert contrast(codes(graph=torch.eye(4)), 0.1).item() == 0


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, set()),
        ({"hypergraph": False}, {"hypergraph"}),
        (
            {"anchors": 0},
            {
                "memory",
                "commitment",
                "balance",
                "health.anchors_in_use",
                "health.attention_entropy",
            },
        ),
    ],
)
def test_what_variants_leave_out(blocks: Any, changes: Any, gone: set[str]) -> None:
    network = MmsaNetwork(replace(SMALL, **changes))
    terms = objective(network, network.encode(molecule_batch(blocks, np.arange(6))), WEIGHTS)
    assert set(terms) == ALL_TERMS - gone
    assert all(torch.isfinite(term) for term in terms.values())
    if not changes:
        torch.autograd.backward(terms["total"])
        unmoved = {n for n, p in network.named_parameters() if p.grad is None}
        assert unmoved == set()


WEIGHTS = MmsaSettings()
ALL_TERMS = {
    "contrast", "reconstruction", "cross", "hypergraph", "memory", "commitment", "balance", "total",
    "health.anchors_in_use", "health.attention_entropy", "health.spread",
}  # fmt: skip


def test_a_graph_alone_is_enough(blocks: Any) -> None:
    network = MmsaNetwork(replace(SMALL, modalities=("graph",)))
    batch = molecule_batch({"graph": blocks["graph"]}, np.arange(6))
    terms = objective(network, network.encode(batch), WEIGHTS)
    assert terms["contrast"].item() == terms["cross"].item() == 0
    assert MmsaShape.from_json(network.shape.to_json()) == network.shape
