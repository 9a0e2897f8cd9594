"""On how many test rows the scores on record rest."""

from __future__ import annotations

from chmr_bench.records import Metrics, Record
from chmr_bench.statistics import Runs, telling_units
from chmr_bench.types import FloatArray


def runs_of(
    record: Record, scores: FloatArray, replicates: FloatArray, seeds: tuple[int | None, ...]
) -> Runs:
    """Return runs on the test rows of a record, which stands for all of them."""
    telling = None if record.metrics is None else telling_rows(record.metrics)
    return Runs(scores, replicates, seeds, record.split.n_test, telling)


def telling_rows(metrics: Metrics) -> float:
    """Return on how many test rows the score rests; rows of one molecule count each."""
    tasks = [t for t in metrics.per_task if t.evaluable]
    return telling_units([t.n if t.n_minority is None else t.n_minority for t in tasks])
