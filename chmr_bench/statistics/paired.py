"""The difference between two models that predicted the same test molecules.

Two things make such a difference uncertain: which molecules happened to be in the test set, and
which seeds the models happened to be trained with. A bootstrap of the test molecules sees the
first alone; the spread over seeds sees the second.

The squared standard error of a mean difference over S seeds is

    V_molecules (variance of the seed-mean difference over resamples of the test molecules)
    + V_seeds   (s^2 / S of the differences on the whole test set)

A seed's effect on single molecules is in both, so the sum is a little too large, never too small.
The two parts have m - 1 and S - 1 degrees of freedom, m of the molecules being of the rarer class,
or labelled (`units.telling_units`), and the quantile of t is their mean, weighted
by the parts (Cochran and Cox, Experimental Designs, 1957, section 4.14). Satterthwaite's degrees of
freedom rejected true nulls in up to 13 % of simulations at two seeds with strong seed noise; this
keeps to 5 % (tests/unit/statistics/test_false_positives.py). The price is power at two or three
seeds: five or more are worth their time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import LEVEL
from chmr_bench.statistics.units import shortfall
from chmr_bench.types import FloatArray

LEAST_P = 1e-100
"""Smaller p are not told apart: quantiles of t cannot be computed there."""
ONE_SEED = "one seed: how much another seed would move it is not in the interval"
TOO_FEW = "no interval: the score rests on a single test molecule (of the rarer class, or labelled)"
NOTHING_VARIED = "no interval: the difference is the same in every resample, split and seed"
NO_REPLICATE = "no interval: too few resamples can be scored"


@dataclass(frozen=True)
class Runs:
    """Runs of one model on one test set, one a seed.

    Attributes
    ----------
    scores : (s,) on the whole test set, in the metric's unit.
    replicates : (s, r) on the same r resamples of the test molecules; NaN = cannot be scored.
    seeds : (s,) of the runs; ``(None,)`` for a model that draws nothing.
    n_units : what was resampled (molecules, or clusters of them), None = many.
    n_telling : on how many of them the score rests (`telling_units`), None = on all.
    """

    scores: FloatArray
    replicates: FloatArray
    seeds: tuple[int | None, ...]
    n_units: int | None = None
    n_telling: float | None = None

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
    mean : of the differences on the whole test set, over seeds; or over splits.
    low, high : ends of the interval; NaN where there is none, and `note` says why.
    p : two-sided, of a true difference of zero; NaN where there is no interval.
    se : standard error of `mean`, NaN where it is not known.
    df : degrees of freedom of the t distribution with the same quantile; infinite for a normal one.
    n_pairs : pairs of runs, or splits.
    se_molecules, se_seeds : the parts of `se` from the choice of test molecules and of seeds; NaN
        over splits, which do not tell them apart.
    over_splits : whether the split is the unit.
    note : what the interval does not hold, or why there is none; "" where it holds all.
    """

    mean: float
    low: float
    high: float
    p: float
    se: float
    df: float
    n_pairs: int
    se_molecules: float = math.nan
    se_seeds: float = math.nan
    over_splits: bool = False
    note: str = ""

    @property
    def in_errors(self) -> float:
        """Return `mean` in units of its standard error, which no change of the unit moves.

        0 where both are 0, NaN where the error is not known.
        """
        if math.isnan(self.p):
            return math.nan
        return self.mean / self.se if self.se else 0.0

    def turned(self) -> Difference:
        """Return b minus a."""
        return replace(self, mean=-self.mean, low=-self.high, high=-self.low)


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
    units = _least(a.n_units, b.n_units)
    telling = min(units, _least(a.n_telling, b.n_telling))
    of_molecules = _variance(replicates.mean(axis=0)) * shortfall(units, telling)
    of_seeds = float(scores.var(ddof=1)) / n_pairs if n_pairs > 1 else 0.0
    law = MixedT((of_molecules, of_seeds), (telling - 1, n_pairs - 1))
    low, high, p = law.test(mean, level)
    found = Difference(
        mean,
        low,
        high,
        p,
        law.error,
        law.df(level),
        n_pairs,
        se_molecules=math.sqrt(of_molecules),
        se_seeds=math.sqrt(of_seeds),
    )
    if math.isnan(p):
        return replace(found, note=why_none(law, telling))
    return replace(found, note=ONE_SEED if n_pairs == 1 and (a.drawn or b.drawn) else "")


