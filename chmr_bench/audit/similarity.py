"""How near test molecules are to the nearest training molecule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chmr_bench.contracts import Progress, Split, no_progress
from chmr_bench.features.tanimoto import Bits, nearest, packed
from chmr_bench.types import FloatArray

BINS = 10
_ROUNDING = 1e-5
"""Float32 writes 0.7 as 0.69999999; two different similarities of 2,048 bits are farther apart."""


@dataclass(frozen=True)
class Similarity:
    """Tanimoto similarity of test rows to the nearest training row.

    Attributes
    ----------
    counts : tuple[int, ...]
        Test rows in [0, 0.1), [0.1, 0.2), ..., [0.9, 1].
    identical : int
        Test rows at 1: the same bits, which need not be the same molecule.
    median : float
        Over test rows.
    """

    counts: tuple[int, ...]
    identical: int
    median: float

    @property
    def n(self) -> int:
        """Return the number of test rows."""
        return sum(self.counts)


def to_training(
    bits: Bits, split: Split, n_jobs: int | None = None, progress: Progress = no_progress
) -> FloatArray:
    """Return each test row's similarity to the nearest training row, exact, (n_test,) from 0 to 1.

    Parameters
    ----------
    bits : Bits
        (n, d) fingerprints of all rows of the dataset.
    n_jobs : int or None
        Threads, None for all cores; the result does not depend on it.
    """
    words = packed(bits)
    neighbours = nearest(
        words[split.train], 1, queries=words[split.test], n_jobs=n_jobs, progress=progress
    )
    return neighbours.similarity[:, 0].astype(np.float64)


def binned(similarity: FloatArray) -> Similarity:
    """Return how many rows fall in each tenth."""
    tenths = np.floor(similarity * BINS + BINS * _ROUNDING).astype(np.int64)
    counts = np.bincount(np.minimum(tenths, BINS - 1), minlength=BINS)
    return Similarity(
        counts=tuple(counts.tolist()),
        identical=int((similarity > 1 - _ROUNDING).sum()),
        median=float(np.median(similarity)),
    )
