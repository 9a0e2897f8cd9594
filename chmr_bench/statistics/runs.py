"""Runs of one model on one test set, and the interval of their mean score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import interval
from chmr_bench.types import FloatArray, MetricName


@dataclass(frozen=True)
class Runs:
    """Runs of one model on one test set, one a seed.

    Attributes
    ----------
    scores : (s,)
        On all test molecules, in the metric's unit.
    replicates : (s, r)
        On the same r resamples of the test molecules; NaN = cannot be scored.
    seeds : (s,)
        Of the runs; ``(None,)`` for a model that draws nothing.
    metric : MetricName
        Says between which values a score can lie.
    n_units : int or None
        What was resampled (molecules, or clusters of them), None = many.
    n_effective : float or None
        On how many of them the score rests (`effective_sample_size`), None = on all.
    """

    scores: FloatArray
    replicates: FloatArray
    seeds: tuple[int | None, ...]
    metric: MetricName
    n_units: int | None = None
    n_effective: float | None = None

    def __post_init__(self) -> None:
        shape = self.replicates.shape
        if len(shape) != 2 or self.scores.shape != shape[:1] or len(self.seeds) != shape[0]:
            raise DataError(
                f"scores {self.scores.shape}, replicates {shape} and {len(self.seeds)} seeds do "
                "not fit; expected (s,), (s, r) and s"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise DataError(f"seeds {self.seeds}: expected at least one, each once")

    @property
    def drawn(self) -> bool:
        """Return whether another seed gives other predictions."""
        return self.seeds != (None,)

    @property
    def effective(self) -> float:
        """Return the effective sample size, infinite where it is not known."""
        sizes = [n for n in (self.n_units, self.n_effective) if n is not None]
        return float(min(sizes, default=math.inf))


def score_interval(runs: Runs) -> tuple[float, float]:
    """Return the interval of the mean score over seeds; (NaN, NaN) where there is none.

    It holds the choice of test molecules, not that of seeds.
    """
    return interval(
        np.asarray(runs.replicates, dtype=np.float64).mean(axis=0),
        score=float(runs.scores.mean()),
        metric=runs.metric,
        n_effective=runs.effective,
        n_units=math.inf if runs.n_units is None else runs.n_units,
    )
