"""On how many test rows the scores on record rest."""

from __future__ import annotations

from chmr_bench.records import Record
from chmr_bench.statistics import Runs, effective_sample_size
from chmr_bench.types import FloatArray


def runs_of(
    record: Record, scores: FloatArray, replicates: FloatArray, seeds: tuple[int | None, ...]
) -> Runs:
    """Return runs on the test rows of a record, which stands for all of them."""
    metrics = record.metrics
    metric = record.dataset.metric if metrics is None else metrics.metric
    n_effective = None if metrics is None else metrics.n_effective
    if metrics is not None and n_effective is None:  # written before it was stored
        n_effective = effective_sample_size(metrics.counts)
    return Runs(scores, replicates, seeds, metric, record.split.n_test, n_effective)
