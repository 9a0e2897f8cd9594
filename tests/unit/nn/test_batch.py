"""Graphs of a batch: atoms, bonds and molecules keep their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from chmr_bench import DataError
from chmr_bench.features.graphs import ATOM_SIZES, BOND_SIZES, graph
from chmr_bench.nn.batch import ATOM_STARTS, N_BOND_CODES, bond_codes, graph_batch

SMILES = ["CCO", "C", "c1ccccc1", "[Na+].[Cl-]", "C=CC#N"]


def test_a_bond_joins_the_atoms_of_its_molecule() -> None:
    block = graph(SMILES)
    batch = graph_batch(block)
    assert len(batch) == 5
    assert batch.starts.tolist() == [0, 3, 4, 10, 12, 16]
    assert torch.equal(batch.molecule[batch.source], batch.molecule[batch.target])
    carbonyl = (batch.source == 12).nonzero().flatten()  # the first atom of C=CC#N
    assert batch.target[carbonyl].tolist() == [13]
    assert batch.bonds[carbonyl].tolist() == bond_codes(np.array([[1, 0, 1]])).tolist()


def test_bonds_are_listed_by_target_and_by_source() -> None:
    batch = graph_batch(graph(SMILES))
    for order, starts, ends in (
        (batch.incoming, batch.incoming_starts, batch.target),
        (batch.outgoing, batch.outgoing_starts, batch.source),
    ):
        assert sorted(order.tolist()) == list(range(len(ends)))
        for atom in range(len(batch.atoms)):
            mine = order[starts[atom] : starts[atom + 1]]
            assert mine.tolist() == (ends == atom).nonzero().flatten().tolist()


def test_rows_of_the_table_are_one_to_one() -> None:
    every = np.stack(np.meshgrid(*map(np.arange, BOND_SIZES), indexing="ij"), -1).reshape(-1, 3)
    assert bond_codes(every).tolist() == list(range(N_BOND_CODES))
    atoms = graph_batch(graph(["C"])).atoms[0].tolist()
    assert atoms == (graph(["C"]).atoms[0] + ATOM_STARTS).tolist()
    assert ATOM_STARTS[-1] + ATOM_SIZES[-1] == sum(ATOM_SIZES)


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