def _least(*numbers: float | None) -> float:
    """Return the least of the known numbers, infinite where none is known."""
    return min((n for n in numbers if n is not None), default=math.inf)


@dataclass(frozen=True)
class MixedT:
    """The law of a mean over its standard error, whose square is a sum of estimated variances.

    Attributes
    ----------
    variances : the parts; NaN = unknown.
    degrees : of freedom of each, infinite = known exactly; 0 or less = of one value, whose variance
        nobody knows. A part of variance 0 counts for nothing.
    """

    variances: tuple[float, ...]
    degrees: tuple[float, ...]

    @property
    def error(self) -> float:
        """Return the standard error; NaN where a part is not known."""
        parts = zip(self.variances, self.degrees, strict=True)
        if any(v > 0 and df <= 0 for v, df in parts):
            return math.nan
        return math.sqrt(math.fsum(self.variances))

    def quantile(self, p: float) -> float:
        """Return what the absolute value exceeds with probability p."""
        total = math.fsum(self.variances)
        parts = [
            (v / total, df) for v, df in zip(self.variances, self.degrees, strict=True) if v > 0
        ]
        return math.fsum(share * upper_quantile(p / 2, df) for share, df in parts)

    def test(self, mean: float, level: float = LEVEL) -> tuple[float, float, float]:
        """Return (low, high, two-sided p of zero); NaN where a variance is not known.

        A difference that never varied is not certain: its variance could not be seen. None at all
        that never varied is none.
        """
        error = self.error
        if math.isnan(error) or (error == 0 and mean != 0):
            return math.nan, math.nan, math.nan
        if error == 0:
            return 0.0, 0.0, 1.0
        half = self.quantile(1 - level) * error
        return mean - half, mean + half, self._p(abs(mean) / error)

    def df(self, level: float = LEVEL) -> float:
        """Return the degrees of freedom of the t distribution with the same quantile."""
        known = [df for v, df in zip(self.variances, self.degrees, strict=True) if v > 0]
        if math.isnan(self.error):
            return math.nan
        if not known or min(known) == max(known):
            return min(known, default=math.inf)
        wanted = self.quantile(1 - level)
        tail = (1 - level) / 2
        if wanted <= upper_quantile(tail, 1e9):
            return math.inf
        low, high = math.log(min(known)), math.log(1e9)
        return math.exp(_crossing(lambda x: upper_quantile(tail, math.exp(x)) - wanted, low, high))

    def _p(self, t: float) -> float:
        if t == 0:
            return 1.0
        if self.quantile(LEAST_P) <= t:
            return LEAST_P
        return math.exp(_crossing(lambda x: self.quantile(math.exp(x)) - t, math.log(LEAST_P), 0.0))


def upper_quantile(p: float, df: float) -> float:
    """Return what a t variable of `df` degrees of freedom exceeds with probability p."""
    from scipy import special

    return -float(special.ndtri(p) if math.isinf(df) else special.stdtrit(df, p))


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses zero between `low` and `high`."""
    if falling(low) <= 0:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


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
    return spread(finite) if len(finite) > 1 else math.nan


def spread(values: FloatArray) -> float:
    """Return the sample variance of two values or more, 0 where it is rounding alone."""
    found = float(values.var(ddof=1))
    return 0.0 if found < 1e-24 * float(np.square(values).max()) else found


def why_none(law: MixedT, telling: float = math.inf) -> str:
    """Return why there is no interval."""
    if telling <= 1:
        return TOO_FEW
    return NOTHING_VARIED if law.error == 0 else NO_REPLICATE
