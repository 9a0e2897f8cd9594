"""Graphs of a batch: atoms, bonds and molecules keep their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn.models import AttentiveFP

from chmr_bench import DataError
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES, graph
from chmr_bench.nn.batch import graph_batch

SMILES = ["CCO", "C", "c1ccccc1", "[Na+].[Cl-]", "C=CC#N"]


def test_a_bond_joins_the_atoms_of_its_molecule() -> None:
    batch = graph_batch(graph(SMILES))
    assert len(batch) == batch.num_graphs == 5
    assert batch.ptr.tolist() == [0, 3, 4, 10, 12, 16]
    source, target = batch.edge_index
    assert torch.equal(batch.batch[source], batch.batch[target])
    carbonyl = (source == 12).nonzero().flatten()  # the first atom of C=CC#N
    assert target[carbonyl].tolist() == [13]
    assert batch.edge_attr[carbonyl].tolist() == [[1, 0, 1]]


def test_the_batch_is_what_pyg_makes_of_single_molecules() -> None:
    """It comes apart into molecules, and their own loader makes the same batch of them."""
    batch = graph_batch(graph(SMILES))
    molecules = batch.to_data_list()
    assert [type(m) for m in molecules] == [Data] * 5
    assert torch.equal(batch[2].x, graph_batch(graph(["c1ccccc1"])).x)
    (theirs,) = DataLoader(molecules, batch_size=5)
    for name in ("x", "edge_index", "edge_attr", "batch", "ptr"):
        assert torch.equal(batch[name], theirs[name]), name


def test_rows_are_taken_in_their_order() -> None:
    block = graph(SMILES)
    taken = graph_batch(block, np.array([2, 0]))
    direct = graph_batch(graph([SMILES[2], SMILES[0]]))
    assert all(torch.equal(taken[name], direct[name]) for name in ("x", "edge_index", "edge_attr"))
    empty = graph_batch(block, np.array([], dtype=np.int64))
    assert (empty.num_graphs, empty.num_nodes, empty.num_edges) == (0, 0, 0)


def test_one_hot_feeds_a_network_of_pyg() -> None:
    """AttentiveFP learns to tell alcohols from amines, whatever stands beside them in the batch."""
    torch.manual_seed(0)
    smiles = [f"{'C' * i}{end}" for i in range(1, 9) for end in "ON"]
    batch = graph_batch(graph(smiles), one_hot=True)
    assert batch.x.shape[1] == sum(ATOM_SIZES)
    assert batch.edge_attr.shape[1] == sum(BOND_SIZES)
    assert (batch.x.sum(1) == len(ATOM_SIZES)).all()
    model = AttentiveFP(batch.x.shape[1], 16, 1, batch.edge_attr.shape[1], 2, 2)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    y = torch.tensor([float(s.endswith("O")) for s in smiles])[:, None]
    for _ in range(40):
        raw = model(batch.x, batch.edge_index, batch.edge_attr, batch.batch)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(raw, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    alone = [graph_batch(graph([s]), one_hot=True) for s in ("CCCCCCCCCO", "CCCCCCCCCN")]
    alcohol, amine = (model(m.x, m.edge_index, m.edge_attr, m.batch).item() for m in alone)
    assert alcohol > 0 > amine


@pytest.mark.parametrize(
    ("field", "values"), [("atoms", ATOM_SIZES), ("atoms", (-1,) * 9), ("bonds", BOND_SIZES)]
)
def test_features_outside_the_vocabulary_are_refused(field: str, values: tuple[int, ...]) -> None:
    block = graph(["CCO"])
    wrong = getattr(block, field).copy()
    wrong[1] = values
    with pytest.raises(DataError, match="outside OGB's vocabularies"):
        graph_batch(replace(block, **{field: wrong}))


def test_features_of_another_width_are_refused() -> None:
    block = graph(["CCO"])
    with pytest.raises(DataError, match=r"shape \(3, 8\)"):
        graph_batch(replace(block, atoms=block.atoms[:, :8]))
