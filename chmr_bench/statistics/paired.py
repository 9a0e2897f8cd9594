"""The difference between two models that predicted the same test molecules.

Two things make such a difference uncertain: which molecules happened to be in the test set, and
which seeds the models happened to be trained with. A bootstrap of the test molecules sees the
first alone; the spread over seeds sees the second.

The squared standard error of a mean difference over S seeds is

    V_molecules (variance of the seed-mean difference over resamples of the test molecules)
    + V_seeds   (s^2 / S of the differences on the whole test set)

A seed's effect on single molecules is in both, so the sum is a little too large, never too small.
The two parts have m - 1 and S - 1 degrees of freedom, m being the effective sample size
(`effective_sample_size`), and the quantile of t is their mean, weighted by the parts (Cochran and
Cox, Experimental Designs, 1957, section 4.14). Satterthwaite's degrees of freedom rejected true
nulls in up to 13 % of simulations at two seeds with strong seed noise; this keeps to 5 %
(tests/unit/statistics/test_false_positives.py). The price is power at two or three seeds: five or
more are worth their time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.effective import TOO_SMALL, variance_factor
from chmr_bench.statistics.intervals import LEVEL, SHARES
from chmr_bench.statistics.runs import Runs
from chmr_bench.types import FloatArray

LEAST_P = 1e-100
"""Smaller p are not distinguished: quantiles of t cannot be computed there."""
ONE_SEED = "one seed: how much another seed would move it is not in the interval"
TOO_FEW = (
    "no interval: the score rests on one or two test molecules (of the rarer class, or labelled)"
)
NOTHING_VARIED = "no interval: the difference is the same in every resample, split and seed"
NO_REPLICATE = "no interval: too few resamples can be scored"


@dataclass(frozen=True)
class Difference:
    """Model a minus model b, in the metric's unit.

    Attributes
    ----------
    mean : float
        Of the differences on all test molecules, over seeds; or over splits.
    low, high : float
        Ends of the interval; NaN where there is none, and `note` says why.
    p : float
        Two-sided, of a true difference of zero; NaN where there is no interval.
    se : float
        Standard error of `mean`, NaN where it is not known.
    df : float
        Degrees of freedom of the t distribution with the same quantile; infinite for a normal one.
    n_pairs : int
        Pairs of runs, or splits.
    se_molecules, se_seeds : float
        Parts of `se` from the choice of test molecules and of seeds; NaN over splits, which do not
        tell them apart.
    over_splits : bool
        Whether the split is the unit.
    note : str
        What the interval does not hold, or why there is none; "" where it holds all.
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


def paired_difference(a: Runs, b: Runs) -> Difference:
    """Return a minus b, paired over seeds and over resamples of the test molecules.

    A model that draws nothing is paired with every seed of the other. The interval ends where the
    metric does: two ROC-AUCs differ by no more than 1.

    Raises
    ------
    DataError
        The runs have other seeds, or another number of replicates.
    """
    mean, law, n_pairs = _law(a, b)
    low, high = _within_metric(a, law.interval(mean))
    p = law.p(mean)
    if math.isnan(p):
        note = why_none(law, min(a.effective, b.effective))
    else:
        note = ONE_SEED if n_pairs == 1 and (a.drawn or b.drawn) else ""
    of_molecules, of_seeds = map(math.sqrt, law.variances)
    return Difference(
        mean,
        low,
        high,
        p,
        law.error,
        law.df(),
        n_pairs,
        se_molecules=of_molecules,
        se_seeds=of_seeds,
        note=note,
    )


def _law(a: Runs, b: Runs) -> tuple[float, MixedT, int]:
    """Return the mean difference, the law of its error, and the number of pairs."""
    scores, replicates = _paired(a, b)
    n_pairs = len(scores)
    n_units = min((n for n in (a.n_units, b.n_units) if n is not None), default=math.inf)
    n_effective = min(a.effective, b.effective)
    of_molecules = math.nan
    if n_effective > TOO_SMALL:
        of_molecules = _variance(replicates.mean(axis=0)) * variance_factor(n_units, n_effective)
    of_seeds = float(scores.var(ddof=1)) / n_pairs if n_pairs > 1 else 0.0
    law = MixedT((of_molecules, of_seeds), (n_effective - 1, n_pairs - 1))
    return float(scores.mean()), law, n_pairs


