"""Intervals by resampling test molecules, paired differences, and ranks with ties.

The bootstrap never copies a molecule: a replicate is a vector of multiplicities (how often each
test molecule was drawn), the same for every task and every model, so that replicates of two models
on one test set are paired. `w` holds such vectors as columns: n molecules, r replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chmr_bench.errors import DataError, UnknownNameError
from chmr_bench.types import BoolArray, FloatArray, IntArray, MetricName

Drawn: TypeAlias = npt.NDArray[np.int32]
"""(n, r): how often each of n molecules was drawn in each of r replicates."""

LEVEL = 0.95
MAX_CELLS = (
    4_000_000  # molecules x replicates held at once; bounds the working memory to about 100 MB
)


@dataclass(frozen=True)
class Bootstrap:
    """What resampling the test molecules says about a dataset's scores.

    Attributes
    ----------
    low, high : (t,) ends of the 95 % percentile interval of each task, NaN where it has none.
    macro : (n_replicates,) mean over the tasks that can be scored in the replicate, NaN where none
        can.
    """

    low: FloatArray
    high: FloatArray
    macro: FloatArray


def bootstrap(
    metric: MetricName,
    y: FloatArray,
    y_pred: FloatArray,
    *,
    n_replicates: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Resample the test molecules and score every task on each resample.

    A replicate draws n of the n molecules with replacement, labelled or not. It counts for a task
    only where the task can be scored in it (both classes drawn; for r2 two different values), and
    never for a task that cannot be scored on the whole test set. One (n, seed) gives the same
    replicates whatever the model, the metric and the numpy version.

    Parameters
    ----------
    y : (n, t), NaN = not measured.
    y_pred : (n, t), finite.
    """
    if metric not in _SCORERS:
        raise UnknownNameError("metric", metric, _SCORERS)
    y = np.asarray(y, dtype=np.float64)
    y_pred = np.asarray(y_pred, dtype=np.float64)
    if y.ndim != 2 or y.shape != y_pred.shape or len(y) == 0:
        raise DataError(
            f"labels {y.shape} and predictions {y_pred.shape} must have one shape (n, t), n > 0"
        )
    tasks = [_prepare(metric, y[:, j], y_pred[:, j]) for j in range(y.shape[1])]
    scores = np.empty((y.shape[1], n_replicates))  # (t, r)
    start = 0
    for w in multiplicities(len(y), n_replicates, seed):
        stop = start + w.shape[1]
        for j, score in enumerate(tasks):
            scores[j, start:stop] = score(w)
        start = stop
    ends = [interval(row) for row in scores]
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    return Bootstrap(low=low, high=high, macro=_mean_of_finite(scores))


