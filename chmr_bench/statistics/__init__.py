"""Intervals by resampling test molecules, paired differences, ranks and tests over datasets."""

from __future__ import annotations

from chmr_bench.statistics.across import (
    EXACT_UP_TO,
    Friedman,
    cliques,
    critical_difference,
    dataset_ranks,
    friedman,
    signed_rank_p,
)
from chmr_bench.statistics.families import datasets_needed, holm, smallest_p
from chmr_bench.statistics.intervals import LEVEL, interval, mean_over_seeds, paired_interval
from chmr_bench.statistics.paired import ONE_SEED, Difference, Runs, paired_difference
from chmr_bench.statistics.ranks import ranks_with_ties
from chmr_bench.statistics.repeated import (
    RepeatedMeasures,
    TukeyPair,
    repeated_measures,
    tukey_pairs,
)
from chmr_bench.statistics.resampled import corrected_resampled
from chmr_bench.statistics.resampling import Bootstrap, bootstrap, multiplicities
from chmr_bench.statistics.scorers import Drawn
from chmr_bench.statistics.units import counts_of, telling_units

__all__ = [
    "EXACT_UP_TO",
    "LEVEL",
    "ONE_SEED",
    "Bootstrap",
    "Difference",
    "Drawn",
    "Friedman",
    "RepeatedMeasures",
    "Runs",
    "TukeyPair",
    "bootstrap",
    "cliques",
    "corrected_resampled",
    "counts_of",
    "critical_difference",
    "dataset_ranks",
    "datasets_needed",
    "friedman",
    "holm",
    "interval",
    "mean_over_seeds",
    "multiplicities",
    "paired_difference",
    "paired_interval",
    "ranks_with_ties",
    "repeated_measures",
    "signed_rank_p",
    "smallest_p",
    "telling_units",
    "tukey_pairs",
]
