"""The runs of one command as rows: a row a model and dataset, over the seeds, and over the splits.

They are rows of the same tables as the leaderboard's; two files of one name are two datasets.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chmr_bench.records import Record, RecordStore
from chmr_bench.report.aggregate import Row, Table, tables_of
from chmr_bench.report.digits import known_mean, sample_sd
from chmr_bench.report.evidence import measure
from chmr_bench.report.runs import LoadedRuns, frame_of
from chmr_bench.report.words import grouped

Numbers = dict[str, Any]


def rows(records: Iterable[Record], store: RecordStore) -> list[Numbers]:
    """Return a row a model with its settings, dataset and split, in the order first met.

    ``mean`` and ``sd`` are over seeds; ``low`` and ``high`` the 95 % interval over test molecules.
    ``origin`` is the dataset's file, where another dataset among the rows has the same name.
    ``tasks`` has those of a regression with several, whose units may differ, and ``not_evaluable``
    says of the first task without a score why it has none; ``remarks`` are those of the records.
    """
    return [row for row, _ in _keyed(records, store)]


def over_splits(records: Iterable[Record], store: RecordStore) -> list[Numbers]:
    """Return a row a model with its settings and dataset over the splits, in the order first met.

    ``mean`` and ``sd`` are over the splits, of each split's mean, and ``low`` and ``high`` are the
    lowest and the highest of these: no confidence interval. ``by_split`` has a row a split.
    """
    groups = grouped(
        ((row["dataset"], row["dataset_digest"], row["split"], row_key), row)
        for row, row_key in _keyed(records, store)
    )
    return [_over_splits(by_split) for by_split in groups.values()]


def _over_splits(by_split: Sequence[Numbers]) -> Numbers:
    means = [row["mean"] for row in by_split if row["mean"] is not None]
    return {
        "by_split": by_split,
        "mean": statistics.fmean(means) if means else None,
        "sd": sample_sd(means),
        "low": min(means, default=None),
        "high": max(means, default=None),
        "n_splits": len(means),
        "n_failed": len(by_split) - len(means),
    }


def _keyed(records: Iterable[Record], store: RecordStore) -> list[tuple[Numbers, str]]:
    """Return each row with what tells its settings from others."""
    by_identity = {record.identity: record for record in records}
    order = {identity: i for i, identity in enumerate(by_identity)}
    frame = frame_of(record.model_dump(mode="json") for record in by_identity.values())
    loaded = LoadedRuns(frame, store, stored=by_identity)
    tables = tables_of(loaded.lines, {})
    measure(loaded, tables)
    shared = Counter(name for name, _ in {(t.name, t.facts["dataset_digest"]) for t in tables})
    pairs = [(table, row) for table in tables for row in table.rows]
    pairs.sort(key=lambda pair: min(order[line["identity"]] for line in pair[1].lines))
    return [
        (_row(t, row, shared[t.name] > 1, by_identity), row.first["row_key"]) for t, row in pairs
    ]


def _row(table: Table, row: Row, is_shared: bool, records: Mapping[str, Record]) -> Numbers:
    facts, good = row.first, row.good
    is_mixed = facts["task_type"] == "regression" and facts["n_tasks"] > 1
    return {
        "model": facts["model"],
        "own_profiles": facts["own_profiles"],
        "dataset": table.name,
        "split": facts["split_recorded"],
        "metric": (table.metric or "") if good else "",
        "n_runs": len(good),
        "n_failed": len(row.failures),
        "mean": row.score,
        "sd": row.sd,
        "low": row.low,
        "high": row.high,
        "n_evaluable": row.n_evaluable,
        "n_tasks": facts["n_tasks"],
        "synthetic": facts["synthetic"],
        "deterministic": facts["deterministic"],
        "seconds": sum(line["seconds"] for line in row.lines),
        "dataset_digest": facts["dataset_digest"],
        "overrides": json.loads(facts["overrides"]),
        "origin": facts["file"] if is_shared else "",
        "n_dropped": max(line["n_dropped"] for line in row.lines),
        "pretrained_on": (good or row.lines)[0]["pretrained_on"],
        "n_test_seen": row.n_test_seen,
        "split_seed": facts["split_recorded_seed"],
        "tasks": _tasks([records[line["identity"]] for line in good]) if is_mixed else [],
        "not_evaluable": _not_evaluable(table),
        "remarks": list(dict.fromkeys(r for line in good for r in json.loads(line["remarks"]))),
    }


def _not_evaluable(table: Table) -> str:
    if not table.not_evaluable:
        return ""
    first, *more = table.not_evaluable
    return f"{first['task']!r}: {first['reason']}" + (f", and {len(more)} more" if more else "")


def _tasks(good: Sequence[Record]) -> list[Numbers]:
    """Return each task's mean over the runs, None where a run has no score of it."""
    by_task: dict[str, list[Any]] = {}
    for task in (task for record in good if record.metrics for task in record.metrics.per_task):
        by_task.setdefault(task.task, []).append(task.score)
    return [{"task": task, "score": known_mean(scores)} for task, scores in by_task.items()]
