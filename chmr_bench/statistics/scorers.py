"""Scores of one task on many resamples at once: multiplicities in, a score a replicate out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chmr_bench.errors import UnknownNameError
from chmr_bench.types import BoolArray, FloatArray, IntArray, MetricName

Drawn: TypeAlias = npt.NDArray[np.int32]
"""(n, r): how often each of n molecules was drawn in each of r replicates."""

Scorer = Callable[[Drawn], FloatArray]
"""``score(w)``: (n, r) multiplicities of all test molecules -> (r,) scores, NaN = no score."""


def prepared(metric: MetricName, y: FloatArray, y_pred: FloatArray) -> Scorer:
    """Return the scorer of one task, from (n,) labels with NaN = not measured.

    Raises
    ------
    UnknownNameError
        No such metric.
    """
    if metric not in _SCORERS:
        raise UnknownNameError("metric", metric, _SCORERS)
    rows = np.flatnonzero(~np.isnan(y))
    return _SCORERS[metric](rows, y[rows], y_pred[rows])


def _roc_auc(rows: IntArray, y: FloatArray, y_pred: FloatArray) -> Scorer:
    """Return the scorer that counts the pairs of the two classes that are in order.

    Between two neighbouring values of the rarer class the others are counted together, straight
    from `w`: most tasks are far from balanced, and a copy of `w` would take most of the time.
    """
    from scipy import sparse

    positive = y == 1
    flipped = 2 * np.count_nonzero(positive) > len(y)
    rare, value = (~positive, -y_pred) if flipped else (positive, y_pred)
    order = np.argsort(value[~rare], kind="stable")
    others, other_rows = value[~rare][order], rows[~rare][order]
    # A rare molecule wins half a pair by each of the others below it, half by each not above it.
    places = [np.searchsorted(others, value[rare], side) for side in ("left", "right")]
    edges, edge = np.unique(np.concatenate(places), return_inverse=True)
    # The first rows count the others up to each edge, the last the halves won at it.
    by_edge = np.argsort(edge, kind="stable")
    columns = np.concatenate([other_rows, np.tile(rows[rare], 2)[by_edge]])
    halves = len(others) + np.cumsum(np.bincount(edge, minlength=len(edges)))
    starts = np.concatenate([[0], edges, [len(others)], halves])
    width = int(rows.max(initial=-1)) + 1
    counted = sparse.csr_array(
        (np.ones(len(columns), dtype=np.int32), columns, starts),
        shape=(2 * len(edges) + 1, width),
    )

    def score(w: Drawn) -> FloatArray:
        both: Drawn = counted @ w[:width]
        drawn, wanted = both[: len(edges) + 1], both[len(edges) + 1 :]
        np.cumsum(drawn, axis=0, out=drawn)
        pairs = wanted.sum(axis=0, dtype=np.float64) * drawn[-1]
        fits = pairs.max(initial=0) <= np.iinfo(np.int32).max
        weights = wanted if fits else wanted.astype(np.float64)
        return _divide(np.einsum("er,er->r", weights, drawn[:-1]), pairs)

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


def mean_of_finite(scores: FloatArray) -> FloatArray:
    """Return the (r,) mean over the finite entries of (t, r) scores, NaN where there is none."""
    finite = np.isfinite(scores)
    return _divide(np.where(finite, scores, 0.0).sum(axis=0), finite.sum(axis=0))
