"""Intervals by resampling test molecules, paired differences, and ranks."""

from __future__ import annotations

from chmr_bench.statistics.intervals import LEVEL, interval, mean_over_seeds, paired_interval
from chmr_bench.statistics.paired import Difference, Runs, paired_difference
from chmr_bench.statistics.ranks import ranks_with_ties
from chmr_bench.statistics.resampling import Bootstrap, bootstrap, multiplicities
from chmr_bench.statistics.scorers import Drawn

__all__ = [
    "LEVEL",
    "Bootstrap",
    "Difference",
    "Drawn",
    "Runs",
    "bootstrap",
    "interval",
    "mean_over_seeds",
    "multiplicities",
    "paired_difference",
    "paired_interval",
    "ranks_with_ties",
]
