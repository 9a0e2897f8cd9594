"""The objective: its terms are those of the losses, and gradients go where they should alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from chmr_bench.features.graphs import graph
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.losses import Bounds, info_nce, reconstruction, vicreg
from chmr_bench.nn.walk_targets import WalkTargets
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.network import ChmrNetwork
from chmr_bench_chmr.objective import StepInputs, objective
from chmr_bench_chmr.shape import Modality, NetworkShape
from chmr_bench_chmr.tree_vq import code_to_sample_loss, tree_loss

SMILES = ["CCO", "c1ccccc1", "CN", "CC(=O)O", "C1CC1", "CCCl", "OCCO", "C#N"]
B = len(SMILES)
NAN = float("nan")
SEEN = {
    "morphology": torch.tensor([1, 1, 0, 1, 1, 0, 1, 1]).bool(),
    "activity": torch.tensor([0, 1, 1, 0, 0, 1, 0, 1]).bool(),
    "geometry": torch.tensor([1, 1, 1, 1, 1, 1, 1, 0]).bool(),
}


def config(**settings: Any) -> PretrainConfig:
    return PretrainConfig.model_validate(settings)


def make_network(tree: str = "tree") -> ChmrNetwork:
    torch.manual_seed(0)
    cells = (Modality("morphology", 5), Modality("activity", 3, binary=True))
    shape = NetworkShape(12, 4, cells, hidden=16, layers=2, dropout=0.0, decoder_hidden=24, depth=3)
    return ChmrNetwork(NetworkShape.from_json({**shape.to_json(), "tree": tree}))


@pytest.fixture
def network() -> ChmrNetwork:
    return make_network()


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


BITS = (random(B, 12, seed=1) > 0).float()
CELLS = {"morphology": random(B, 5, seed=2), "activity": (random(B, 3, seed=3) > 0).float()}
SECOND = {"morphology": random(B, 5, seed=4), "activity": random(B, 3, seed=5).sigmoid()}


def encode(network: ChmrNetwork) -> dict[str, Tensor]:
    graphs = graph_batch(graph(SMILES))
    return network.encode(BITS, graphs, random(B, 4, seed=6), SEEN["geometry"])


def walks() -> dict[str, WalkTargets]:
    molecule = torch.tensor([0, 0, 3, 5, 6, 6])
    weight = torch.tensor([1.0, 0.5, 1.0, 0.25, 1.0, 0.0])
    return {
        "molecule": WalkTargets(molecule, BITS[[0, 2, 3, 1, 6, 4]], weight),
        "morphology": WalkTargets(molecule, random(6, 5, seed=7), weight),
        "activity": WalkTargets(molecule[:2], CELLS["activity"][:2], weight[:2]),
    }


def step(network: ChmrNetwork, **changes: Any) -> StepInputs:
    cells = {n: torch.where(SEEN[n][:, None], x, NAN) for n, x in CELLS.items()}
    inputs = StepInputs(encode(network), SEEN, cells, SECOND, walks())
    return replace(inputs, **changes)


# ------------------------------------------------------------------------------------------- values


def test_every_term_is_its_loss_over_the_observed_rows(network: ChmrNetwork) -> None:
    network.eval()
    inputs = step(network)
    settings = config(sca_weight=10, tree_weight=0.3, commitment=0.5, temperature=0.1)
    terms = objective(network, settings, inputs)
    anchor = network.anchor(inputs.latents, SEEN)
    expected: dict[str, Tensor] = {}
    tree = []
    for name in CELLS:
        rows = SEEN[name]
        p = network.project(name, CELLS[name][rows])
        second = network.project(name, SECOND[name][rows])
        expected[f"instance_alignment.{name}"] = info_nce(anchor[rows], p, 0.1)
        expected[f"distribution_alignment.{name}"] = vicreg(p, second)
        binary = name == "activity"
        expected[f"own.{name}"] = reconstruction(
            network.decode(name, p), CELLS[name][rows], torch.ones(len(p)), binary=binary
        )
        tree.append(tree_loss(p, network.codes(p), 0.5))
    for name, p in inputs.latents.items():
        p = p[SEEN["geometry"]] if name == "geometry" else p
        tree.append(tree_loss(p, network.codes(p), 0.5))
    for kind, walk in walks().items():
        given = network.decode(kind, anchor[walk.molecule])
        expected[f"reconstruction.{kind}"] = reconstruction(
            given, walk.target, walk.weight, binary=kind != "morphology"
        )
    sca = sum(v for k, v in expected.items() if "alignment" in k)
    cpr = sum(v for k, v in expected.items() if "alignment" not in k)
    expected["tree"] = torch.stack(tree).mean()
    expected["total"] = cpr + 10 * sca + 0.3 * expected["tree"]
    assert set(terms) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, msg=lambda m, name=name: f"{name}: {m}")


def test_what_is_not_observed_does_not_matter(network: ChmrNetwork) -> None:
    """Another value in a row that is not observed changes neither a term nor a gradient."""
    found = []
    for hole in (NAN, 0.0, 1e3):
        cells = {n: torch.where(SEEN[n][:, None], x, hole) for n, x in CELLS.items()}
        network.zero_grad()
        terms = objective(network.eval(), config(), step(network, cells=cells))
        terms["total"].backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        found.append((terms["total"].item(), torch.cat([g.flatten() for g in grads])))
    for total, grad in found[1:]:
        assert total == found[0][0]
        assert torch.equal(grad, found[0][1])
    assert torch.isfinite(found[0][1]).all()


def test_a_second_view_that_is_missing_is_left_out(network: ChmrNetwork) -> None:
    second = {n: x.clone() for n, x in SECOND.items()}
    second["morphology"][[0, 3]] = NAN
    terms = objective(network.eval(), config(), step(network, augmented=second))
    rows = [1, 4, 6, 7]
    first, view = (network.project("morphology", x["morphology"][rows]) for x in (CELLS, SECOND))
    torch.testing.assert_close(terms["distribution_alignment.morphology"], vicreg(first, view))


@pytest.mark.parametrize("as_published", [False, True])
def test_a_batch_without_any_read_out(network: ChmrNetwork, as_published: bool) -> None:
    nobody = {**SEEN, **{n: torch.zeros(B).bool() for n in CELLS}}
    empty = {"morphology": WalkTargets(torch.zeros(0).long(), torch.zeros(0, 5), torch.zeros(0))}
    inputs = step(network, observed=nobody, walks=empty)
    terms = objective(network, config(as_published=as_published), inputs)
    assert all(torch.isfinite(v) for v in terms.values())
    terms["total"].backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in grads)
    if not as_published:
        assert terms["instance_alignment.activity"] == 0


# ---------------------------------------------------------------------------------------- gradients

ENCODERS = {"graph_encoder", "projectors._fingerprint", "projectors._graph", "projectors._geometry"}
CASES = {
    "instance_alignment.morphology": ENCODERS | {"projectors._morphology"},
    "distribution_alignment.activity": {"projectors._activity"},
    "reconstruction.molecule": ENCODERS | {"decoders._molecule"},
    "reconstruction.morphology": ENCODERS | {"decoders._morphology"},
    "own.activity": {"projectors._activity", "decoders._activity"},
    "tree": ENCODERS | {"projectors._morphology", "projectors._activity", "tree"},
}
PUBLISHED = {
    "reconstruction.morphology": {"projectors._morphology", "decoders._morphology"},
    "reconstruction.molecule": ENCODERS | {"decoders._molecule"},
}


def touched(network: ChmrNetwork) -> set[str]:
    """Return the parts of the network that have a gradient other than 0."""
    found = set()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and parameter.grad.any():
            part, inner, *_ = name.split(".")
            found.add(part if part in {"graph_encoder", "tree"} else f"{part}.{inner}")
    return found


@pytest.mark.parametrize(("term", "parts"), CASES.items())
def test_a_term_reaches_its_parts_and_no_other(
    network: ChmrNetwork, term: str, parts: set[str]
) -> None:
    objective(network, config(), step(network))[term].backward()
    assert touched(network) == parts


@pytest.mark.parametrize(("term", "parts"), PUBLISHED.items())
def test_the_published_decoders_read_their_own_input(
    network: ChmrNetwork, term: str, parts: set[str]
) -> None:
    """There the graph encoder learns no biology from reconstruction: the departure we mend."""
    objective(network, config(as_published=True), step(network))[term].backward()
    assert touched(network) == parts


def test_the_total_reaches_everything(network: ChmrNetwork) -> None:
    objective(network, config(), step(network))["total"].backward()
    every = {f"projectors._{n}" for n in ("fingerprint", "graph", "geometry", *CELLS)}
    every |= {f"decoders._{n}" for n in ("molecule", *CELLS)} | {"graph_encoder", "tree"}
    assert touched(network) == every


# ----------------------------------------------------------------------------------------- switches


def kinds(terms: Mapping[str, Any] | Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in terms} - {"total"}


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"instance_alignment": False}, {"instance_alignment"}),
        ({"distribution_alignment": False}, {"distribution_alignment"}),
        ({"reconstruction": False}, {"reconstruction", "own"}),
    ],
)
def test_a_switch_removes_its_terms(
    network: ChmrNetwork, settings: dict[str, bool], gone: set[str]
) -> None:
    network.eval()
    every = objective(network, config(), step(network))
    without = objective(network, config(sca_weight=1, **settings), step(network))
    assert kinds(every) - kinds(without) == gone
    left = sum(v for k, v in without.items() if k not in {"total", "tree"})
    torch.testing.assert_close(without["total"], left + 0.1 * without["tree"])


def test_a_network_without_a_tree_or_cells() -> None:
    network = make_network("none")
    terms = objective(network, config(), step(network))
    assert "tree" not in terms
    alone = StepInputs(encode(network), {}, walks={"molecule": walks()["molecule"]})
    terms = objective(network, config(), alone)
    assert set(terms) == {"reconstruction.molecule", "total"}
    nothing = objective(network, config(), StepInputs(encode(network), {}))
    assert nothing["total"] == 0


def test_as_published_a_missing_row_is_the_mean_and_counts(network: ChmrNetwork) -> None:
    network.eval()
    inputs = step(network)
    terms = objective(network, config(as_published=True), inputs)
    filled = network.project("morphology", CELLS["morphology"] * SEEN["morphology"][:, None])
    anchor = network.anchor(inputs.latents, SEEN)
    torch.testing.assert_close(
        terms["instance_alignment.morphology"], info_nce(anchor, filled, 0.2)
    )
    assert "own" not in kinds(terms)
    assert network.tree is not None
    codes = network.codes(filled)
    extra = code_to_sample_loss(network.tree, filled, codes)
    assert terms["tree"] > objective(network, config(), inputs)["tree"]
    assert extra > 0


# ----------------------------------------------------------------------------------------- learning


@pytest.mark.slow
def test_eight_molecules_are_learnt_by_heart(network: ChmrNetwork) -> None:
    """From structure alone the decoders give back each molecule's own read-outs."""
    everyone = {n: torch.ones(B).bool() for n in (*CELLS, "geometry")}
    own = {
        kind: WalkTargets(torch.arange(B), x, torch.ones(B))
        for kind, x in {"molecule": BITS, **CELLS}.items()
    }
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    terms: dict[str, Tensor] = {}
    for _ in range(150):
        inputs = StepInputs(encode(network), everyone, CELLS, {}, own)
        terms = objective(network, config(), inputs)
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
    assert all(terms[f"reconstruction.{kind}"] < 0.05 for kind in own)
    assert terms["instance_alignment.morphology"] < 0.5 < torch.tensor(B).log()


def test_what_lies_beyond_where_numbers_are_censored_is_not_reconstructed(
    network: ChmrNetwork,
) -> None:
    far = torch.full((B, 5), 50.0)
    cells = {"morphology": far, "activity": CELLS["activity"]}
    bounds = {"morphology": Bounds(torch.full((5,), 50.0), torch.tensor(True))}
    terms = objective(network, config(), step(network, cells=cells, bounds=bounds))
    assert terms["own.morphology"] == 0  # all that the network says lies below
    assert objective(network, config(), step(network, cells=cells))["own.morphology"] > 100
