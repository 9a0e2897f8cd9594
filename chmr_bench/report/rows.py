"""Records to rows: one table per dataset and split, one row per model and settings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from chmr_bench.errors import DataError, RecordError
from chmr_bench.metrics import METRICS
from chmr_bench.records import (
    DatasetInfo,
    Problem,
    Record,
    RecordStore,
    SplitInfo,
    TaskResult,
)
from chmr_bench.records.audited import AuditFile, read_all
from chmr_bench.report.labels import labels, row_key
from chmr_bench.report.resting import runs_of
from chmr_bench.report.sources import REFERENCE, data_key, sound, splits_shown
from chmr_bench.statistics import Runs, mean_over_seeds, paired_difference, score_interval
from chmr_bench.types import FloatArray, MetricName

Kind = Literal["benchmark", "user", "synthetic"]


@dataclass(frozen=True)
class Failure:
    """A job that failed."""

    label: str
    seed: int | None
    phase: str
    error: str


@dataclass(frozen=True)
class Row:
    """A model with one choice of settings on one dataset and split.

    Attributes
    ----------
    score : mean over seeds of the dataset's score, in the metric's own unit; None where no run has
        one.
    sd : sample s.d. over seeds, None below two seeds.
    low, high : 95 % bootstrap interval over test molecules of the mean over seeds.
    behind : by how much the best row of the table is better, with its 95 % interval, paired over
        seeds and test molecules; no interval where the two rows have other seeds.
    n_at_080, share_080 : mean over seeds of the evaluable tasks with ROC-AUC >= 0.80.
    runs : scores and replicates by seed, None where a replicate cannot be read.
    """

    label: str
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    score: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    behind: tuple[float, float | None, float | None] | None = None
    n_evaluable: int = 0
    share_080: float | None = None
    runs: Runs | None = field(default=None, compare=False, repr=False)

    @property
    def replicates(self) -> FloatArray | None:
        """Return the (n_replicates,) of the mean over seeds, None where they cannot be read."""
        return None if self.runs is None else mean_over_seeds([*self.runs.replicates])

    @property
    def first(self) -> Record:
        """Return a record that stands for the row; settings and versions are the same in all."""
        return self.records[0]

    @property
    def good(self) -> list[Record]:
        """Return the runs that have a score."""
        return [r for r in self.records if _macro(r) is not None]

    @property
    def seeds(self) -> list[int]:
        """Return the seeds that have a score; none where the model draws nothing."""
        return sorted(r.seed for r in self.good if r.seed is not None)


@dataclass(frozen=True)
class Table:
    """All rows that were measured on the same data with the same rows of train, valid and test.

    Attributes
    ----------
    split : under the one name these rows are shown by, see `sources.splits_shown`.
    split_names : every name that a record has for them; `split.name` is among them.
    n_dropped : source rows left out on the user's order, in the record that left out most.
    audited : what `chmr-bench audit --records` found of these data and this split, if it was run.
    """

    dataset: DatasetInfo
    split: SplitInfo
    metric: MetricName | None
    rows: tuple[Row, ...]
    not_evaluable: tuple[TaskResult, ...]
    split_names: tuple[str, ...] = ()
    n_dropped: int = 0
    audited: AuditFile | None = None

    @property
    def kind(self) -> Kind:
        """Return whether the labels are a benchmark's, a user's, or simulated."""
        if self.dataset.synthetic:
            return "synthetic"
        return "user" if self.dataset.origin.kind == "file" else "benchmark"

    @property
    def greater_is_better(self) -> bool:
        """Return which way is better; True where nothing was scored."""
        return self.metric is None or METRICS[self.metric].greater_is_better

    @property
    def split_name(self) -> str:
        """Return the split's name, with its seed where it has one."""
        seed = self.split.seed
        return self.split.name if seed is None else f"{self.split.name} (seed {seed})"


@dataclass(frozen=True)
class Collected:
    """Everything the records say."""

    tables: tuple[Table, ...]
    problems: tuple[Problem, ...]

    def records(self) -> list[Record]:
        """Return every record that stands behind a row."""
        return [record for table in self.tables for row in table.rows for record in row.records]


def collect(store: RecordStore) -> Collected:
    """Read the store into tables; what cannot be read is listed, never dropped in silence."""
    records, damaged = sound(store)
    records = [r for r in records if r.missing is None]  # the others are in `curves`
    names = labels(records)
    problems = [*store.problems(), *damaged]
    splits = splits_shown(records)
    audits = read_all(store.root)
    tables = []
    for members in _by_table(records):
        by_row: dict[str, list[Record]] = defaultdict(list)
        for record in members:
            by_row[row_key(record)].append(record)
        rows = [
            _row(names[group[0].dataset.name, key], group, store, problems)
            for key, group in by_row.items()
        ]
        table = _table(members, rows, *splits[data_key(members[0])])
        tables.append(replace(table, audited=_audit_of(audits, table)))
    tables.sort(key=_table_order)
    return Collected(tuple(tables), tuple(_placeless(problems, store)))


