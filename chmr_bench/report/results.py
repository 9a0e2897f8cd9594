"""The runs of one command as rows: a row a model and dataset, over the seeds, and over the splits.

They are rows of the same tables as the leaderboard's; two files of one name are two datasets.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench.records import Record, RecordStore
from chmr_bench.report.aggregate import Row, Table, tables_of
from chmr_bench.report.evidence import Evidence
from chmr_bench.report.runs import frame_of


@dataclass(frozen=True)
class TaskSummary:
    """One task of several, on its own: the mean over seeds in the task's unit."""

    task: str
    score: float | None


@dataclass(frozen=True)
class ResultRow:
    """One model on one dataset and split.

    Attributes
    ----------
    mean, sd :
        Of the macro score over seeds; sd is None for one run.
    low, high :
        95 % bootstrap interval over test molecules, of the mean over seeds.
    overrides :
        Settings that the user changed.
    origin :
        The dataset's file, where another dataset among the rows has the same name.
    n_dropped :
        Source rows left out on the user's order.
    pretrained_on :
        What the weights were made from, "" where the model starts from none.
    n_test_seen :
        Test molecules that the weights learnt from, without labels; the most of any run.
    split_seed :
        None where the split was not drawn.
    tasks :
        Of a regression with several tasks, whose units may differ; else none.
    not_evaluable :
        The first task without a score, why, and how many more there are; "" where all have one.
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
    tasks: tuple[TaskSummary, ...] = ()
    not_evaluable: str = ""


@dataclass(frozen=True)
class SplitsRow:
    """One model on one dataset over several drawn splits: the split is the unit of variation.

    Attributes
    ----------
    by_split :
        A row a split, each over its own seeds.
    mean, sd :
        Over the splits, of each split's mean; sd is None for one split.
    low, high :
        Of the splits' means, the lowest and the highest: no confidence interval.
    n_splits, n_failed :
        Splits with a score, and splits without any.
    """

    by_split: tuple[ResultRow, ...]
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n_splits: int
    n_failed: int


def rows(records: Iterable[Record], store: RecordStore) -> list[ResultRow]:
    """Return a row a model with its settings, dataset and split, in the order first met."""
    return [row for row, _ in _keyed(records, store)]


def over_splits(records: Iterable[Record], store: RecordStore) -> list[SplitsRow]:
    """Return a row a model with its settings and dataset, in the order first met."""
    groups: dict[tuple[str, ...], list[ResultRow]] = {}
    for row, row_key in _keyed(records, store):
        key = (row.dataset, row.dataset_digest, row.split, row_key)
        groups.setdefault(key, []).append(row)
    return [_over_splits(group) for group in groups.values()]


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


def _keyed(records: Iterable[Record], store: RecordStore) -> list[tuple[ResultRow, str]]:
    """Return each row with what tells its settings from others."""
    by_identity = {record.identity: record for record in records}
    order = {identity: i for i, identity in enumerate(by_identity)}
    frame = frame_of(record.model_dump(mode="json") for record in by_identity.values())
    tables = tables_of(frame, Evidence(store))
    shared = Counter(name for name, _ in {(t.name, t.facts["dataset_digest"]) for t in tables})
    pairs = [(table, row) for table in tables for row in table.rows]
    pairs.sort(key=lambda pair: min(order[line["identity"]] for line in pair[1].lines))
    return [
        (_row(t, row, shared[t.name] > 1, by_identity), row.first["row_key"]) for t, row in pairs
    ]


def _row(table: Table, row: Row, is_shared: bool, records: Mapping[str, Record]) -> ResultRow:
    facts, good = row.first, row.good
    seen = [line["n_test_seen"] for line in good if line["n_test_seen"] is not None]
    is_mixed = facts["task_type"] == "regression" and facts["n_tasks"] > 1
    return ResultRow(
        model=facts["model"],
        dataset=table.name,
        split=facts["split_recorded"],
        metric=(table.metric or "") if good else "",
        n_runs=len(good),
        n_failed=len(row.failures),
        mean=row.score,
        sd=row.sd,
        low=row.low,
        high=row.high,
        n_evaluable=row.n_evaluable,
        n_tasks=facts["n_tasks"],
        synthetic=facts["synthetic"],
        deterministic=facts["deterministic"],
        seconds=sum(line["seconds"] for line in row.lines),
        dataset_digest=facts["dataset_digest"],
        overrides=json.loads(facts["overrides"]),
        origin=facts["file"] if is_shared else "",
        n_dropped=max(line["n_dropped"] for line in row.lines),
        pretrained_on=(good or row.lines)[0]["pretrained_on"],
        n_test_seen=max(seen, default=None),
        split_seed=facts["split_recorded_seed"],
        tasks=_tasks([records[line["identity"]] for line in good]) if is_mixed else (),
        not_evaluable=_not_evaluable(table),
    )


def _not_evaluable(table: Table) -> str:
    if not table.not_evaluable:
        return ""
    first, *more = table.not_evaluable
    return f"{first['task']!r}: {first['reason']}" + (f", and {len(more)} more" if more else "")


def _tasks(good: Sequence[Record]) -> tuple[TaskSummary, ...]:
    """Return each task's mean over the runs, None where a run has no score of it."""
    by_task: dict[str, list[float | None]] = {}
    for record in good:
        for task in record.metrics.per_task if record.metrics else ():
            by_task.setdefault(task.task, []).append(task.score)
    return tuple(
        TaskSummary(task, None if None in scores else float(np.mean(scores)))  # type: ignore[arg-type]
        for task, scores in by_task.items()
    )
