"""Walks on small graphs whose chances are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from chmr_bench.cells.graph import ContextGraph
from chmr_bench.cells.walks import walk
from chmr_bench.errors import DataError, SettingError

WEIGHTS = {(0, 1): 0.75, (0, 2): 0.25, (1, 2): 0.5, (1, 3): 0.9}
N, ALONE = 6, 4


def graph(weights: dict[tuple[int, int], float] = WEIGHTS, n: int = N) -> ContextGraph:
    dense = np.zeros((n, n), dtype=np.float32)
    for (i, j), weight in weights.items():
        dense[i, j] = dense[j, i] = weight
    matrix = sparse.csr_array(dense)
    return ContextGraph(
        kinds=("molecule",),
        offsets=np.array([0, n]),
        row=np.arange(n, dtype=np.int32),
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int32),
        weights=matrix.data,
    )


def test_every_step_takes_an_edge_and_weighs_it() -> None:
    walks = walk(graph(), np.arange(4).repeat(50), 5, np.random.default_rng(0))
    assert walks.nodes.shape == walks.weight.shape == (200, 6)
    assert (walks.nodes.dtype, walks.weight.dtype) == (np.int64, np.float32)
    both = WEIGHTS | {(j, i): weight for (i, j), weight in WEIGHTS.items()}
    for nodes, weight in zip(walks.nodes.tolist(), walks.weight, strict=True):
        edges = [both[pair] for pair in itertools.pairwise(nodes)]
        np.testing.assert_allclose(weight, np.cumprod([1, *edges]), rtol=1e-5)


def test_neighbours_are_drawn_in_proportion_to_their_weights() -> None:
    n = 40_000
    walks = walk(graph(), np.full(n, 1), 2, np.random.default_rng(0))
    shares = np.bincount(walks.nodes[:, 1], minlength=N) / n
    total = 0.75 + 0.5 + 0.9
    np.testing.assert_allclose(
        shares[[0, 2, 3]], [0.75 / total, 0.5 / total, 0.9 / total], atol=0.01
    )
    after_0 = walks.nodes[walks.nodes[:, 1] == 0, 2]
    assert np.mean(after_0 == 1) == pytest.approx(0.75, abs=0.01)


def test_a_dead_end_stays_with_no_weight() -> None:
    walks = walk(graph(), np.array([ALONE, N - 1, 0]), 3, np.random.default_rng(0))
    assert walks.nodes[:2].tolist() == [[ALONE] * 4, [N - 1] * 4]
    assert walks.weight[:2].tolist() == [[1, 0, 0, 0]] * 2
    assert (walks.weight[2] > 0).all()


def test_a_graph_without_edges() -> None:
    walks = walk(graph({}), np.array([0, 2]), 2, np.random.default_rng(0))
    assert walks.nodes.tolist() == [[0, 0, 0], [2, 2, 2]]
    assert walks.weight.tolist() == [[1, 0, 0]] * 2


def test_a_seed_gives_the_same_walks_and_another_seed_others() -> None:
    starts = np.zeros(100, dtype=np.int64)
    one, two, other = (walk(graph(), starts, 4, np.random.default_rng(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.nodes, two.nodes)
    assert (one.nodes != other.nodes).any()


class Highest(np.random.Generator):
    """Draws the largest number below 1, where rounding could lead past a node's last edge."""

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, np.nextafter(1, 0))


def test_the_largest_draw_stays_with_the_node() -> None:
    weights = {(i, j): 0.1 + 0.01 * j for i in range(40) for j in range(i + 1, 40)}
    walks = walk(graph(weights, 40), np.arange(40), 1, Highest(np.random.PCG64(0)))
    assert walks.nodes[:, 1].tolist() == [39] * 39 + [38]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(SettingError, match="length of a walk is -1"):
        walk(graph(), np.array([0]), -1, np.random.default_rng(0))
    with pytest.raises(DataError, match="between 0 and 6; the graph has the nodes 0 to 5"):
        walk(graph(), np.array([0, 6]), 1, np.random.default_rng(0))
