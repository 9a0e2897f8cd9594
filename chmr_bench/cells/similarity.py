"""Similarity edges of the context graph: pairs within groups, above a threshold that is searched.

InfoAlign (arXiv 2406.12056) compares molecules within a scaffold and profiles within a k-means
cluster, and raises the threshold from 0.8 to 0.99 until 99.5 % of the pairs are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from chmr_bench.contracts import HeldRows
from chmr_bench.features import tanimoto_kernel
from chmr_bench.features.tanimoto import Words, bit_counts
from chmr_bench.types import BoolArray, FloatArray, IntArray

STEP = 0.01
"""Between the thresholds that are tried."""
KMEANS_SAMPLE, KMEANS_ROUNDS = 20_000, 10
LARGEST = 4
"""A cluster of more than this many times the size asked for is split again."""
_CHUNK = 8192


@dataclass(frozen=True)
class SparsityRule:
    """Which pairs of a group become edges.

    Attributes
    ----------
    lowest, highest : float
        First and last threshold of the search.
    sparsity : float
        Share of all compared pairs that must stay below the threshold; where even the highest
        leaves more, it is the highest.
    most : int
        Edges a node keeps at most, its strongest; a bound on memory of ours.
    """

    lowest: float = 0.80
    highest: float = 0.99
    sparsity: float = 0.995
    most: int = 50

    def grid(self) -> FloatArray:
        """Return the thresholds, rising."""
        steps = round((self.highest - self.lowest) / STEP)
        return np.round(self.lowest + STEP * np.arange(steps + 1), 6)


@dataclass(frozen=True)
class SimilarityEdges:
    """Undirected edges between rows; a pair may stand once or twice.

    Attributes
    ----------
    sources, targets : ndarray
        (e,) int64 rows.
    weights : ndarray
        (e,) float32 similarities.
    threshold : float
        That was found.
    """

    sources: IntArray
    targets: IntArray
    weights: npt.NDArray[np.float32]
    threshold: float


def within_groups(
    words: Words, names: Sequence[str], rule: SparsityRule, n_jobs: int = 1
) -> SimilarityEdges:
    """Return Tanimoto edges between molecules of the same group (scaffold).

    Parameters
    ----------
    words : Words
        (n, w) packed bits.
    names : Sequence[str]
        n group names.
    """
    _, labels = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    groups = list(_groups(labels))
    counts = bit_counts(words)
    compare = partial(tanimoto_kernel.group_pairs, words, counts)
    return _search(len(words), groups, rule, compare, n_jobs)


def within_clusters(
    values: FloatArray | HeldRows,
    observed: BoolArray,
    rule: SparsityRule,
    cluster_size: int,
    rng: np.random.Generator,
) -> SimilarityEdges:
    """Return cosine edges between profiles of the same k-means cluster.

    Columns are standardised over the observed rows first: raw features of one sign are all alike.

    Parameters
    ----------
    values : ndarray
        (n, d).
    observed : ndarray
        (n,).
    cluster_size : int
        Mean rows a cluster.
    """
    rows = np.flatnonzero(observed)
    unit = unit_rows(values, rows)
    kernel: Any = tanimoto_kernel.matrix_pairs

    def compare(members: IntArray, *outputs: Any) -> None:
        part = unit[members]
        kernel(np.minimum(part @ part.T, 1), rows[members], *outputs)

    return _search(len(values), list(clusters(unit, cluster_size, rng)), rule, compare, 1)


def unit_rows(values: FloatArray | HeldRows, rows: IntArray) -> npt.NDArray[np.float32]:
    """Return these rows with columns standardised over them, each of length 1, float32.

    A value that is no number counts as the column's mean; a row of nothing else stays 0.
    """
    out = np.empty((len(rows), values.shape[1]), dtype=np.float32)
    count, total, squares = (np.zeros(values.shape[1]) for _ in range(3))
    for start in range(0, len(rows), _CHUNK):
        part = values[rows[start : start + _CHUNK]].astype(np.float64)
        there = np.isfinite(part)
        part[~there] = 0
        count += there.sum(axis=0)
        total += part.sum(axis=0)
        squares += (part**2).sum(axis=0)
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    constant = variance <= 1e-12 * np.maximum(mean**2, 1e-300)
    sd = np.where(constant, np.inf, np.sqrt(np.maximum(variance, 0)))
    for start in range(0, len(rows), _CHUNK):
        part = values[rows[start : start + _CHUNK]].astype(np.float64)
        scaled = np.nan_to_num((part - mean) / sd, posinf=0, neginf=0)
        length = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
        out[start : start + _CHUNK] = scaled / np.where(length > 0, length, 1)
    return out


def clusters(
    unit: npt.NDArray[np.float32], size: int, rng: np.random.Generator
) -> Iterator[IntArray]:
    """Yield the rows of each k-means cluster (cosine), none larger than `LARGEST` x `size`.

    Parameters
    ----------
    unit : ndarray
        (n, d) rows of length 1.
    size : int
        Mean rows a cluster.
    """
    waiting = [np.arange(len(unit))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= size:
            yield rows
            continue
        own = unit if len(rows) == len(unit) else unit[rows]  # a large matrix is not copied
        parts = [rows[part] for part in _groups(kmeans(own, -(-len(rows) // size), rng))]
        if len(parts) == 1:  # nothing tells them apart
            parts = np.array_split(rows, -(-len(rows) // size))
        waiting += [part for part in parts if len(part) > LARGEST * size]
        yield from (part for part in parts if len(part) <= LARGEST * size)


def kmeans(unit: npt.NDArray[np.float32], k: int, rng: np.random.Generator) -> IntArray:
    """Return the cluster of each row, (n,): spherical k-means, fitted on a sample of the rows."""
    sample = unit[np.sort(rng.permutation(len(unit))[:KMEANS_SAMPLE])]
    centres = sample[rng.permutation(len(sample))[:k]]
    for _ in range(KMEANS_ROUNDS):
        labels = np.argmax(sample @ centres.T, axis=1)
        ones = np.ones(len(sample), dtype=np.float32)
        member = sparse.csr_array(
            (ones, (labels, np.arange(len(sample)))), shape=(len(centres), len(sample))
        )
        sums = member @ sample  # (k, d)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.where(length > 0, length, 1), centres)
    parts = [unit[i : i + _CHUNK] @ centres.T for i in range(0, len(unit), _CHUNK)]
    return np.concatenate([np.argmax(part, axis=1) for part in parts]).astype(np.int64)


def _groups(labels: IntArray) -> Iterator[IntArray]:
    """Yield the rows of each label that has any, ascending."""
    order = np.argsort(labels, kind="stable")
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    yield from np.split(order, borders)


def _search(
    n: int,
    groups: Sequence[IntArray],
    rule: SparsityRule,
    compare: Callable[..., None],
    n_jobs: int,
) -> SimilarityEdges:
    """Compare the pairs of every group, find the threshold and return what reaches it.

    `compare(members, grid, histogram, rows, similarity)` touches its members' rows only, so groups
    can be worked on side by side.
    """
    grid = rule.grid()
    rows = np.full((n, rule.most), -1, dtype=np.int64)
    similarity = np.full((n, rule.most), grid[0])
    groups = sorted((group for group in groups if len(group) > 1), key=len, reverse=True)

    def work(part: Sequence[IntArray]) -> IntArray:
        histogram = np.zeros(len(grid), dtype=np.int64)
        for members in part:
            compare(members, grid, histogram, rows, similarity)
        return histogram

    n_jobs = max(1, n_jobs)
    with ThreadPoolExecutor(n_jobs) as pool:
        histograms = list(pool.map(work, [groups[i::n_jobs] for i in range(n_jobs)]))
    n_pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    at_least = np.cumsum(np.sum(histograms, axis=0)[::-1])[::-1]  # (thresholds,)
    sparse_enough = at_least <= (1 - rule.sparsity) * n_pairs
    index = int(np.argmax(sparse_enough)) if sparse_enough.any() else len(grid) - 1
    source, place = np.nonzero((rows >= 0) & (similarity >= grid[index]))
    return SimilarityEdges(
        sources=source.astype(np.int64),
        targets=rows[source, place],
        weights=similarity[source, place].astype(np.float32),
        threshold=float(grid[index]),
    )