def _within_metric(runs: Runs, ends: tuple[float, float]) -> tuple[float, float]:
    widest = 1.0 if runs.metric in SHARES else math.inf
    return max(ends[0], -widest), min(ends[1], widest)  # NaN stays NaN


@dataclass(frozen=True)
class MixedT:
    """The law of a mean over its standard error, whose square is a sum of estimated variances.

    Attributes
    ----------
    variances : tuple of float
        The parts; NaN = unknown.
    degrees : tuple of float
        Of freedom of each, infinite = known exactly; 0 or less = of one value, whose variance
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

    def interval(self, mean: float) -> tuple[float, float]:
        """Return (low, high); NaN where a variance is not known.

        A difference that never varied is not certain: its variance could not be seen. None at all
        that never varied is none.
        """
        error = self.error
        if math.isnan(error) or (error == 0 and mean != 0):
            return math.nan, math.nan
        half = self.quantile(1 - LEVEL) * error if error else 0.0
        return mean - half, mean + half

    def p(self, mean: float) -> float:
        """Return the two-sided p of zero; NaN where `interval` is."""
        error = self.error
        if math.isnan(error) or (error == 0 and mean != 0):
            return math.nan
        t = abs(mean) / error if error else 0.0
        if t == 0:
            return 1.0
        if self.quantile(LEAST_P) <= t:
            return LEAST_P
        return math.exp(_crossing(lambda x: self.quantile(math.exp(x)) - t, math.log(LEAST_P), 0.0))

    def df(self) -> float:
        """Return the degrees of freedom of the t distribution with the same quantile."""
        known = [df for v, df in zip(self.variances, self.degrees, strict=True) if v > 0]
        if math.isnan(self.error):
            return math.nan
        if not known or min(known) == max(known):
            return min(known, default=math.inf)
        wanted = self.quantile(1 - LEVEL)
        tail = (1 - LEVEL) / 2
        if wanted <= upper_quantile(tail, 1e9):
            return math.inf
        low, high = math.log(min(known)), math.log(1e9)
        return math.exp(_crossing(lambda x: upper_quantile(tail, math.exp(x)) - wanted, low, high))


def upper_quantile(p: float, df: float) -> float:
    """Return what a t variable of `df` degrees of freedom exceeds with probability p."""
    from scipy import special

    return -float(special.ndtri(p) if math.isinf(df) else special.stdtrit(df, p))


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses zero between `low` and `high`."""
    from scipy import optimize

    if falling(low) <= 0:
        return low
    return float(optimize.brentq(falling, low, high, xtol=1e-14)) if falling(high) < 0 else high


def _paired(a: Runs, b: Runs) -> tuple[FloatArray, FloatArray]:
    """Return the (s,) differences and their (s, r) replicates."""
    if a.replicates.shape[1] != b.replicates.shape[1]:
        raise DataError(
            f"{a.replicates.shape[1]} and {b.replicates.shape[1]} replicates are not paired"
        )
    if a.drawn and b.drawn and set(a.seeds) != set(b.seeds):
        raise DataError(
            f"seeds {_listed(a.seeds)} and {_listed(b.seeds)} are not paired; run both with the "
            "same"
        )
    if a.drawn and b.drawn:
        place = {seed: i for i, seed in enumerate(b.seeds)}
        order = [place[seed] for seed in a.seeds]
        return a.scores - b.scores[order], a.replicates - b.replicates[order]
    return a.scores - b.scores, a.replicates - b.replicates


def _listed(seeds: Sequence[int | None]) -> str:
    return ", ".join("none" if s is None else str(s) for s in seeds)


def _variance(replicates: FloatArray) -> float:
    """Return the sample variance of the finite replicates, NaN below two."""
    finite = replicates[np.isfinite(replicates)]
    return spread(finite) if len(finite) > 1 else math.nan


def spread(values: FloatArray) -> float:
    """Return the sample variance of two values or more, 0 where it is rounding alone."""
    variance = float(values.var(ddof=1))
    return 0.0 if variance < 1e-24 * float(np.square(values).max()) else variance


def why_none(law: MixedT, n_effective: float = math.inf) -> str:
    """Return why there is no interval."""
    if n_effective <= TOO_SMALL:
        return TOO_FEW
    return NOTHING_VARIED if law.error == 0 else NO_REPLICATE
