"""The difference between two models that predicted the same test molecules.

Two things make such a difference uncertain: which molecules happened to be in the test set, and
which seeds the models happened to be trained with. A bootstrap of the test molecules sees the
first alone; the spread over seeds sees the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import LEVEL
from chmr_bench.types import FloatArray

ONE_SEED = "one seed: how much another seed would move it is not in the interval"


@dataclass(frozen=True)
class Runs:
    """Runs of one model on one test set, one a seed.

    Attributes
    ----------
    scores : (s,) on the whole test set, in the metric's unit.
    replicates : (s, r) on the same r resamples of the test molecules; NaN = cannot be scored.
    seeds : (s,) of the runs; ``(None,)`` for a model that draws nothing.
    n_units : what was resampled (molecules, or clusters of them), None = many.
    """

    scores: FloatArray
    replicates: FloatArray
    seeds: tuple[int | None, ...]
    n_units: int | None = None

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


@dataclass(frozen=True)
class Difference:
    """Model a minus model b, in the metric's unit.

    Attributes
    ----------
    mean : of the differences on the whole test set, over seeds.
    low, high : ends of the interval; NaN where no replicate could be scored.
    p : two-sided, of a true difference of zero.
    se_molecules, se_seeds : standard errors of `mean` from the choice of test molecules and of
        seeds.
    df : degrees of freedom of the t distribution, infinite for a normal one.
    n_pairs : pairs of runs.
    note : what the interval does not hold, "" where it holds all.
    """

    mean: float
    low: float
    high: float
    p: float
    se_molecules: float
    se_seeds: float
    df: float
    n_pairs: int
    note: str = ""


def paired_difference(a: Runs, b: Runs, level: float = LEVEL) -> Difference:
    """Return a minus b, paired over seeds and over resamples of the test molecules.

    A model that draws nothing is paired with every seed of the other.

    Raises
    ------
    DataError : the runs have other seeds, or another number of replicates.
    """
    scores, replicates = _paired(a, b)
    n_pairs = len(scores)
    mean = float(scores.mean())
    units = min((u for u in (a.n_units, b.n_units) if u is not None), default=None)
    of_molecules = _variance(replicates.mean(axis=0))
    of_seeds = float(scores.var(ddof=1)) / n_pairs if n_pairs > 1 else 0.0
    df = _degrees([(of_molecules, units and units - 1), (of_seeds, n_pairs - 1)])
    low, high, p = t_interval(mean, math.sqrt(of_molecules + of_seeds), df, level)
    note = ONE_SEED if n_pairs == 1 and (a.drawn or b.drawn) else ""
    return Difference(
        mean, low, high, p, math.sqrt(of_molecules), math.sqrt(of_seeds), df, n_pairs, note
    )


def t_interval(
    mean: float, error: float, df: float, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return (low, high, two-sided p) of a mean with a standard error; NaN where it has none."""
    from scipy import stats

    if math.isnan(error):
        return math.nan, math.nan, math.nan
    if error == 0:
        return mean, mean, 1.0 if mean == 0 else 0.0
    law = stats.norm() if math.isinf(df) else stats.t(df)
    half = float(law.ppf(0.5 + level / 2)) * error
    return mean - half, mean + half, 2.0 * float(law.sf(abs(mean) / error))


def _paired(a: Runs, b: Runs) -> tuple[FloatArray, FloatArray]:
    """Return the (s,) differences and their (s, r) replicates."""
    if a.replicates.shape[1] != b.replicates.shape[1]:
        raise DataError(
            f"{a.replicates.shape[1]} and {b.replicates.shape[1]} replicates are not paired"
        )
    if a.drawn and b.drawn and set(a.seeds) != set(b.seeds):
        raise DataError(
            f"seeds {_told(a.seeds)} and {_told(b.seeds)} are not paired; run both with the same"
        )
    if a.drawn and b.drawn:
        place = {seed: i for i, seed in enumerate(b.seeds)}
        order = [place[seed] for seed in a.seeds]
        return a.scores - b.scores[order], a.replicates - b.replicates[order]
    return a.scores - b.scores, a.replicates - b.replicates


def _told(seeds: Sequence[int | None]) -> str:
    return ", ".join("none" if s is None else str(s) for s in seeds)


def _variance(replicates: FloatArray) -> float:
    """Return the sample variance of the finite replicates, NaN below two."""
    finite = replicates[np.isfinite(replicates)]
    return float(finite.var(ddof=1)) if len(finite) > 1 else math.nan


def _degrees(parts: Sequence[tuple[float, int | None]]) -> float:
    """Return the degrees of freedom of a sum of variances (Satterthwaite, Biometrics 1946)."""
    total = sum(v for v, _ in parts)
    below = sum(v**2 / df for v, df in parts if df and v > 0)
    return total**2 / below if below > 0 else math.inf
