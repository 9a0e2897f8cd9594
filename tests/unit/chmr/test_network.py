"""The network: what enters a latent, the anchor, scales, and a shape that survives JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Batch

from chmr_bench import DataError
from chmr_bench.errors import SettingError, UnknownNameError
from chmr_bench.features.graphs import graph
from chmr_bench.nn.batch import graph_batch
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.shape import Modality, NetworkShape

SHAPE = NetworkShape(
    fingerprint=12,
    geometry=6,
    cells=(Modality("morphology.bray", 5), Modality("activity", 3, binary=True)),
    hidden=16,
    layers=2,
    decoder_hidden=20,
    depth=3,
)


@pytest.fixture
def network() -> ChmrNetwork:
    torch.manual_seed(0)
    return ChmrNetwork(SHAPE).eval()


@pytest.fixture
def graphs() -> Batch:
    return graph_batch(graph(["CCO", "c1ccccc1", "CN"]))


BITS = (torch.arange(36).reshape(3, 12) % 3 == 0).to(torch.uint8)


def test_the_latents_and_their_sum(network: ChmrNetwork, graphs: Batch) -> None:
    geometry = torch.randn(3, 6)
    latents = network.encode(BITS, graphs, geometry)
    assert {n: tuple(p.shape) for n, p in latents.items()} == dict.fromkeys(
        ("fingerprint", "graph", "geometry"), (3, 16)
    )
    torch.testing.assert_close(network.anchor(latents), sum(latents.values()))
    norm, linear, *_ = network.projectors["_fingerprint"]  # type: ignore[misc]
    x = linear(norm(BITS.float()))
    torch.testing.assert_close(latents["fingerprint"], x * torch.sigmoid(x))


def test_the_bits_may_have_a_hidden_layer(graphs: Batch) -> None:
    network = ChmrNetwork(replace(SHAPE, fingerprint_hidden=7)).eval()
    widths = {
        name: [tuple(layer.weight.shape) for layer in chain if isinstance(layer, nn.Linear)]
        for name, chain in network.projectors.items()
    }
    assert widths["_fingerprint"] == [(7, 12), (16, 7)]
    assert all(len(found) == 1 for name, found in widths.items() if name != "_fingerprint")
    norm, first, _, _, second, *_ = network.projectors["_fingerprint"]  # type: ignore[misc]
    x = functional.silu(second(functional.silu(first(norm(BITS.float())))))
    torch.testing.assert_close(network.encode(BITS, graphs, torch.zeros(3, 6))["fingerprint"], x)


def test_latents_drop_out_while_learning_alone(graphs: Batch) -> None:
    network = ChmrNetwork(replace(SHAPE, dropout=0.0, latent_dropout=0.5))
    names = (*network.shape.molecular, *(cell.name for cell in SHAPE.cells))

    def latents() -> dict[str, Tensor]:
        cells = {c.name: network.project(c.name, torch.ones(3, c.d)) for c in SHAPE.cells}
        return network.encode(BITS, graphs, torch.ones(3, 6)) | cells

    learning = latents()
    assert all(0.2 < (learning[name] == 0).float().mean() < 0.8 for name in names)
    network.eval()
    first, again = latents(), latents()
    assert all(torch.equal(first[name], again[name]) for name in names)
    assert not any((first[name] == 0).any() for name in names)


def test_a_shape_of_before_is_read_without_the_new_parts() -> None:
    old = SHAPE.to_json()
    del old["fingerprint_hidden"], old["latent_dropout"], old["state"]
    assert "genes" not in old
    assert NetworkShape.from_json(old) == SHAPE


def test_a_geometry_that_is_not_observed_adds_nothing(network: ChmrNetwork, graphs: Batch) -> None:
    observed = torch.tensor([True, False, True])
    geometry = torch.randn(3, 6)
    geometry[1] = float("nan")
    latents = network.encode(BITS, graphs, geometry, observed)
    anchor = network.anchor(latents, {"geometry": observed})
    structure = latents["fingerprint"] + latents["graph"]
    torch.testing.assert_close(anchor[1], structure[1])
    torch.testing.assert_close(anchor[0], structure[0] + latents["geometry"][0])
    anchor[1].sum().backward()
    touched = [p.grad for p in network.projectors["_geometry"].parameters()]
    assert all(g is None or (g == 0).all() for g in touched)


def test_a_network_without_geometry(graphs: Batch) -> None:
    network = ChmrNetwork(NetworkShape(fingerprint=12, hidden=16, layers=1, tree="none"))
    latents = network.encode(BITS, graphs)
    assert list(latents) == ["fingerprint", "graph"]
    assert network.decode("molecule", network.anchor(latents)).shape == (3, 12)
    with pytest.raises(SettingError, match="no tree"):
        network.codes(latents["graph"])


def test_missing_geometry_is_said(network: ChmrNetwork, graphs: Batch) -> None:
    with pytest.raises(DataError, match="needs `geometry`"):
        network.encode(BITS, graphs)


def test_cells_have_a_projector_a_decoder_and_a_scale(network: ChmrNetwork) -> None:
    p = network.project("morphology.bray", torch.randn(4, 5))
    assert p.shape == (4, 16)
    assert network.decode("activity", p).shape == (4, 3)
    with pytest.raises(UnknownNameError, match=r"did you mean 'morphology\.bray'"):
        network.project("morphology.brey", torch.randn(4, 5))
    with pytest.raises(UnknownNameError, match="modality"):
        network.decode("geometry", p)


def test_read_outs_stand_in_the_order_of_the_cells(network: ChmrNetwork) -> None:
    anchor = torch.randn(4, 16)
    found = network.readouts(anchor)
    assert found.shape == (4, 8)
    torch.testing.assert_close(found[:, :5], network.decode("morphology.bray", anchor))
    torch.testing.assert_close(found[:, 5:], network.decode("activity", anchor))


def test_the_state_views_the_continuous_modalities() -> None:
    assert ChmrNetwork(SHAPE).state is None
    state = ChmrNetwork(replace(SHAPE, state=3)).state
    assert state is not None
    assert state.cells == {"morphology.bray": 5}
    assert state.prior.shape == (8, 3)  # bits are predicted as well
    assert not list(state.parameters())


def test_scales_are_kept_with_the_weights(network: ChmrNetwork) -> None:
    mean, sd = torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([2.0, 1, 0, 1, 1])
    network.set_scale("morphology.bray", mean, sd)
    x = network.standardise("morphology.bray", torch.tensor([[3.0, 2, 3, float("nan"), 6]]))
    torch.testing.assert_close(x, torch.tensor([[1.0, 0, 0, float("nan"), 1]]), equal_nan=True)
    other = ChmrNetwork(NetworkShape.from_json(json.loads(json.dumps(SHAPE.to_json()))))
    other.load_state_dict(network.state_dict())
    assert other.shape == SHAPE
    given: Tensor = torch.randn(2, 5)
    torch.testing.assert_close(
        other.standardise("morphology.bray", given), network.standardise("morphology.bray", given)
    )


@pytest.mark.parametrize("names", [("graph",), ("a", "a"), ("molecule",)])
def test_names_must_differ(names: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match="must differ"):
        NetworkShape(fingerprint=4, cells=tuple(Modality(n, 2) for n in names))


@pytest.mark.parametrize(("kind", "n_levels"), [("tree", 3), ("flat", 1)])
def test_the_kinds_of_tree(kind: str, n_levels: int) -> None:
    network = ChmrNetwork(NetworkShape.from_json({**SHAPE.to_json(), "tree": kind}))
    assert network.codes(torch.randn(2, 16)).quantised.shape == (2, n_levels, 16)


def test_names_of_methods_can_be_modalities() -> None:
    cells = (Modality("train", 2), Modality("keys", 2), Modality("a.b", 2), Modality("a_b", 2))
    network = ChmrNetwork(NetworkShape(fingerprint=4, cells=cells, hidden=8, layers=1))
    assert network.project("keys", torch.ones(1, 2)).shape == (1, 8)
