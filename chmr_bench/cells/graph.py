"""The context graph: molecules, their cell read-outs and genes, and what links them.

After InfoAlign (arXiv 2406.12056), whose context graph CHMR walks on. A node is a pair of a kind
and a row of that kind's matrix: features stay in the atlas, once, and no node carries a row of NaN
for what it is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from chmr_bench.types import IntArray

MOLECULE, GENE = "molecule", "gene"


@dataclass(frozen=True)
class ContextGraph:
    """An undirected weighted graph in CSR form; every edge stands once in each direction.

    Attributes
    ----------
    kinds : names of the node kinds: ``molecule``, then the cell blocks, then ``gene`` if any.
    offsets : (kinds + 1,) the nodes of kind i are offsets[i] to offsets[i + 1] - 1; molecule i is
        node i.
    row : (v,) int32, a node's row in the matrix of its kind: the molecule's row in the atlas
        (blocks too: a profile's node has its molecule's row), or the gene's.
    indptr : (v + 1,) int64. indices : (e,) int32. weights : (e,) float32, above 0.
    """

    kinds: tuple[str, ...]
    offsets: IntArray
    row: npt.NDArray[np.int32]
    indptr: IntArray
    indices: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

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

    def nodes_of(self, kind: str) -> slice:
        """Return the nodes of one kind."""
        at = self.kinds.index(kind)
        return slice(int(self.offsets[at]), int(self.offsets[at + 1]))
