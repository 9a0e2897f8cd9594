"""Weighted random walks on the context graph, all of them one step at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chmr_bench.cells.graph import ContextGraph
from chmr_bench.errors import DataError, SettingError
from chmr_bench.types import IntArray


@dataclass(frozen=True)
class Walks:
    """b walks of the same length.

    Attributes
    ----------
    nodes : ndarray
        (b, length + 1) int64, the start first; a walk in a dead end stays where it is.
    weight : ndarray
        (b, length + 1) float32, the product of the edge weights so far: 1 at the start, 0 from a
        dead end on.
    """

    nodes: IntArray
    weight: npt.NDArray[np.float32]


def walk(graph: ContextGraph, starts: IntArray, length: int, rng: np.random.Generator) -> Walks:
    """Walk from each start; the next node is drawn in proportion to the edge weights.

    Parameters
    ----------
    starts : ndarray
        (b,) nodes; molecule i is node i.
    length : int
        Steps; InfoAlign and CHMR take 4.
    rng : np.random.Generator
        The only source of chance; draws b numbers a step.

    Raises
    ------
    SettingError
        `length` is negative.
    DataError
        A start is no node of the graph.
    """
    if length < 0:
        raise SettingError(f"the length of a walk is {length}; expected 0 or more")
    if len(starts) and not 0 <= starts.min() <= starts.max() < graph.n_nodes:
        raise DataError(
            f"starts lie between {starts.min()} and {starts.max()}; "
            f"the graph has the nodes 0 to {graph.n_nodes - 1}"
        )
    nodes = np.empty((len(starts), length + 1), dtype=np.int64)
    weight = np.ones((len(starts), length + 1), dtype=np.float32)
    nodes[:, 0] = starts
    for step in range(length):
        nodes[:, step + 1], edge_weight = _step(graph, nodes[:, step], rng)
        weight[:, step + 1] = weight[:, step] * edge_weight
    return Walks(nodes, weight)


def _step(
    graph: ContextGraph, at: IntArray, rng: np.random.Generator
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """Return each walk's next node, and the weight of the edge it took (0 in a dead end)."""
    first, last = graph.indptr[at], graph.indptr[at + 1] - 1
    low, high = graph.cumulative[first], graph.cumulative[last + 1]
    drawn = low + rng.random(len(at)) * (high - low)
    edges = np.searchsorted(graph.cumulative, drawn, side="right") - 1
    edges = np.clip(edges, first, np.maximum(last, first))
    stuck = last < first
    edges[stuck] = 0
    if not len(graph.indices):
        return at, np.zeros(len(at), dtype=np.float32)
    moved = np.where(stuck, at, graph.indices[edges])
    return moved, np.where(stuck, np.float32(0), graph.weights[edges])
