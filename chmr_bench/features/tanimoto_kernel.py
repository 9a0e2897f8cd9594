"""The compiled loops over pairs of bit vectors; they release the interpreter lock."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

from chmr_bench.types import FloatArray, IntArray

GROUP = 32
"""Queries that are compared with a block of candidates while it lies in the fastest cache."""


@intrinsic
def _lower_popcount(_: Any, word: Any) -> Any:
    """Return the number of set bits of one 64-bit word, as the processor counts them."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), lower


_popcount: Any = _lower_popcount


@njit(nogil=True, cache=True)
def insert(rows: IntArray, similarity: FloatArray, row: int, value: float) -> None:
    """Put a row in its place among the best so far, if it has one.

    `rows` and `similarity` (k,) go from the nearest on, ties by the lower row; an empty place has
    row -1 and the smallest similarity that counts.
    """
    place = len(rows)
    while place > 0 and (
        value > similarity[place - 1]
        or (value == similarity[place - 1] and (rows[place - 1] < 0 or row < rows[place - 1]))
    ):
        place -= 1
    if place < len(rows):
        for i in range(len(rows) - 1, place, -1):
            rows[i] = rows[i - 1]
            similarity[i] = similarity[i - 1]
        rows[place] = row
        similarity[place] = value


@njit(nogil=True, cache=True)
def compare(
    query: npt.NDArray[np.uint64],
    query_count: int,
    block: npt.NDArray[np.uint64],
    counts: IntArray,
    shared: IntArray,
    similarity: FloatArray,
) -> None:
    """Fill the Tanimoto similarity of one bit vector to c others; 0 where both are empty.

    Parameters
    ----------
    query : ndarray
        (w,) words.
    query_count : int
        Its set bits.
    block : ndarray
        (w, c) the words of the others, one column each.
    counts : ndarray
        (c,) their set bits.
    shared : ndarray
        (c,) scratch.
    similarity : ndarray
        (c,) filled.
    """
    shared[:] = 0
    for word in range(block.shape[0]):
        bits = query[word]
        if bits != 0:
            for i in range(block.shape[1]):
                shared[i] += _popcount(bits & block[word, i])
    for i in range(block.shape[1]):
        similarity[i] = shared[i] / max(query_count + counts[i] - shared[i], 1)


@njit(nogil=True, cache=True)
def bound(count: int, low: int, high: int) -> float:
    """Return the largest Tanimoto similarity to anything of `low` to `high` bits."""
    if count < low:
        return count / low
    if count > high:
        return high / count
    return 1.0


@njit(nogil=True, cache=True)
def search(
    queries: npt.NDArray[np.uint64],
    query_counts: IntArray,
    own: IntArray,
    blocks: npt.NDArray[np.uint64],
    block_counts: IntArray,
    block_rows: IntArray,
    low: IntArray,
    high: IntArray,
    rows: IntArray,
    similarity: FloatArray,
) -> None:
    """Find the nearest rows of each query.

    Candidates lie in blocks of rising bit count. A query goes through them outwards from its own
    count, until what a block can offer at best, min / max of the counts, is below what it has.

    Parameters
    ----------
    queries : ndarray
        (b, w) words by rising bit count.
    query_counts : ndarray
        (b,).
    own : ndarray
        (b,) the candidate row that is the query itself, or -1.
    blocks : ndarray
        (g, w, c) words.
    block_counts, block_rows : ndarray
        (g, c) set bits and row, row -1 = padding.
    low, high : ndarray
        (g,) smallest and largest bit count of each block.
    rows, similarity : ndarray
        (b, k), see `insert`; filled.
    """
    n_blocks, _, width = blocks.shape
    shared, values = np.empty(width, np.int64), np.empty(width, np.float64)
    for start in range(0, len(queries), GROUP):
        stop = min(start + GROUP, len(queries))
        middle = min(np.searchsorted(high, query_counts[(start + stop) // 2]), n_blocks - 1)
        for step in (1, -1):
            at = middle if step == 1 else middle - 1
            while 0 <= at < n_blocks:
                idle = True
                for i in range(start, stop):
                    if bound(query_counts[i], low[at], high[at]) < similarity[i, -1]:
                        continue
                    idle = False
                    compare(
                        queries[i], query_counts[i], blocks[at], block_counts[at], shared, values
                    )
                    for j in range(width):
                        row = block_rows[at, j]
                        if values[j] >= similarity[i, -1] and row >= 0 and row != own[i]:
                            insert(rows[i], similarity[i], row, values[j])
                beyond = low[at] >= query_counts[stop - 1]
                if step < 0:
                    beyond = high[at] <= query_counts[start]
                if idle and beyond:
                    break
                at += step


@njit(nogil=True, cache=True)
def tally(value: float, grid: FloatArray, histogram: IntArray) -> None:
    """Count a pair under the largest grid value that it reaches; `histogram` (len(grid),)."""
    step = len(grid) - 1
    while value < grid[step]:
        step -= 1
    histogram[step] += 1


@njit(nogil=True, cache=True)
def group_pairs(
    words: npt.NDArray[np.uint64],
    counts: IntArray,
    members: IntArray,
    grid: FloatArray,
    histogram: IntArray,
    rows: IntArray,
    similarity: FloatArray,
) -> None:
    """Compare every pair of one group by Tanimoto similarity and keep each row's best.

    Parameters
    ----------
    words, counts : ndarray
        (n, w) and (n,), of all molecules.
    members : ndarray
        (c,) rows of the group.
    grid : ndarray
        (g,) rising; pairs below its first value are passed over.
    histogram : ndarray
        (g,) added to, see `tally`.
    rows, similarity : ndarray
        (n, k), see `insert`; filled.
    """
    for i in range(len(members)):
        a = members[i]
        for j in range(i + 1, len(members)):
            b = members[j]
            if bound(counts[a], counts[b], counts[b]) < grid[0]:
                continue
            shared = 0
            for word in range(words.shape[1]):
                shared += _popcount(words[a, word] & words[b, word])
            value = shared / max(counts[a] + counts[b] - shared, 1)
            if value >= grid[0]:
                tally(value, grid, histogram)
                insert(rows[a], similarity[a], b, value)
                insert(rows[b], similarity[b], a, value)


@njit(nogil=True, cache=True)
def matrix_pairs(
    values: npt.NDArray[np.float32],
    members: IntArray,
    grid: FloatArray,
    histogram: IntArray,
    rows: IntArray,
    similarity: FloatArray,
) -> None:
    """Do as `group_pairs` does, with the similarities given: `values` (c, c), its upper half."""
    for i in range(len(members)):
        for j in range(i + 1, len(members)):
            value = np.float64(values[i, j])
            if value >= grid[0]:
                a, b = members[i], members[j]
                tally(value, grid, histogram)
                insert(rows[a], similarity[a], b, value)
                insert(rows[b], similarity[b], a, value)
