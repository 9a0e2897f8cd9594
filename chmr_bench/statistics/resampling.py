"""The bootstrap over test molecules.

It never copies a molecule: a replicate is a vector of multiplicities (how often each test molecule
was drawn), the same for every task and every model, so that replicates of two models on one test
set are paired. `w` holds such vectors as columns: n molecules, r replicates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.effective import effective_sample_size, molecule_counts
from chmr_bench.statistics.intervals import SHARES, interval
from chmr_bench.statistics.scorers import Drawn, mean_of_finite, prepared
from chmr_bench.types import FloatArray, IntArray, MetricName

N_REPLICATES = 1000
"""Resamples that a score and its interval are made from."""
MAX_CELLS = 4_000_000
"""Molecules x replicates held at once; bounds the working memory to about 100 MB."""
KEPT_CELLS = 5_000_000
"""Molecules x replicates up to which they are kept for the next model."""


@dataclass(frozen=True)
class Bootstrap:
    """What resampling the test molecules says about a dataset's scores.

    Attributes
    ----------
    low, high : (t,)
        Ends of the 95 % interval of each task, NaN where it has none.
    macro : (n_replicates,)
        Mean over the tasks that can be scored in the replicate, NaN where none can.
    macro_interval : (float, float)
        Of the mean over tasks; NaN where there is none.
    n_effective : float
        Effective sample size of the mean over tasks, in molecules.
    """

    low: FloatArray
    high: FloatArray
    macro: FloatArray
    macro_interval: tuple[float, float]
    n_effective: float


def bootstrap(
    metric: MetricName,
    y: FloatArray,
    y_pred: FloatArray,
    *,
    n_replicates: int = N_REPLICATES,
    seed: int = 0,
    clusters: IntArray | None = None,
) -> Bootstrap:
    """Resample the test molecules and score every task on each resample.

    A replicate draws n of the n molecules with replacement, labelled or not. It counts for a task
    only where the task can be scored in it (both classes drawn; for r2 two different values), and
    never for a task that cannot be scored on the whole test set. One (n, seed) gives the same
    replicates whatever the model, the metric and the numpy version.

    Parameters
    ----------
    metric : MetricName
        What is scored.
    y : (n, t)
        Labels, NaN = not measured.
    y_pred : (n, t)
        Finite predictions.
    n_replicates, seed : int
        How many resamples, and from which seed.
    clusters : (n,)
        Molecules of one number are drawn together; None = each by itself. Copies of one molecule
        tell little more than one does, and the interval must not be narrower for them.
    """
    y = np.asarray(y, dtype=np.float64)
    y_pred = np.asarray(y_pred, dtype=np.float64)
    if y.ndim != 2 or y.shape != y_pred.shape or len(y) == 0:
        raise DataError(
            f"labels {y.shape} and predictions {y_pred.shape} must have one shape (n, t), n > 0"
        )
    tasks = [prepared(metric, y[:, j], y_pred[:, j]) for j in range(y.shape[1])]
    # Column 0 is no resample, but each molecule once: the scores themselves.
    scores = np.empty((y.shape[1], 1 + n_replicates))  # (t, 1 + r)
    drawn = np.ones((len(y), 1), dtype=np.int32)
    start = 0
    for w in multiplicities(len(y), n_replicates, seed, clusters):
        drawn = np.hstack([drawn, w]) if start == 0 else w
        stop = start + drawn.shape[1]
        for j, score in enumerate(tasks):
            scores[j, start:stop] = score(drawn)
        start = stop
    return _bootstrap(metric, y, clusters, scores[:, 0], scores[:, 1:])


def _bootstrap(
    metric: MetricName,
    y: FloatArray,
    clusters: IntArray | None,
    scores: FloatArray,
    replicates: FloatArray,
) -> Bootstrap:
    """Return the intervals of (t,) scores with (t, r) replicates."""
    molecules = np.arange(len(y)) if clusters is None else np.asarray(clusters)
    counts = molecule_counts(y, molecules, by_class=metric in SHARES)
    n_units = len(np.unique(molecules))
    ends = [
        interval(row, score=score, metric=metric, n_effective=count, n_units=n_units)
        for row, score, count in zip(replicates, scores, counts, strict=True)
    ]
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    macro = mean_of_finite(replicates)
    scored = np.isfinite(scores)
    n_effective = effective_sample_size([c for c, s in zip(counts, scored, strict=True) if s])
    mean = float(scores[scored].mean()) if scored.any() else math.nan
    of_macro = interval(macro, score=mean, metric=metric, n_effective=n_effective, n_units=n_units)
    return Bootstrap(low, high, macro, of_macro, n_effective)


def multiplicities(
    n: int, n_replicates: int, seed: int, clusters: IntArray | None = None
) -> Iterator[Drawn]:
    """Yield (n, r) blocks of multiplicities: together `n_replicates` columns.

    Each column sums to n, or with k clusters holds k draws of whole clusters. Raw PCG64 output is
    used, since numpy promises that stream for good and `Generator`'s not.

    Raises
    ------
    DataError
        `clusters` has another shape than (n,).
    """
    k, member = (n, None) if clusters is None else _members(n, clusters)
    if n * n_replicates > KEPT_CELLS:
        return _drawn(n, n_replicates, seed, k, member)
    places = None if member is None else member.astype(np.int64).tobytes()
    return iter(_kept(n, n_replicates, seed, k, places))


@lru_cache(maxsize=4)
def _kept(n: int, n_replicates: int, seed: int, k: int, places: bytes | None) -> tuple[Drawn, ...]:
    """Keep the last few: all models and tasks of one test set are scored on the same resamples."""
    member = None if places is None else np.frombuffer(places, dtype=np.int64)
    blocks = tuple(_drawn(n, n_replicates, seed, k, member))
    for block in blocks:
        block.flags.writeable = False
    return blocks


def _drawn(
    n: int, n_replicates: int, seed: int, k: int, member: IntArray | None
) -> Iterator[Drawn]:
    """Draw them: k units, each all the molecules that `member` (n,) gives its number."""
    stream = np.random.PCG64(seed)
    width = max(1, MAX_CELLS // n)
    for start in range(0, n_replicates, width):
        columns = []
        for _ in range(min(width, n_replicates - start)):
            # High 32 bits times k, shifted: a uniform draw from 0 .. k - 1 (bias below k / 2^32).
            drawn = ((stream.random_raw(k) >> np.uint64(32)) * np.uint64(k)) >> np.uint64(32)
            columns.append(np.bincount(drawn.astype(np.int64), minlength=k).astype(np.int32))
        block = np.stack(columns).T
        yield np.ascontiguousarray(block if member is None else block[member])


def _members(n: int, clusters: IntArray) -> tuple[int, IntArray]:
    """Return how many clusters there are, and the (n,) place of each molecule's among them."""
    if np.shape(clusters) != (n,):
        raise DataError(f"clusters have shape {np.shape(clusters)}, expected ({n},)")
    numbers, member = np.unique(clusters, return_inverse=True)
    return len(numbers), member
