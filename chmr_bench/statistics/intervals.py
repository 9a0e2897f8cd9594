"""Intervals from replicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.types import FloatArray

LEVEL = 0.95


def interval(replicates: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of the finite replicates; (NaN, NaN) where there is none."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(finite, [tail, 100.0 - tail])
    return float(low), float(high)


def mean_over_seeds(replicates: Sequence[FloatArray]) -> FloatArray:
    """Return the (n_replicates,) mean of runs that share their resamples: the mean over seeds."""
    if len({len(r) for r in replicates}) != 1:
        raise DataError(
            "runs can be averaged only where they hold the same number of replicates, not "
            f"{sorted(len(r) for r in replicates)}"
        )
    mean: FloatArray = np.asarray(replicates, dtype=np.float64).mean(axis=0)
    return mean


def paired_interval(
    a: FloatArray, b: FloatArray, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return (mean, low, high) of a - b over replicates that resampled the same molecules.

    It holds the choice of test molecules alone: where the models draw seeds, true differences of
    zero are left out far too often, and `paired_difference` is what to use.

    Replicate i of both must come from the same resample: same test set, same bootstrap seed.
    """
    if len(a) != len(b):
        raise DataError(f"{len(a)} and {len(b)} replicates are not paired")
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    finite = difference[np.isfinite(difference)]
    low, high = interval(finite, level)
    return (float(finite.mean()) if len(finite) else float("nan")), low, high
