"""Labelled assays as targets to learn from: scaled column by column, sparse up to the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chmr_bench.cells.assays import AssayBlock
from chmr_bench.features.profiles import CLIP
from chmr_bench.nn.pretraining.seeding import generator
from chmr_bench.nn.pretraining.values import CALLS
from chmr_bench.nn.pretraining.values import shuffled as permuted
from chmr_bench.types import BoolArray, IntArray


@dataclass(frozen=True)
class AssayValues:
    """Labelled assays of n molecules, scaled.

    Attributes
    ----------
    block : AssayBlock
        (n, d): calls, or numbers of mean 0 and spread 1 over those measured in an assay.
    observed : ndarray
        (n,) bool, who was measured in any.
    binary : bool
        From 0 to 1, for a cross-entropy.
    """

    block: AssayBlock
    observed: BoolArray
    binary: bool

    @property
    def d(self) -> int:
        """Number of assays."""
        return len(self.block.names)

    def targets(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return (b, d) of the rows of a batch, NaN where nothing was measured."""
        return np.asarray(self.block.dense(rows), dtype=np.float32)


def assay_values(
    blocks: Mapping[str, AssayBlock], seed: int, *, shuffled: bool
) -> dict[str, AssayValues]:
    """Return the labelled assays to learn from, shuffled as the cells are."""
    values = {}
    for name, block in blocks.items():
        own = permuted(block, generator(seed, "shuffle", name)) if shuffled else block
        values[name] = scaled_assays(own)
    return values


def scaled_assays(block: AssayBlock) -> AssayValues:
    """Return a block to learn from: calls as they are, numbers standardised and clipped.

    A column that does not vary keeps its spread.

    Examples
    --------
    >>> from chmr_bench.cells import assay_block
    >>> pxc50 = assay_block([0, 1], [0, 0], [5.0, 7.0], 3, ("target",))
    >>> scaled_assays(pxc50).targets(np.array([0, 2])).tolist()
    [[-1.0], [nan]]
    """
    data, columns = block.values.data.astype(np.float64), block.values.indices
    inside = ((data >= 0) & (data <= 1)).all()
    if inside and np.isin(data, (0.0, 1.0)).mean() >= CALLS:
        return AssayValues(block, block.observed_rows, binary=True)
    d = len(block.names)
    n = np.maximum(np.bincount(columns, minlength=d), 1)
    mean = np.bincount(columns, weights=data, minlength=d) / n
    sd = np.sqrt(np.bincount(columns, weights=(data - mean[columns]) ** 2, minlength=d) / n)
    sd = np.where(sd > 1e-6 * np.maximum(np.abs(mean), 1), sd, 1.0)
    values = block.values.copy()
    scaled = (data - mean[columns]) / sd[columns]
    values.data = np.clip(scaled, -CLIP, CLIP).astype(np.float32)
    return AssayValues(replace(block, values=values), block.observed_rows, binary=False)
