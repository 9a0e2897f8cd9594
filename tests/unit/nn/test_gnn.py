"""The graph encoder: what a molecule's vector depends on, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from chmr_bench.contracts.blocks import GraphBlock
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES, graph
from chmr_bench.nn.batch import graph_batch
from chmr_bench.nn.gnn import MAX_NORM, GinVirtualNode, combined, limited

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "CCO", "OCC", "CCN"]


@pytest.fixture(params=["compiled", "pyg"])
def network(request: pytest.FixtureRequest) -> GinVirtualNode:
    torch.manual_seed(0)
    network = GinVirtualNode(16, 3, 0.5, request.param)
    network.virtual.data.normal_()
    for conv in network.convs:
        conv.eps.data.normal_()  # type: ignore[operator, union-attr]
    with torch.no_grad():
        network.train()(graph_batch(graph(SMILES)))  # batch-norm statistics of its own
    return network.eval()


def test_one_vector_a_molecule_whatever_its_batch(network: GinVirtualNode) -> None:
    together = network(graph_batch(graph(SMILES)))
    alone = torch.cat([network(graph_batch(graph([s]))) for s in SMILES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert together.shape == (6, 16)


def test_the_order_of_atoms_does_not_matter_and_their_kind_does(network: GinVirtualNode) -> None:
    vectors = network(graph_batch(graph(SMILES)))
    torch.testing.assert_close(vectors[3], vectors[4], atol=1e-5, rtol=1e-5)
    assert (vectors[3] - vectors[5]).abs().max() > 1e-3


def test_bonds_and_distant_pieces_count(network: GinVirtualNode) -> None:
    single, double = network(graph_batch(graph(["CCC", "CC=C"])))
    assert (single - double).abs().max() > 1e-3
    # no bond joins the salt's ions, only the virtual node tells one of the other
    salt, sodium, chloride = network(graph_batch(graph(["[Na+].[Cl-]", "[Na+]", "[Cl-]"])))
    assert (salt - sodium - chloride).abs().max() > 1e-3


def test_every_parameter_learns(network: GinVirtualNode) -> None:
    network.train()
    network(graph_batch(graph(SMILES))).square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # a constant before a batch norm changes nothing
    biases = {f"{part}.bias" for part in ("mlp.0", "mlp.3", "0", "3")}
    assert [n for n in silent if not any(n.endswith(b) for b in biases)] == []


def test_dropout_is_for_training_only(network: GinVirtualNode) -> None:
    batch = graph_batch(graph(SMILES))
    assert torch.equal(network(batch), network(batch))
    network.train()
    assert not torch.equal(network(batch), network(batch))


def test_autocast_gives_about_the_same(network: GinVirtualNode) -> None:
    batch = graph_batch(graph(SMILES))
    exact = network(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(batch).float()
    assert (exact - rounded).abs().max() < 0.05 * exact.abs().max()
    assert not torch.equal(exact, rounded)


def test_embeddings_are_shortened_never_stretched() -> None:
    table = torch.tensor([[3.0, 4.0], [0.3, 0.4]], requires_grad=True)
    out = limited(table)
    torch.testing.assert_close(out, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    published = nn.Embedding.from_pretrained(table.detach().clone(), max_norm=MAX_NORM)
    torch.testing.assert_close(out, published(torch.arange(2)))
    out.sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == pytest.approx(np.array([[0.2, 0.2], [1, 1]]))


def test_a_bond_code_is_the_sum_of_its_features() -> None:
    table = torch.eye(13)
    assert combined(table)[2 * 12 + 3 * 2 + 1].nonzero().flatten().tolist() == [2, 5 + 3, 11 + 1]


def test_bond_codes_are_one_to_one() -> None:
    every = np.stack(np.meshgrid(*map(np.arange, BOND_SIZES), indexing="ij"), -1).reshape(-1, 3)
    codes = (torch.from_numpy(every) * GinVirtualNode(8, 1, 0.0).bond_strides).sum(1)
    assert codes.tolist() == list(range(len(every)))


def test_the_tensors_have_the_names_of_stored_weights() -> None:
    names = GinVirtualNode(8, 2, 0.0).state_dict()
    layer = {"bond_table", "eps", "mlp.0.weight", "mlp.1.num_batches_tracked"}
    assert {f"convs.1.{name}" for name in layer} <= set(names)
    assert {"atom_table", "virtual", "norms.0.weight", "virtual_mlps.0.4.bias"} <= set(names)
    assert not {"atom_starts", "bond_strides", "convs.0.nn"} & set(names)


def test_a_molecule_of_one_bare_atom_and_no_bond() -> None:
    torch.manual_seed(0)
    network = GinVirtualNode(8, 2, 0.0)
    blank = np.zeros((2, 0), dtype=np.int64)
    ends = np.array([0, 1, 2]), np.array([0, 0, 0])
    atoms = np.zeros((2, len(ATOM_SIZES)), dtype=np.int64)
    block = GraphBlock(atoms, blank.T.reshape(0, 3), blank, *ends, np.ones(2, dtype=bool))
    out = network(graph_batch(block))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert torch.equal(out[0], out[1])


@pytest.mark.gpu
def test_a_gpu_gives_the_same(network: GinVirtualNode) -> None:
    batch = graph_batch(graph(SMILES))
    here = network(batch)
    there = network.cuda()(graph_batch(graph(SMILES), "cuda")).cpu()
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)
