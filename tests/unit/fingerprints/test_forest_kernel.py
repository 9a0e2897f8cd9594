"""The compiled parts of the forest, each against a plain way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from chmr_bench_fingerprints import forest_kernel as kernel

N, D = 150, 100


@pytest.fixture(scope="module")
def dense() -> Any:
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.01, 0.9, D)
    return rng.random((N, D)) < shares


def packed(dense: Any) -> tuple[Any, Any, Any]:
    by_column = sparse.csc_array(dense)
    words = kernel.pack_bits(sparse.csr_array(dense))
    return words, by_column.indptr.astype(np.int32), by_column.indices.astype(np.int32)


def grow(dense: Any, y: Any, *, tried: int = 10, min_leaf: float = 1.0, trees: int = 5) -> Any:
    seeds = np.arange(1, trees + 1, dtype=np.uint64)
    return kernel.grow(y, *packed(dense), (tried, min_leaf), D, seeds)


def predict(dense: Any, trees: Any) -> Any:
    sums = np.zeros(len(dense))
    kernel.add_predictions(packed(dense)[0], *trees, sums)
    return sums


def test_bits_are_packed_lowest_first(dense: Any) -> None:
    words = packed(dense)[0]
    assert words.shape == (N, 2)
    for bit in (0, 1, 63, 64, 99):
        found = (words[:, bit // 64] >> np.uint64(bit % 64)) & np.uint64(1)
        np.testing.assert_array_equal(found.astype(bool), dense[:, bit])


def route(row: Any, feature: Any, link: Any, begin: int) -> int:
    """Follow one molecule through one tree by hand; return its leaf."""
    node = begin
    while feature[node] != kernel.LEAF:
        node = begin + int(link[node]) if row[feature[node]] else node + 1
    return node


def test_predictions_are_the_leaf_means_of_the_trees(dense: Any) -> None:
    y = np.random.default_rng(1).standard_normal(N)
    feature, link, begins = grow(dense, y)
    values = link.view(np.float32)
    expected = [
        sum(float(values[route(row, feature, link, begin)]) for begin in begins[:-1])
        for row in dense
    ]
    np.testing.assert_allclose(predict(dense, (feature, link, begins)), expected, rtol=1e-6)


def test_a_tree_is_grown_until_its_leaves_are_pure(dense: Any) -> None:
    """Every drawn molecule ends in a leaf of its own label, so leaves of classes are 0 or 1."""
    y = (np.random.default_rng(2).random(N) < 0.3).astype(float)
    feature, link, _ = grow(dense, y)
    leaves = link.view(np.float32)[feature == kernel.LEAF]
    assert set(np.unique(leaves)) == {0.0, 1.0}
    # the molecules drawn into a tree, 63 % of them, are all right in it
    assert (predict(dense, grow(dense, y, trees=1)) == y).mean() > 0.632


def test_the_first_split_is_the_best_one(dense: Any) -> None:
    """With every bit tried at the root, the bit that decides the label is found at once."""
    y = dense[:, 17].astype(float)
    feature, link, begins = grow(dense, y, tried=D, trees=3)
    assert [feature[begin] for begin in begins[:-1]] == [17, 17, 17]
    assert np.diff(begins).tolist() == [3, 3, 3]
    np.testing.assert_allclose(predict(dense, (feature, link, begins)), 3 * y)


def bag_of(y: Any) -> tuple[Any, Any, Any, Any]:
    """Return molecules in a shuffled order, each drawn once or twice."""
    rng = np.random.default_rng(6)
    rows = rng.permutation(N).astype(np.int32)
    weight = rng.integers(1, 3, N).astype(float)
    return rows, np.argsort(rows).astype(np.int32), weight, weight * y


@pytest.mark.parametrize("node", [(0, N), (20, 23), (100, 140)])
def test_the_set_side_is_counted_by_column_and_by_row_alike(
    dense: Any, node: tuple[int, int]
) -> None:
    """Rare bits are counted down their column, common ones along the node's molecules."""
    words, *columns = packed(dense)
    bag = bag_of(np.random.default_rng(7).standard_normal(N))
    inside = bag[0][node[0] : node[1]]
    for feature in range(D):
        found = kernel._set_side(feature, node, words, tuple(columns), bag)
        side = inside[dense[inside, feature]]
        expected = (len(side), bag[2][side].sum(), bag[3][side].sum())
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("node", [(0, N), (20, 23), (100, 140)])
def test_a_partition_moves_the_set_side_to_the_end(dense: Any, node: tuple[int, int]) -> None:
    words, *columns = packed(dense)
    rows, position, *rest = bag = bag_of(np.ones(N))
    start, end = node
    for feature in (0, 17, 50, 99):
        before = rows.copy()
        middle = kernel._partition(feature, node, words, tuple(columns), bag)
        assert not dense[rows[start:middle], feature].any()
        assert dense[rows[middle:end], feature].all()
        np.testing.assert_array_equal(np.sort(rows[start:end]), np.sort(before[start:end]))
        np.testing.assert_array_equal(
            np.delete(rows, range(*node)), np.delete(before, range(*node))
        )
        np.testing.assert_array_equal(rows[position], np.arange(N))
    assert len(rest) == 2


def test_bits_that_vary_in_a_node_are_found_at_once(dense: Any) -> None:
    words = packed(dense)[0]
    rows = np.random.default_rng(8).permutation(N).astype(np.int32)
    low, high = np.empty(2, np.uint64), np.empty(2, np.uint64)
    kernel._varying(words, rows, 10, 15, low, high)
    inside = dense[rows[10:15]]
    expected = inside.any(axis=0) & ~inside.all(axis=0)
    np.testing.assert_array_equal(high, packed(expected[None])[0][0])


def test_leaves_keep_the_smallest_weight(dense: Any) -> None:
    y = np.random.default_rng(4).standard_normal(N)
    n_nodes = [np.diff(grow(dense, y, min_leaf=m)[2]).mean() for m in (1.0, 5.0, 20.0, 80.0)]
    assert n_nodes == sorted(n_nodes, reverse=True)
    assert n_nodes[2] <= 2 * N / 20
    assert n_nodes[3] == 1


def test_molecules_without_any_difference_make_a_leaf() -> None:
    same = np.ones((20, D), dtype=bool)
    y = np.tile([0.0, 1.0], 10)
    feature, link, begins = kernel.grow(
        y, *packed(same), (10, 1.0), D, np.array([1, 2], dtype=np.uint64)
    )
    assert np.diff(begins).tolist() == [1, 1]
    assert (feature == kernel.LEAF).all()
    assert 0 < link.view(np.float32)[0] < 1


def test_trees_depend_on_their_own_seed_alone(dense: Any) -> None:
    y = np.random.default_rng(5).standard_normal(N)
    feature, _, begins = grow(dense, y, trees=3)
    seeds = np.array([2], dtype=np.uint64)
    alone = kernel.grow(y, *packed(dense), (10, 1.0), D, seeds)
    np.testing.assert_array_equal(alone[0], feature[begins[1] : begins[2]])
    assert not np.array_equal(feature[: begins[1]], feature[begins[1] : begins[2]])