def _by_table(records: Sequence[Record]) -> list[list[Record]]:
    """Group by data, split and metric; a failed run, which has no metric, joins its fellows."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    failed = []
    for record in records:
        if record.metrics is None:
            failed.append(record)
        else:
            groups[(*data_key(record), record.metrics.metric)].append(record)
    for record in failed:
        key = data_key(record)
        home = next((k for k in sorted(groups) if k[:-1] == key), (*key, ""))
        groups[home].append(record)
    return [groups[key] for key in sorted(groups)]


def _table(
    members: Sequence[Record], rows: Iterable[Row], split: SplitInfo, names: tuple[str, ...]
) -> Table:
    scored = [m for m in members if m.metrics is not None]
    metrics = scored[0].metrics if scored else None
    table = Table(
        dataset=members[0].dataset,
        split=split,
        metric=metrics.metric if metrics else None,
        rows=(),
        not_evaluable=tuple(t for t in metrics.per_task if not t.evaluable) if metrics else (),
        split_names=names,
        n_dropped=max(m.dataset.dropped for m in members),
    )
    sign = -1.0 if table.greater_is_better else 1.0
    ordered = sorted(
        rows, key=lambda r: (r.score is None, sign * (r.score or 0.0), r.label, row_key(r.first))
    )
    return replace(table, rows=tuple(_behind(ordered, sign)))


def _audit_of(audits: Mapping[tuple[str, str, str], AuditFile], table: Table) -> AuditFile | None:
    """Return the audit of a table's data, split and metric; None where there is none."""
    found = audits.get((table.dataset.name, table.dataset.digest, table.split.digest))
    return found if found is not None and found.metric == table.metric else None


def _table_order(table: Table) -> tuple[Any, ...]:
    kinds: Mapping[Kind, int] = {"benchmark": 0, "user": 1, "synthetic": 2}
    return (
        kinds[table.kind],
        table.dataset.name,
        table.split.name != REFERENCE,
        table.split_name,
        table.dataset.digest,
        table.split.digest,
        table.metric or "",
    )


# ------------------------------------------------------------------------------------------ one row


def _row(label: str, group: Sequence[Record], store: RecordStore, problems: list[Problem]) -> Row:
    group = sorted(group, key=lambda r: (r.seed is not None, r.seed or 0))
    failures = tuple(_failure(label, r) for r in group if r.status == "failed")
    row = Row(label, tuple(group), failures)
    metrics = [r.metrics for r in row.good if r.metrics is not None]
    scores = [m.macro for m in metrics if m.macro is not None]
    if not scores:
        return row
    shares = [m.share_080 for m in metrics if m.share_080 is not None]
    row = replace(row, runs=_runs(row.good, store, problems))
    low, high = (None, None) if row.runs is None else score_interval(row.runs)
    return replace(
        row,
        score=math.fsum(scores) / len(scores),
        sd=_sd(scores),
        low=_number(low),
        high=_number(high),
        n_evaluable=metrics[0].n_evaluable,
        share_080=math.fsum(shares) / len(shares) if len(shares) == len(metrics) else None,
    )


def _runs(good: Sequence[Record], store: RecordStore, problems: list[Problem]) -> Runs | None:
    """Return the runs by seed; None, and a problem, where replicates cannot be read."""
    found = []
    for record in good:
        try:
            found.append(store.replicates(record))
        except RecordError as error:
            problems.append(Problem(store.path_of(record), f"no interval: {error}"))
    if len(found) < len(good):
        return None
    try:
        mean_over_seeds(found)
        scores = np.array([_macro(record) for record in good], dtype=np.float64)
        seeds = tuple(record.seed for record in good)
        return runs_of(good[0], scores, np.stack(found).astype(np.float64), seeds)
    except DataError as error:
        problems.append(Problem(store.path_of(good[0]), f"no interval: {error}"))
        return None


def _placeless(problems: Sequence[Problem], store: RecordStore) -> list[Problem]:
    """Return the problems sorted, without the place where the store lies: tables travel."""
    places = {f"{store.root}/", f"{store.root.resolve()}/"}
    result = []
    for problem in problems:
        reason = problem.reason
        for place in sorted(places, key=len, reverse=True):
            reason = reason.replace(place, "")
        result.append(Problem(problem.path.relative_to(store.root), reason))
    return sorted(result, key=lambda p: str(p.path))


def _failure(label: str, record: Record) -> Failure:
    error = record.error
    if error is None:
        return Failure(label, record.seed, "unknown", "no error was recorded")
    message = " ".join(error.message.split())
    return Failure(label, record.seed, error.phase, f"{error.type}: {message}")


def _behind(rows: Sequence[Row], sign: float) -> list[Row]:
    """Return the rows, best first, each with its paired difference to the best."""
    if not rows or rows[0].score is None:
        return list(rows)
    best = rows[0]
    result = []
    for row in rows:
        if row.score is None or best.score is None:
            result.append(row)
            continue
        ends = _interval_behind(row, best, sign)
        result.append(replace(row, behind=(abs(row.score - best.score), *ends)))
    return result


def _interval_behind(row: Row, best: Row, sign: float) -> tuple[float | None, float | None]:
    if row.runs is None or best.runs is None:
        return None, None
    if row.runs.drawn and best.runs.drawn and set(row.runs.seeds) != set(best.runs.seeds):
        return None, None
    found = paired_difference(row.runs, best.runs)
    ends = sorted((sign * found.low, sign * found.high))
    return _number(ends[0]), _number(ends[1])


def _macro(record: Record) -> float | None:
    return record.metrics.macro if record.metrics else None


def _sd(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
