"""Named models against a baseline, on stored predictions: intervals, tests, tables, pictures."""

from __future__ import annotations

from chmr_bench.report.comparison.files import as_dict, write
from chmr_bench.report.comparison.overall import CV5X5
from chmr_bench.report.comparison.results import Comparison, compare
from chmr_bench.report.comparison.selection import Query
from chmr_bench.report.comparison.tables import grids

__all__ = ["CV5X5", "Comparison", "Query", "as_dict", "compare", "grids", "write"]
