"""On how many test rows the scores on record rest."""

from __future__ import annotations

from chmr_bench.records import Record
from chmr_bench.statistics import Runs, telling_units
from chmr_bench.types import FloatArray


def runs_of(
    record: Record, scores: FloatArray, replicates: FloatArray, seeds: tuple[int | None, ...]
) -> Runs:
    """Return runs on the test rows of a record, which stands for all of them."""
    telling = None if record.metrics is None else telling_units(record.metrics.counts)
    return Runs(scores, replicates, seeds, record.split.n_test, telling)
