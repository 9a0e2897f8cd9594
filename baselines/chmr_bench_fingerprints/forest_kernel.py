"""Trees over bits, compiled: the inner loops of `fingerprint.forest`.

The trees are those of scikit-learn's random forest (bootstrap by counts, a random subset of the
features at each node, constant features skipped, grown until pure), but a fingerprint bit has two
values and is set in few molecules, and that is what makes them cheap:

- a split is judged by its set side alone, the clear side being the node's sums less that: the
  cost of a candidate is min(molecules in the node, molecules with the bit), not the node's size;
- in a small node, the bits that are neither set nor clear in all its molecules are found at once,
  by AND and OR of 64-bit words, so constant candidates cost one look each.

Gini impurity of a 0/1 label is twice its variance: one criterion, variance, serves both task types.
Everything here is pure numpy in, numpy out, and releases the interpreter lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

from chmr_bench.types import FloatArray, IntArray

Words = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int32]
Features = npt.NDArray[np.uint16]
Columns = tuple[Index, Index]
"""The bits by column: of (indptr, members), members[indptr[f]:indptr[f + 1]] have bit f."""
Bag = tuple[Index, Index, FloatArray, FloatArray]
"""Rows node by node, each row's place there, its weight, and its weight times its label."""

SMALL_NODE = 96
"""Molecules up to which a node's varying bits are found by AND and OR of its rows."""

LEAF = 65535
"""Stands in place of a feature in a leaf."""

_ONE = np.uint64(1)
_SIX = np.uint64(6)
_LOW_SIX = np.uint64(63)


