"""Retrieval: at which rank a query finds its partner, and what chance would give.

A query has one partner in a gallery of m. Ties are broken by chance: a query whose partner shares
its place with others gets the mean over these ranks, so equal similarities score what chance does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import interval
from chmr_bench.statistics.resampling import N_REPLICATES, multiplicities
from chmr_bench.types import FloatArray, IntArray

SUMMARY = "mrr"
"""The one measure that a verdict rests on: several would be several tries."""
MEASURES: Mapping[str, str] = MappingProxyType(
    {"hit@1": "hit@1 %", "hit@5": "hit@5 %", "hit@10": "hit@10 %", "mrr": "MRR", "ndcg": "NDCG"}
)
"""Name -> heading."""


@dataclass(frozen=True)
class Ranks:
    """The ranks that q queries may have found their partners at, from 1 on.

    Attributes
    ----------
    first, last : IntArray
        (q,) equal where no other item of the gallery is as similar.
    gallery : IntArray
        (q,) items that each query was compared with.
    """

    first: IntArray
    last: IntArray
    gallery: IntArray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class RetrievalScore:
    """A measure from 0 to 1: its mean over queries, the 95 % interval, and its mean by chance."""

    measure: str
    score: float
    low: float
    high: float
    chance: float

    @property
    def verdict(self) -> str:
        """Return ``above`` or ``below`` where the interval excludes chance, else ``chance``."""
        if self.low > self.chance:
            return "above"
        return "below" if self.high < self.chance else "chance"


@dataclass(frozen=True)
class MrrGain:
    """What a model gains over a control, with its 95 % interval."""

    gain: float
    low: float
    high: float


def ranks_of(similarity: FloatArray, partner: IntArray) -> Ranks:
    """Return where each query finds its partner.

    Parameters
    ----------
    similarity : FloatArray
        (q, m), finite; the most similar item has rank 1.
    partner : IntArray
        (q,) column of each query's partner.

    Examples
    --------
    >>> ranks = ranks_of(np.array([[0.9, 0.1, 0.5], [0.2, 0.2, 0.2]]), np.array([2, 0]))
    >>> ranks.first.tolist(), ranks.last.tolist()
    ([2, 1], [2, 3])
    """
    own = similarity[np.arange(len(similarity)), partner][:, None]
    first = 1 + (similarity > own).sum(axis=1)
    last = first + (similarity == own).sum(axis=1) - 1
    return Ranks(first, last, np.full(len(similarity), similarity.shape[1]))


def together(parts: list[Ranks]) -> Ranks:
    """Return the queries of several galleries as one."""
    return Ranks(
        first=np.concatenate([part.first for part in parts]),
        last=np.concatenate([part.last for part in parts]),
        gallery=np.concatenate([part.gallery for part in parts]),
    )


def retrieval_scores(ranks: Ranks, n_replicates: int = N_REPLICATES) -> list[RetrievalScore]:
    """Return each of `MEASURES`; the interval is the bootstrap's over queries.

    Parameters
    ----------
    ranks : Ranks
        Of one query a molecule.

    Raises
    ------
    DataError
        There is no query.
    """
    n = len(ranks)
    if not n:
        raise DataError("no query to score; expected one pair of molecule and profile at least")
    gains, chances = query_gains(ranks), query_gains(_by_chance(ranks))  # (5, n)
    replicates = _resampled_means(gains, n_replicates)
    scores = []
    for measure, own, drawn, chance in zip(MEASURES, gains, replicates, chances, strict=True):
        score = float(own.mean())
        low, high = interval(drawn, score=score, metric="average_precision", n_effective=n)
        scores.append(RetrievalScore(measure, score, low, high, float(chance.mean())))
    return scores


def mrr_gain(ranks: Ranks, control: Ranks) -> MrrGain:
    """Return the MRR less that of a control on the same queries; the bootstrap is over queries.

    Parameters
    ----------
    ranks, control : Ranks
        Of the same queries, in the same order.

    Raises
    ------
    DataError
        The two are not of as many queries.

    Examples
    --------
    >>> first, last = ranks_of(np.eye(3), np.arange(3)), ranks_of(-np.eye(3), np.arange(3))
    >>> round(mrr_gain(first, last).gain, 3)
    0.667
    """
    n = len(ranks)
    if len(control) != n or not n:
        raise DataError(f"{n} queries and {len(control)} of the control; expected the same ones")
    row = list(MEASURES).index(SUMMARY)
    gains = query_gains(ranks)[row] - query_gains(control)[row]  # (n,)
    low, high = np.percentile(_resampled_means(gains, N_REPLICATES), [2.5, 97.5])
    return MrrGain(float(gains.mean()), float(low), float(high))


def query_gains(ranks: Ranks) -> FloatArray:
    """Return what each query gains of each measure, (5, q): its mean over the ranks it may have."""
    most = int(max(ranks.last.max(), 1))
    at = np.arange(1, most + 1)
    table = np.stack([at <= 1, at <= 5, at <= 10, 1 / at, 1 / np.log2(1 + at)]).astype(np.float64)
    sums = np.concatenate([np.zeros((len(table), 1)), np.cumsum(table, axis=1)], axis=1)
    total = sums[:, ranks.last] - sums[:, ranks.first - 1]
    return np.asarray(total / (ranks.last - ranks.first + 1))


def _resampled_means(gains: FloatArray, n_replicates: int) -> FloatArray:
    """Return the means of (..., q) gains over resampled queries, (..., n_replicates)."""
    n = gains.shape[-1]
    blocks = multiplicities(n, n_replicates, seed=0)
    return np.concatenate([gains @ w / n for w in blocks], axis=-1)


def _by_chance(ranks: Ranks) -> Ranks:
    """Return the ranks of queries that tell nothing: each may be anywhere in its gallery."""
    return Ranks(np.ones_like(ranks.gallery), ranks.gallery, ranks.gallery)
