"""Intervals by resampling test molecules, paired differences, ranks and tests over datasets."""

from __future__ import annotations

from chmr_bench.statistics.across import (
    EXACT_UP_TO,
    Friedman,
    cliques,
    critical_difference,
    dataset_ranks,
    datasets_needed,
    friedman,
    holm,
    signed_rank_p,
    smallest_p,
)
from chmr_bench.statistics.effective import effective_sample_size, molecule_counts
from chmr_bench.statistics.intervals import ENOUGH, LEVEL, interval, mean_over_seeds
from chmr_bench.statistics.paired import ONE_SEED, Difference, paired_difference
from chmr_bench.statistics.ranks import ranks_with_ties
from chmr_bench.statistics.repeated import (
    RepeatedMeasures,
    TukeyPair,
    repeated_measures,
    tukey_pairs,
)
from chmr_bench.statistics.resampled import corrected_resampled, resampled_interval
from chmr_bench.statistics.resampling import Bootstrap, bootstrap, multiplicities
from chmr_bench.statistics.runs import Runs, score_interval

__all__ = [
    "ENOUGH",
    "EXACT_UP_TO",
    "LEVEL",
    "ONE_SEED",
    "Bootstrap",
    "Difference",
    "Friedman",
    "RepeatedMeasures",
    "Runs",
    "TukeyPair",
    "bootstrap",
    "cliques",
    "corrected_resampled",
    "critical_difference",
    "dataset_ranks",
    "datasets_needed",
    "effective_sample_size",
    "friedman",
    "holm",
    "interval",
    "mean_over_seeds",
    "molecule_counts",
    "multiplicities",
    "paired_difference",
    "ranks_with_ties",
    "repeated_measures",
    "resampled_interval",
    "score_interval",
    "signed_rank_p",
    "smallest_p",
    "tukey_pairs",
]
