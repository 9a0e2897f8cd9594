"""What a sweep found: a row a model and dataset, over the seeds, and over the splits.

Runs are of one row only where all but the seed is the same: two files of one name are two datasets.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chmr_bench.errors import DataError, RecordError
from chmr_bench.records import Record, RecordStore, canonical_json
from chmr_bench.records.pretrained import making_of_row, n_test_seen, pretrained_on
from chmr_bench.statistics import effective_sample_size, interval, mean_over_seeds


@dataclass(frozen=True)
class ResultRow:
    """One model on one dataset and split.

    Attributes
    ----------
    mean, sd : of the macro score over seeds; sd is None for one run.
    low, high : 95 % bootstrap interval over test molecules, of the mean over seeds.
    overrides : settings that the user changed.
    origin : the dataset's file, where another dataset among the rows has the same name.
    n_dropped : source rows left out on the user's order.
    pretrained_on : what the weights were made from, "" where the model starts from none.
    n_test_seen : test molecules that the weights learnt from, without labels; the most of any run.
    split_seed : None where the split was not drawn.
    """

    model: str
    dataset: str
    split: str
    metric: str
    n_runs: int
    n_failed: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n_evaluable: int
    n_tasks: int
    synthetic: bool
    deterministic: bool
    seconds: float
    dataset_digest: str
    overrides: Mapping[str, Any]
    origin: str = ""
    n_dropped: int = 0
    pretrained_on: str = ""
    n_test_seen: int | None = None
    split_seed: int | None = None


@dataclass(frozen=True)
class SplitsRow:
    """One model on one dataset over several drawn splits: the split is the unit of variation.

    Attributes
    ----------
    by_split : a row a split, each over its own seeds.
    mean, sd : over the splits, of each split's mean; sd is None for one split.
    low, high : of the splits' means, the lowest and the highest: no confidence interval.
    n_splits, n_failed : splits with a score, and splits without any.
    """

    by_split: tuple[ResultRow, ...]
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n_splits: int
    n_failed: int


def over_splits(records: Iterable[Record], store: RecordStore) -> list[SplitsRow]:
    """Return a row a model with its settings and dataset, in the order first met."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        groups.setdefault((*_key(record)[:-1], record.split.name), []).append(record)
    return [_over_splits(rows(group, store)) for group in groups.values()]


def _over_splits(by_split: Sequence[ResultRow]) -> SplitsRow:
    means = [row.mean for row in by_split if row.mean is not None]
    return SplitsRow(
        by_split=tuple(by_split),
        mean=statistics.fmean(means) if means else None,
        sd=statistics.stdev(means) if len(means) > 1 else None,
        low=min(means, default=None),
        high=max(means, default=None),
        n_splits=len(means),
        n_failed=len(by_split) - len(means),
    )


def rows(records: Iterable[Record], store: RecordStore) -> list[ResultRow]:
    """Return a row a model with its settings, dataset and split, in the order first met."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(_key(record), []).append(record)
    datasets = {_dataset(group[0]) for group in groups.values()}
    shared = Counter(name for name, *_ in datasets)
    return [
        _row(group, store, is_shared=shared[group[0].dataset.name] > 1) for group in groups.values()
    ]


def _dataset(record: Record) -> tuple[str, ...]:
    return record.dataset.name, record.dataset.digest, record.dataset.metric


def _key(record: Record) -> tuple[str, ...]:
    """Return what the runs of one row share."""
    how = canonical_json(
        [
            record.model.params,
            making_of_row(record),
            record.precision,
            record.resources.device,
        ]
    )
    return (*_dataset(record), record.model.id, how, record.split.digest)


def _row(group: list[Record], store: RecordStore, *, is_shared: bool) -> ResultRow:
    first = group[0]
    good = [r for r in group if r.metrics is not None and r.metrics.macro is not None]
    scores = [r.metrics.macro for r in good if r.metrics and r.metrics.macro is not None]
    low, high = _interval(good, store)
    metrics = good[0].metrics if good else None
    return ResultRow(
        model=first.model.id,
        dataset=first.dataset.name,
        split=first.split.name,
        metric=metrics.metric if metrics else "",
        n_runs=len(scores),
        n_failed=sum(r.status == "failed" for r in group),
        mean=statistics.fmean(scores) if scores else None,
        sd=statistics.stdev(scores) if len(scores) > 1 else None,
        low=low,
        high=high,
        n_evaluable=metrics.n_evaluable if metrics else 0,
        n_tasks=first.dataset.n_tasks,
        synthetic=first.dataset.synthetic,
        deterministic=first.model.deterministic,
        seconds=sum(r.timing.total for r in group),
        dataset_digest=first.dataset.digest,
        overrides=first.model.overrides,
        origin=first.dataset.origin.file if is_shared else "",
        n_dropped=max(r.dataset.dropped for r in group),
        pretrained_on=pretrained_on((good or group)[0]),
        n_test_seen=max((n for n in map(n_test_seen, good) if n is not None), default=None),
        split_seed=first.split.seed,
    )


def _interval(good: list[Record], store: RecordStore) -> tuple[float | None, float | None]:
    """Return the interval of the mean over seeds.

    None where replicates cannot be read, and where so few test molecules have none.
    """
    metrics = [r.metrics for r in good if r.metrics is not None]
    scores = [m.macro for m in metrics if m.macro is not None]
    if not scores:
        return None, None
    n_effective = metrics[0].n_effective
    if n_effective is None:  # written before it was stored
        n_effective = effective_sample_size(metrics[0].counts)
    try:
        low, high = interval(
            mean_over_seeds([store.replicates(r) for r in good]),
            score=statistics.fmean(scores),
            metric=metrics[0].metric,
            n_effective=n_effective,
            n_units=good[0].split.n_test,
        )
    except (RecordError, DataError):
        return None, None
    return (low, high) if low == low and high == high else (None, None)