def pack_bits(bits: sparse.csr_array) -> Words:
    """Return an (n, d) matrix of zeros and ones as (n, ceil(d / 64)) words, lowest bit first."""
    n, d = bits.shape
    words = np.zeros((n, -(-d // 64)), dtype=np.uint64)
    rows = np.repeat(np.arange(n), np.diff(bits.indptr))
    columns = bits.indices.astype(np.uint64)
    np.bitwise_or.at(
        words, (rows, (columns >> _SIX).astype(np.int64)), _ONE << (columns & _LOW_SIX)
    )
    return words


@njit(nogil=True, cache=True)
def _next(state: Words) -> Any:
    """Advance splitmix64 (Steele, Lea and Flood, 2014) and return 64 random bits."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, cache=True)
def _below(state: Words, bound: int) -> Any:
    """Return a random integer in [0, bound); the bias of 2^-32 * bound does not matter here."""
    return np.int64(((_next(state) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _varying(words: Words, rows: Index, start: int, end: int, low: Words, high: Words) -> None:
    """Leave in `high` the bits that are set in some and clear in other rows of a node."""
    low[:] = words[rows[start]]
    high[:] = low
    for row in rows[start + 1 : end]:
        for k in range(words.shape[1]):
            low[k] &= words[row, k]
            high[k] |= words[row, k]
    high &= ~low


@njit(nogil=True, cache=True)
def _set_side(
    feature: int, node: tuple[int, int], words: Words, columns: Columns, bag: Bag
) -> tuple[int, float, float]:
    """Return (molecules, weight, weighted label sum) of the node's molecules with the bit set."""
    start, end = node
    indptr, members = columns
    rows, position, weight, weighted = bag
    count, total, labels = 0, 0.0, 0.0
    if indptr[feature + 1] - indptr[feature] < end - start:
        for i in range(indptr[feature], indptr[feature + 1]):
            row = members[i]
            if start <= position[row] < end:
                count += 1
                total += weight[row]
                labels += weighted[row]
    else:
        word, shift = feature >> 6, np.uint64(feature & 63)
        for i in range(start, end):
            row = rows[i]
            if (words[row, word] >> shift) & _ONE:
                count += 1
                total += weight[row]
                labels += weighted[row]
    return count, total, labels


@njit(nogil=True, cache=True)
def _best_split(
    node: tuple[int, int, float, float],
    limits: tuple[int, float],
    order: Index,
    words: Words,
    columns: Columns,
    bag: Bag,
    scratch: tuple[Words, Words, Words],
) -> tuple[int, float, float]:
    """Return (feature, weight, label sum) of the best split's set side; feature -1 where none is.

    Features are drawn without replacement until `max_features` have been seen and at least one of
    them varies in this node, as scikit-learn does.
    """
    start, end, total, labels = node
    max_features, min_leaf = limits
    state, low, high = scratch
    small = end - start <= SMALL_NODE
    if small:
        _varying(words, bag[0], start, end, low, high)
    best, best_gain, best_weight, best_labels = -1, -np.inf, 0.0, 0.0
    varied, d = False, order.shape[0]
    for drawn in range(d):
        if drawn >= max_features and varied:
            break
        other = drawn + _below(state, d - drawn)
        feature = order[other]
        order[other], order[drawn] = order[drawn], feature
        if small and not (high[feature >> 6] >> np.uint64(feature & 63)) & _ONE:
            continue
        count, w, s = _set_side(feature, (start, end), words, columns, bag)
        if count in (0, end - start):
            continue
        varied = True
        if w < min_leaf or total - w < min_leaf:
            continue
        gain = s * s / w + (labels - s) * (labels - s) / (total - w)
        if gain > best_gain:
            best, best_gain, best_weight, best_labels = feature, gain, w, s
    return best, best_weight, best_labels


@njit(nogil=True, cache=True)
def _swap_to(place: int, row: int, bag: Bag) -> None:
    rows, position = bag[0], bag[1]
    here, other = position[row], rows[place]
    rows[place], rows[here] = row, other
    position[row], position[other] = place, here


@njit(nogil=True, cache=True)
def _partition(
    feature: int, node: tuple[int, int], words: Words, columns: Columns, bag: Bag
) -> int:
    """Move the node's molecules with the bit set to its end; return where they begin."""
    start, end = node
    indptr, members = columns
    rows, position = bag[0], bag[1]
    middle = end
    if indptr[feature + 1] - indptr[feature] < end - start:
        for i in range(indptr[feature], indptr[feature + 1]):
            row = members[i]
            if start <= position[row] < end:
                middle -= 1
                _swap_to(middle, row, bag)
        return middle
    word, shift = feature >> 6, np.uint64(feature & 63)
    i = start
    while i < middle:
        row = rows[i]
        if (words[row, word] >> shift) & _ONE:
            middle -= 1
            _swap_to(middle, row, bag)
        else:
            i += 1
    return middle


@njit(nogil=True, cache=True)
def _draw_bag(y: FloatArray, state: Words, bag: Bag) -> tuple[int, float]:
    """Draw n of n molecules with replacement; return (distinct molecules, label sum)."""
    rows, position, weight, weighted = bag
    n = y.shape[0]
    weight[:] = 0.0
    for _ in range(n):
        weight[_below(state, n)] += 1.0
    used, labels = 0, 0.0
    for row in range(n):
        position[row] = -1
        weighted[row] = weight[row] * y[row]
        if weight[row] > 0.0:
            rows[used] = row
            position[row] = used
            labels += weighted[row]
            used += 1
    return used, labels


@njit(nogil=True, cache=True)
def _is_pure(start: int, end: int, y: FloatArray, rows: Index) -> bool:
    """Say whether all labels of a node are the same; stops at the first that differs."""
    first = y[rows[start]]
    end_of_run = start + 1
    while end_of_run < end and y[rows[end_of_run]] == first:
        end_of_run += 1
    return bool(end_of_run == end)


@njit(nogil=True, cache=True)
def _grow_tree(
    y: FloatArray,
    words: Words,
    columns: Columns,
    limits: tuple[int, float],
    order: Index,
    bag: Bag,
    scratch: tuple[Words, Words, Words],
    out: tuple[Features, Index],
) -> int:
    """Grow one tree in preorder into `out`; return its number of nodes."""
    feature_of, link_of = out
    value_of = link_of.view(np.float32)
    used, label_sum = _draw_bag(y, scratch[0], bag)
    stack = [(0, used, float(y.shape[0]), label_sum, -1)]
    n_nodes = 0
    while stack:
        start, end, total, labels, parent = stack.pop()
        if parent >= 0:
            link_of[parent] = n_nodes
        feature, w, s = -1, 0.0, 0.0
        if end - start > 1 and total >= 2.0 * limits[1] and not _is_pure(start, end, y, bag[0]):
            feature, w, s = _best_split(
                (start, end, total, labels), limits, order, words, columns, bag, scratch
            )
        if feature < 0:
            feature_of[n_nodes] = LEAF
            value_of[n_nodes] = labels / total
        else:
            feature_of[n_nodes] = feature
            middle = _partition(feature, (start, end), words, columns, bag)
            stack.append((middle, end, w, s, n_nodes))
            stack.append((start, middle, total - w, labels - s, -1))
        n_nodes += 1
    return n_nodes


@njit(nogil=True, cache=True)
def grow(
    y: FloatArray,
    words: Words,
    indptr: Index,
    members: Index,
    limits: tuple[int, float],
    n_features: int,
    seeds: Words,
) -> tuple[Features, Index, IntArray]:
    """Grow one tree a seed on n molecules that all have a label.

    Parameters
    ----------
    y : FloatArray
        (n,) labels: 0 and 1, or values.
    words : Words
        (n, k) packed bits.
    indptr, members : Index
        The same bits by column, `Columns`.
    limits : tuple[int, float]
        (features tried at a node, smallest weight of a leaf).
    n_features : int
        Number of bits d; those from there on are padding.
    seeds : Words
        One a tree.

    Returns
    -------
    Features
        The trees end to end in preorder: the feature of each node, `LEAF` in a leaf.
    Index
        A node's link: the index within the tree of the child whose bit is set (the other child is
        the next node) or, in a leaf, the mean label as the four bytes of a float32.
    IntArray
        Where each tree begins, (trees + 1,).
    """
    n, n_trees = y.shape[0], seeds.shape[0]
    rows, position = np.empty(n, np.int32), np.empty(n, np.int32)
    bag = (rows, position, np.empty(n), np.empty(n))
    order = np.arange(n_features).astype(np.int32)
    state = np.empty(1, np.uint64)
    scratch = (state, np.empty(words.shape[1], np.uint64), np.empty(words.shape[1], np.uint64))
    room = 2 * n
    feature = np.empty(n_trees * room, np.uint16)
    link = np.empty(n_trees * room, np.int32)
    begins = np.zeros(n_trees + 1, np.int64)
    for tree in range(n_trees):
        state[0] = seeds[tree]
        order[:] = np.arange(n_features)
        at = begins[tree]
        out = (feature[at : at + room], link[at : at + room])
        begins[tree + 1] = at + _grow_tree(
            y, words, (indptr, members), limits, order, bag, scratch, out
        )
    end = begins[n_trees]
    return feature[:end].copy(), link[:end].copy(), begins


@njit(nogil=True, cache=True)
def add_predictions(
    words: Words, feature: Features, link: Index, begins: IntArray, sums: FloatArray
) -> None:
    """Add to `sums` (n,) each molecule's leaf value in every tree."""
    value = link.view(np.float32)
    for tree in range(begins.shape[0] - 1):
        at = begins[tree]
        for row in range(words.shape[0]):
            node = at
            bit = feature[node]
            while bit != LEAF:
                if (words[row, bit >> 6] >> np.uint64(bit & 63)) & _ONE:
                    node = at + link[node]
                else:
                    node += 1
                bit = feature[node]
            sums[row] += value[node]
