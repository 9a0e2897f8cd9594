"""The context graph: molecules, their cell read-outs and genes, and what links them.

After InfoAlign (arXiv 2406.12056), whose context graph CHMR walks on. A node is a pair of a kind
and a row of that kind's matrix: features stay in the atlas, once, and no node carries a row of NaN
for what it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from chmr_bench.cells.atlas import Atlas
from chmr_bench.cells.similarity import SparsityRule, within_clusters, within_groups
from chmr_bench.contracts import HeldRows, MatrixBlock, Progress, modality_of, no_progress
from chmr_bench.errors import DataError
from chmr_bench.features.cache import available_cores
from chmr_bench.features.tanimoto import Bits, Neighbours, nearest, packed
from chmr_bench.splits import scaffold_smiles
from chmr_bench.types import BoolArray, FloatArray, IntArray

MOLECULE, GENE, EXPRESSION = "molecule", "gene", "expression"


@dataclass(frozen=True)
class ContextGraph:
    """An undirected weighted graph in CSR form; every edge stands once in each direction.

    Attributes
    ----------
    kinds : tuple[str, ...]
        Names of the node kinds: ``molecule``, then the cell blocks, then ``gene`` if any.
    offsets : ndarray
        (kinds + 1,) the nodes of kind i are offsets[i] to offsets[i + 1] - 1; molecule i is node i.
    row : ndarray
        (v,) int32, a node's row in the matrix of its kind: the molecule's row in the atlas (blocks
        too: a profile's node has its molecule's row), or the gene's.
    indptr : ndarray
        (v + 1,) int64.
    indices : ndarray
        (e,) int32.
    weights : ndarray
        (e,) float32, above 0.
    report : Mapping[str, float]
        Pairs of nodes each sort of link joins (a pair may have two sorts), and thresholds.
    """

    kinds: tuple[str, ...]
    offsets: IntArray
    row: npt.NDArray[np.int32]
    indptr: IntArray
    indices: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    report: Mapping[str, float] = field(default_factory=dict)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.row)

    @property
    def n_edges(self) -> int:
        """Number of undirected edges."""
        return len(self.indices) // 2

    @cached_property
    def kind(self) -> npt.NDArray[np.int16]:
        """The index into `kinds` of each node, (v,)."""
        return np.repeat(np.arange(len(self.kinds), dtype=np.int16), np.diff(self.offsets))

    @cached_property
    def cumulative(self) -> npt.NDArray[np.float64]:
        """The sum of all weights before each edge, (e + 1,): what a walk draws from."""
        return np.concatenate([[0.0], np.cumsum(self.weights, dtype=np.float64)])


@dataclass(frozen=True)
class GraphSettings:
    """What becomes an edge, besides molecule - its profile (weight 1) and gene - gene.

    Attributes
    ----------
    neighbours : int
        Structural neighbours a molecule is linked with wherever they are, weighted by Tanimoto
        similarity; ours, for molecules alone on their scaffold; 0 = none.
    scaffold, cosine : SparsityRule
        The rules for molecules of one scaffold and for profiles of one cluster.
    cluster_size : int
        Profiles a k-means cluster, on average.
    min_columns : int
        Blocks of fewer columns get no cosine edges: a handful of numbers is no profile.
    top_expression : float
        Share of the largest |expression| that link a molecule with a gene (weight 1).
    seed : int
        Of k-means.
    """

    neighbours: int = 10
    scaffold: SparsityRule = field(default_factory=SparsityRule)
    cosine: SparsityRule = field(default_factory=SparsityRule)
    cluster_size: int = 500
    min_columns: int = 16
    top_expression: float = 0.01
    seed: int = 0


@dataclass(frozen=True)
class _Links:
    """Undirected edges between nodes: (e,) int64, int64, float32."""

    name: str
    sources: IntArray
    targets: IntArray
    weights: npt.NDArray[np.float32]


def build(
    atlas: Atlas,
    bits: Bits,
    settings: GraphSettings | None = None,
    *,
    neighbours: Neighbours | None = None,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
) -> ContextGraph:
    """Return the context graph of an atlas.

    Parameters
    ----------
    atlas : Atlas
        n molecules with their blocks, and genes if it has any.
    bits : Bits
        (n, d) fingerprints, sparse or packed.
    neighbours : Neighbours or None
        As `neighbours.nearest` gives them, at least as many as the settings ask for if there are;
        None = they are computed.
    n_jobs : int or None
        Cores, None for all; the graph does not depend on it.

    Raises
    ------
    DataError
        Bits or neighbours are of another number of molecules.
    """
    settings = settings or GraphSettings()
    n_jobs = n_jobs or available_cores()
    words = packed(bits)
    sizes = {"bits": len(words)}
    if neighbours is None and settings.neighbours > 0:
        neighbours = nearest(words, settings.neighbours, n_jobs=n_jobs, progress=progress)
    if neighbours is not None:
        sizes["neighbours"] = len(neighbours)
    for what, size in sizes.items():
        if size != len(atlas):
            raise DataError(f"{what} of {size} molecules for an atlas of {len(atlas)}")
    kinds, offsets, row = _nodes(atlas)
    scaffolds = scaffold_smiles(atlas.smiles, chirality=False, n_jobs=n_jobs)
    within = within_groups(words, scaffolds, settings.scaffold, n_jobs)
    report: dict[str, float] = {"scaffold_threshold": within.threshold}
    links = [_Links("scaffold", within.sources, within.targets, within.weights)]
    if neighbours is not None and settings.neighbours > 0:
        links.append(_neighbour_links(neighbours, settings.neighbours))
    links += _profile_links(atlas, settings, offsets, report)
    links += _gene_links(atlas, settings, int(offsets[-2]))
    report |= {f"{link.name}_links": float(_n_pairs(link, len(row))) for link in links}
    return ContextGraph(kinds, offsets, row, *_csr(len(row), links), report=report)


def _nodes(atlas: Atlas) -> tuple[tuple[str, ...], IntArray, npt.NDArray[np.int32]]:
    """Return the kinds, where each begins, and the row of every node."""
    rows = {MOLECULE: np.arange(len(atlas))}
    rows |= {name: np.flatnonzero(block.observed_rows) for name, block in atlas.blocks.items()}
    if atlas.genes is not None:
        rows[GENE] = np.arange(len(atlas.genes))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in rows.values()])])
    return tuple(rows), offsets.astype(np.int64), np.concatenate([*rows.values()]).astype(np.int32)


def _neighbour_links(neighbours: Neighbours, k: int) -> _Links:
    """Link each molecule with its k nearest."""
    source, place = np.nonzero(neighbours.rows[:, :k] >= 0)
    targets = neighbours.rows[source, place].astype(np.int64)
    return _Links("neighbour", source, targets, neighbours.similarity[source, place])


def _profile_links(
    atlas: Atlas, settings: GraphSettings, offsets: IntArray, report: dict[str, float]
) -> list[_Links]:
    """Link molecules with their profiles, and profiles of a block with those like them.

    Measured in part, the link with a profile weighs the share of its entries, and only profiles of
    `min_columns` entries are compared: in the cosine an entry that one of two lacks is no likeness.
    """
    links = []
    rng = np.random.default_rng(settings.seed)
    for (name, block), first in zip(atlas.blocks.items(), offsets[1:].tolist(), strict=False):
        rows = np.flatnonzero(block.observed_rows)
        nodes = first + np.arange(len(rows))
        weights, values, compared = _shares_and_profiles(block, settings.min_columns)
        links.append(_Links(name, rows, nodes, weights[rows]))
        if values.shape[1] < settings.min_columns or compared.sum() < 2:
            continue
        node_of = np.full(len(atlas), -1)
        node_of[rows] = nodes
        edges = within_clusters(values, compared, settings.cosine, settings.cluster_size, rng)
        ends = node_of[edges.sources], node_of[edges.targets]
        links.append(_Links(f"{name}_cosine", *ends, edges.weights))
        report[f"{name}_threshold"] = edges.threshold
    return links


def _shares_and_profiles(
    block: MatrixBlock, fewest: int
) -> tuple[npt.NDArray[np.float32], FloatArray | HeldRows, BoolArray]:
    """Return each molecule's share of the entries, its profile, and whether it is compared."""
    if not block.in_part:
        values: Any = block.values
        return np.ones(len(block), dtype=np.float32), values, block.observed
    entries = block.entries
    shares = entries.mean(axis=1, dtype=np.float32)
    return shares, np.where(entries, block.dense(), np.nan), entries.sum(axis=1) >= fewest


