"""The context graph of a small atlas, edge by edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chmr_bench import MatrixBlock
from chmr_bench.cells.atlas import Atlas, Genes
from chmr_bench.cells.graph import ContextGraph, GraphSettings, build
from chmr_bench.cells.similarity import SparsityRule
from chmr_bench.cells.walks import walk
from chmr_bench.contracts import HeldRows
from chmr_bench.errors import DataError
from chmr_bench.features.tanimoto import nearest

N = 40
RULE = SparsityRule(sparsity=0.9)
SETTINGS = GraphSettings(neighbours=3, scaffold=RULE, cosine=RULE, top_expression=0.05)
RINGS = ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CC1")


def block(seed: int, share: float, d: int, names: tuple[str, ...] = ()) -> MatrixBlock:
    rng = np.random.default_rng(seed)
    observed = rng.random(N) < share
    values = rng.normal(size=(2, d))[np.arange(N) % 2] * 6 + rng.normal(size=(N, d))
    values[~observed] = np.nan
    return MatrixBlock(values.astype(np.float32), observed, names)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    names = tuple(f"g{i}" for i in range(20))
    genes = Genes(
        names=("tp53", "egfr", "myc"),
        edges=np.array([[0, 1], [1, 2]]),
        weights=np.array([1.0, 0.5], dtype=np.float32),
        columns={"g3": 2, "g7": 0},
    )
    blocks = {
        "morphology": block(1, 0.7, 24),
        "expression": block(2, 0.3, 20, names),
        "activity": block(3, 0.9, 3),
    }
    smiles = tuple("C" * i + RINGS[i % 4] for i in range(N))
    return Atlas("made up", smiles, tuple(f"K{i}" for i in range(N)), blocks, genes=genes)


@pytest.fixture(scope="module")
def bits() -> Any:
    rng = np.random.default_rng(0)
    cores = rng.random((4, 100)) < 0.3
    return cores[np.arange(N) % 4] ^ (rng.random((N, 100)) < 0.05)


@pytest.fixture(scope="module")
def graph(atlas: Atlas, bits: Any) -> ContextGraph:
    return build(atlas, bits, SETTINGS, n_jobs=1)


def nodes_of(graph: ContextGraph, kind: str) -> slice:
    at = graph.kinds.index(kind)
    return slice(*graph.offsets[at : at + 2])


def dense(graph: ContextGraph) -> Any:
    out = np.zeros((graph.n_nodes, graph.n_nodes), dtype=np.float32)
    source = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    assert len(np.unique(source * graph.n_nodes + graph.indices)) == len(source)
    out[source, graph.indices] = graph.weights
    return out


def test_every_observed_profile_is_a_node(graph: ContextGraph, atlas: Atlas) -> None:
    assert graph.kinds == ("molecule", "morphology", "expression", "activity", "gene")
    for name, one in atlas.blocks.items():
        assert graph.row[nodes_of(graph, name)].tolist() == np.flatnonzero(one.observed).tolist()
    assert graph.row[:N].tolist() == list(range(N))
    assert graph.row[nodes_of(graph, "gene")].tolist() == [0, 1, 2]
    kinds = graph.kind
    assert all((kinds[nodes_of(graph, kind)] == i).all() for i, kind in enumerate(graph.kinds))
    assert graph.n_nodes == N + sum(int(b.observed.sum()) for b in atlas.blocks.values()) + 3


def test_edges_go_both_ways_with_weights_above_0(graph: ContextGraph) -> None:
    matrix = dense(graph)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 0).all()
    assert (graph.weights > 0).all()
    assert graph.weights.max() <= 1
    assert graph.n_edges == np.count_nonzero(matrix) // 2


def test_a_molecule_is_linked_with_its_own_profiles_alone(graph: ContextGraph) -> None:
    matrix = dense(graph)
    for name in ("morphology", "expression", "activity"):
        nodes = nodes_of(graph, name)
        expected = np.zeros((N, nodes.stop - nodes.start))
        expected[graph.row[nodes], np.arange(expected.shape[1])] = 1
        np.testing.assert_array_equal(matrix[:N, nodes], expected)


def test_molecules_are_linked_with_neighbours_and_within_scaffolds(
    graph: ContextGraph, bits: Any
) -> None:
    expected = np.zeros((N, N), dtype=np.float32)
    found = nearest(bits, 3)
    expected[np.arange(N)[:, None], found.rows] = found.similarity
    for i in range(N):
        for j in range(N):
            value = (bits[i] & bits[j]).sum() / (bits[i] | bits[j]).sum()
            if i != j and i % 4 == j % 4 and value >= graph.report["scaffold_threshold"]:
                expected[i, j] = value
    expected = np.maximum(expected, expected.T)
    np.testing.assert_allclose(dense(graph)[:N, :N], expected, rtol=1e-6)


def test_profiles_are_linked_by_cosine_but_for_those_of_few_columns(graph: ContextGraph) -> None:
    matrix = dense(graph)
    nodes = nodes_of(graph, "morphology")
    weights = matrix[nodes, nodes]
    assert 0 < np.count_nonzero(weights) // 2 == graph.report["morphology_cosine_links"]
    assert weights[weights > 0].min() >= np.float32(graph.report["morphology_threshold"])
    assert not matrix[nodes_of(graph, "activity"), nodes_of(graph, "activity")].any()
    assert not matrix[nodes, nodes_of(graph, "expression")].any()


def test_genes_are_linked_with_genes_and_with_what_moves_them(
    graph: ContextGraph, atlas: Atlas
) -> None:
    matrix = dense(graph)
    genes = nodes_of(graph, "gene")
    assert matrix[genes, genes].tolist() == [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]
    one = atlas.blocks["expression"]
    size = np.abs(np.asarray(one.values)[:, [3, 7]])
    least = np.quantile(size[one.observed], 0.95)
    expected = np.zeros((N, 3))
    expected[:, [2, 0]] = np.nan_to_num(size) >= least
    np.testing.assert_array_equal(matrix[:N, genes], expected)
    assert expected.any()


def test_of_what_is_measured_in_part_the_largest_move_a_gene(atlas: Atlas, bits: Any) -> None:
    full = atlas.blocks["expression"]
    seen = full.observed[:, None] & (np.random.default_rng(0).random((N, 20)) < 0.5)
    part = MatrixBlock(np.asarray(full.values), seen, full.names)
    found = build(replace(atlas, blocks={"expression": part}), bits, SETTINGS)
    size = np.where(seen, np.abs(np.asarray(full.values)), 0)[:, [3, 7]]
    least = np.quantile(size[seen[:, [3, 7]]], 0.95)
    linked = dense(found)[:N, nodes_of(found, "gene")]
    np.testing.assert_array_equal(linked[:, [2, 0]], size >= least)


def test_genes_of_which_nothing_is_measured_are_linked_with_genes_alone(
    atlas: Atlas, bits: Any
) -> None:
    full = atlas.blocks["expression"]
    seen = np.zeros((N, 20), dtype=bool)
    seen[:, 0] = True  # of another gene
    part = MatrixBlock(np.zeros((N, 20), dtype=np.float32), seen, full.names)
    found = build(replace(atlas, blocks={"expression": part}), bits, SETTINGS)
    assert not dense(found)[:N, nodes_of(found, "gene")].any()


def test_without_genes_and_profiles_molecules_remain(atlas: Atlas, bits: Any) -> None:
    plain = replace(atlas, genes=None, blocks={})
    alone = replace(SETTINGS, neighbours=0, scaffold=SparsityRule(lowest=0.99))
    found = build(plain, bits, alone)
    assert (found.kinds, found.n_nodes, found.n_edges) == (("molecule",), N, 0)
    assert (walk(found, np.arange(N), 2, np.random.default_rng(0)).weight[:, 1:] == 0).all()


def test_neighbours_at_hand_are_used_and_cores_change_nothing(
    graph: ContextGraph, atlas: Atlas, bits: Any
) -> None:
    more = nearest(bits, 8)
    again = build(atlas, bits, SETTINGS, neighbours=more, n_jobs=3)
    for name in ("indptr", "indices", "weights", "row"):
        np.testing.assert_array_equal(getattr(graph, name), getattr(again, name))
    assert graph.report == again.report


def test_what_does_not_fit_is_named(atlas: Atlas, bits: Any) -> None:
    with pytest.raises(DataError, match="bits of 5 molecules for an atlas of 40"):
        build(atlas, bits[:5], SETTINGS)
    with pytest.raises(DataError, match="neighbours of 5 molecules"):
        build(atlas, bits, SETTINGS, neighbours=nearest(bits[:5], 3))


def test_rows_that_are_held_give_the_same_graph(
    atlas: Atlas, bits: Any, graph: ContextGraph
) -> None:
    blocks = {}
    for name, one in atlas.blocks.items():
        rows = np.flatnonzero(one.observed)
        blocks[name] = replace(one, values=HeldRows(rows, one.take(rows).dense(), N))
    held = build(replace(atlas, blocks=blocks), bits, SETTINGS, n_jobs=1)
    for name in ("indptr", "indices", "weights", "row"):
        np.testing.assert_array_equal(getattr(held, name), getattr(graph, name))