def multiplicities(n: int, n_replicates: int, seed: int) -> Iterator[Drawn]:
    """Yield (n, r) blocks of multiplicities: together `n_replicates` columns, each summing to n.

    Raw PCG64 output is used, since numpy promises that stream for good and `Generator`'s not.
    """
    stream = np.random.PCG64(seed)
    width = max(1, MAX_CELLS // n)
    for start in range(0, n_replicates, width):
        columns = []
        for _ in range(min(width, n_replicates - start)):
            # High 32 bits times n, shifted: a uniform draw from 0 .. n - 1 (bias below n / 2^32).
            drawn = ((stream.random_raw(n) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)
            columns.append(np.bincount(drawn.astype(np.int64), minlength=n).astype(np.int32))
        yield np.ascontiguousarray(np.stack(columns).T)


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

    Replicate i of both must come from the same resample: same test set, same bootstrap seed.
    """
    if len(a) != len(b):
        raise DataError(f"{len(a)} and {len(b)} replicates are not paired")
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    finite = difference[np.isfinite(difference)]
    low, high = interval(finite, level)
    return (float(finite.mean()) if len(finite) else float("nan")), low, high


def ranks_with_ties(
    scores: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    greater_is_better: bool,
) -> list[float]:
    """Return each entry's rank, 1 = best; entries whose intervals overlap are tied.

    Two entries are tied where their intervals share a point, or where one has no interval and the
    scores are equal. The rank is 1 + the number of entries clearly better + half the number tied
    with it. Being tied is not transitive, and this rule does not need it to be: where it is, the
    ranks are the usual mid-ranks, and they always sum to k (k + 1) / 2.
    """
    k = len(scores)
    if not len(low) == len(high) == k:
        raise DataError(f"{k} scores need {k} intervals, not {len(low)} and {len(high)}")
    value = np.asarray(scores, dtype=np.float64)
    bottom = np.where(np.isnan(low), value, low)
    top = np.where(np.isnan(high), value, high)
    if not greater_is_better:
        bottom, top = -top, -bottom
    above = bottom[:, None] > top[None, :]  # (k, k): row is clearly better than column
    n_better = above.sum(axis=0)
    n_worse = above.sum(axis=1)
    return [float(r) for r in 1 + n_better + (k - 1 - n_better - n_worse) / 2]


# -------------------------------------------------------------------- weighted scores of one task

Scorer = Callable[[Drawn], FloatArray]
"""``score(w)``: (n, r) multiplicities of all test molecules -> (r,) scores, NaN = no score."""


def _prepare(metric: MetricName, y: FloatArray, y_pred: FloatArray) -> Scorer:
    rows = np.flatnonzero(~np.isnan(y))
    return _SCORERS[metric](rows, y[rows], y_pred[rows])


def _roc_auc(rows: IntArray, y: FloatArray, y_pred: FloatArray) -> Scorer:
    positive = y == 1
    order = np.argsort(y_pred[~positive], kind="stable")
    negatives, negative_rows = y_pred[~positive][order], rows[~positive][order]
    positive_rows = rows[positive]
    below = np.searchsorted(negatives, y_pred[positive], side="left")
    not_above = np.searchsorted(negatives, y_pred[positive], side="right")

    def score(w: Drawn) -> FloatArray:
        drawn = np.zeros((len(negative_rows) + 1, w.shape[1]), dtype=np.int32)
        np.cumsum(w[negative_rows], axis=0, out=drawn[1:])  # (n_negative + 1, r)
        wanted = w[positive_rows]  # (n_positive, r)
        won = np.einsum("pr,pr->r", wanted, drawn[below] + drawn[not_above], dtype=np.float64)
        pairs = wanted.sum(axis=0, dtype=np.float64) * drawn[-1]
        return _divide(won, 2.0 * pairs)

    return score


def _average_precision(rows: IntArray, y: FloatArray, y_pred: FloatArray) -> Scorer:
    order = np.argsort(-y_pred, kind="stable")
    rows, hit, values = rows[order], (y[order] == 1).astype(np.int32), y_pred[order]
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)

    def score(w: Drawn) -> FloatArray:
        if len(rows) == 0:
            return np.full(w.shape[1], np.nan)
        drawn = w[rows]
        total = np.cumsum(drawn, axis=0)[ends]
        hits = np.cumsum(drawn * hit[:, None], axis=0)[ends]
        gained = np.diff(hits, axis=0, prepend=np.zeros((1, w.shape[1]), dtype=hits.dtype))
        area = (gained * (hits / np.maximum(total, 1))).sum(axis=0)
        both = (hits[-1] > 0) & (hits[-1] < total[-1])
        return np.where(both, _divide(area, hits[-1]), np.nan)

    return score


def _mean_error(power: int) -> Callable[[IntArray, FloatArray, FloatArray], Scorer]:
    def prepare(rows: IntArray, y: FloatArray, y_pred: FloatArray) -> Scorer:
        error = np.abs(y - y_pred) ** power

        def score(w: Drawn) -> FloatArray:
            drawn = w[rows]
            mean = _divide(_weighted_sum(drawn, error), drawn.sum(axis=0))
            return np.sqrt(mean) if power == 2 else mean

        return score

    return prepare


def _r2(rows: IntArray, y: FloatArray, y_pred: FloatArray) -> Scorer:
    _, code = np.unique(y, return_inverse=True)
    # Centred first: the spread below is a difference of two sums and would lose digits otherwise.
    centred = y - y.mean() if len(y) else y
    error = np.square(y - y_pred)

    def score(w: Drawn) -> FloatArray:
        drawn = w[rows]
        total = drawn.sum(axis=0)
        spread = _weighted_sum(drawn, np.square(centred))
        spread -= _divide(np.square(_weighted_sum(drawn, centred)), total)
        varied = _has_two_values(drawn, code)
        return 1.0 - _divide(_weighted_sum(drawn, error), np.where(varied, spread, 0.0))

    return score


_SCORERS: Mapping[MetricName, Callable[[IntArray, FloatArray, FloatArray], Scorer]]
_SCORERS = MappingProxyType(
    {
        "roc_auc": _roc_auc,
        "average_precision": _average_precision,
        "mae": _mean_error(1),
        "rmse": _mean_error(2),
        "r2": _r2,
    }
)


def _has_two_values(drawn: Drawn, code: IntArray) -> BoolArray:
    """Return (r,) True where the drawn rows hold at least two different labels."""
    if len(code) == 0:
        return np.zeros(drawn.shape[1], dtype=np.bool_)
    present = drawn > 0
    highest = np.where(present, code[:, None], -1).max(axis=0)
    lowest = np.where(present, code[:, None], code.max() + 1).min(axis=0)
    return np.asarray(highest > lowest, dtype=np.bool_)


def _weighted_sum(drawn: Drawn, values: FloatArray) -> FloatArray:
    total: FloatArray = np.einsum("nr,n->r", drawn, values, dtype=np.float64)
    return total


def _divide(a: FloatArray, b: FloatArray | IntArray) -> FloatArray:
    """Return a / b, NaN where b is 0."""
    out: FloatArray = np.full(a.shape, np.nan)
    np.divide(a, b, out=out, where=np.asarray(b) != 0)
    return out


def _mean_of_finite(scores: FloatArray) -> FloatArray:
    """Return the (r,) mean over the finite entries of (t, r) scores, NaN where there is none."""
    finite = np.isfinite(scores)
    return _divide(np.where(finite, scores, 0.0).sum(axis=0), finite.sum(axis=0))