def _gene_links(atlas: Atlas, settings: GraphSettings, first: int) -> list[_Links]:
    """Link genes with each other, and molecules with the genes they move most."""
    genes = atlas.genes
    if genes is None:
        return []
    weights = np.asarray(genes.weights, dtype=np.float32)
    links = [_Links("gene", first + genes.edges[0], first + genes.edges[1], weights)]
    for name, block in atlas.blocks.items():
        of_genes = [column in genes.columns for column in block.names]
        columns = np.flatnonzero(np.array(of_genes, dtype=bool))
        rows = np.flatnonzero(block.observed_rows)
        if modality_of(name) != EXPRESSION or not len(columns) or not len(rows):
            continue
        profiles = block.take(rows)
        size = np.abs(profiles.dense()[:, columns])
        known = profiles.entries[:, columns]
        if not known.any():
            continue
        size[~known] = 0
        least = np.quantile(size[known], 1 - settings.top_expression)
        source, place = np.nonzero((size >= least) & (size > 0))
        gene = np.array([genes.columns[block.names[i]] for i in columns])
        ones = np.ones(len(source), dtype=np.float32)
        links.append(_Links(f"{name}_gene", rows[source], first + gene[place], ones))
    return links


def _n_pairs(links: _Links, n: int) -> int:
    """Return the number of different pairs of nodes."""
    low = np.minimum(links.sources, links.targets)
    return len(np.unique(low * n + np.maximum(links.sources, links.targets)))


def _csr(
    n: int, links: Sequence[_Links]
) -> tuple[IntArray, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the links in both directions as CSR; of a pair named twice the larger weight."""
    key = np.concatenate(
        [part for a in links for part in (a.sources * n + a.targets, a.targets * n + a.sources)]
    )
    weights = np.concatenate([a.weights for a in links for _ in range(2)])
    used = (weights > 0) & (key // n != key % n)
    key, weights = key[used], weights[used]
    order = np.argsort(key, kind="stable")
    key, weights = key[order], weights[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    if len(starts):
        weights = np.maximum.reduceat(weights, starts)
    source, target = np.divmod(key[starts], n)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64)
    return indptr, target.astype(np.int32), weights.astype(np.float32, copy=False)
