"""How alike a predicted profile and a measured one are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.profiles import CLIP, column_moments
from chmr_bench.types import FloatArray


def measured_values(block: MatrixBlock) -> FloatArray:
    """Return (n, d) float64: what was measured, and 0 where nothing was."""
    values = np.asarray(block.values, dtype=np.float64)
    return np.where(block.entries, values, 0.0)


@dataclass(frozen=True)
class ColumnScale:
    """Mean and spread (d,) of a block's columns over what was measured, on training molecules."""

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def of(cls, block: MatrixBlock) -> ColumnScale:
        """Return the scale of a block; a column without spread, or without a number, has s.d. 1."""
        mean, sd = column_moments(measured_values(block), block.entries)
        return cls(mean, np.where(sd > 1e-6 * np.maximum(np.abs(mean), 1), sd, 1.0))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return (n, d) numbers in standard deviations from the mean."""
        return np.asarray(np.clip((values - self.mean) / self.sd, -CLIP, CLIP))


def profile_similarity(
    predicted: FloatArray, measured: MatrixBlock, scale: ColumnScale
) -> FloatArray:
    """Return the cosine of each predicted profile with each measured one, (n, m).

    Both are taken in standard deviations from the training molecules' mean, and over the columns
    that the measured profile has. A profile without any number has cosine 0 with all.

    Parameters
    ----------
    predicted : FloatArray
        (n, d) finite, in the block's unit.
    measured : MatrixBlock
        m profiles of d columns.

    Examples
    --------
    >>> measured = MatrixBlock(np.array([[3.0, 3.0], [-1.0, np.nan]]), np.array([True, True]))
    >>> scale = ColumnScale(np.ones(2), np.ones(2))
    >>> profile_similarity(np.array([[2.0, 2.0]]), measured, scale).round(3).tolist()
    [[1.0, -1.0]]
    """
    entries = measured.entries
    theirs = np.where(entries, scale(measured_values(measured)), 0.0)  # (m, d)
    ours = scale(predicted)
    lengths = np.sqrt(ours**2 @ entries.T.astype(ours.dtype)) * np.linalg.norm(theirs, axis=1)
    return np.asarray(ours @ theirs.T / np.where(lengths > 0, lengths, 1.0))
