"""Runs to rows: a table a dataset, split and metric, a row a model with its settings."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chmr_bench.metrics import METRICS
from chmr_bench.records.audited import AuditFile, CleanScore
from chmr_bench.report.digits import finite, known_mean, sample_sd
from chmr_bench.report.runs import REFERENCE, Run
from chmr_bench.report.words import task_words
from chmr_bench.statistics import Runs
from chmr_bench.types import MetricName

Kind = Literal["benchmark", "user", "synthetic"]
KINDS: Mapping[Kind, int] = {"benchmark": 0, "user": 1, "synthetic": 2}
"""In which order they stand on a page."""


@dataclass
class Row:
    """A model with one choice of settings on one dataset and split.

    What rests on replicates is None until `evidence.measure` has filled it in.

    Attributes
    ----------
    lines :
        Its runs, as the frame of runs holds them, by seed; failed ones too.
    score :
        Mean over seeds of the dataset's score, in the metric's own unit; None where no run has one.
    sd :
        Sample s.d. over seeds, None below two seeds.
    low, high :
        95 % interval over test molecules of the mean over seeds.
    behind :
        By how much the best row of the table is better over the seeds that both have, with its 95 %
        interval, paired over seeds and test molecules. None where they share no seed, and of a row
        that may have seen labels, which is never the best.
    share_080 :
        Mean over seeds of the share of evaluable tasks with ROC-AUC >= 0.80.
    clean :
        The clean score of each run; None unless every one was audited.
    runs :
        Scores and replicates by seed; None where they cannot be read, or need not be, since all
        that rests on them is known from an earlier build.
    """

    label: str
    lines: tuple[Run, ...]
    score: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    behind: tuple[float, float | None, float | None] | None = None
    n_evaluable: int = 0
    share_080: float | None = None
    clean: tuple[CleanScore, ...] | None = None
    runs: Runs | None = field(default=None, compare=False, repr=False)

    @property
    def first(self) -> Run:
        """Return a run that stands for the row; settings and versions are the same in all."""
        return self.lines[0]

    @property
    def good(self) -> list[Run]:
        """Return the runs that have a score."""
        return [line for line in self.lines if finite(line["score"]) is not None]

    @property
    def seeds(self) -> list[int]:
        """Return the seeds that have a score; none where the model draws nothing."""
        return [line["seed"] for line in self.good if line["seed"] is not None]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Return seed, phase and error of the jobs that failed, the error in one line."""
        said = "{error_type}: {error}"
        return [
            {
                "seed": line["seed"],
                "phase": line["error_phase"] or "unknown",
                "error": " ".join(said.format_map(line).split())
                if line["error_type"]
                else "no error was recorded",
            }
            for line in self.lines
            if line["failed"]
        ]

    @property
    def clean_score(self) -> float | None:
        """Return the mean over seeds on clean test rows; None where it is not known."""
        return known_mean(one.macro for one in self.clean or ())

    @property
    def n_test_seen(self) -> int | None:
        """Return the most test molecules that weights of any run learnt from; None = not known."""
        return max((n for r in self.good if (n := r["n_test_seen"]) is not None), default=None)

    @property
    def labels_seen(self) -> bool:
        """Return whether its weights may have learnt from labels of a benchmark."""
        return any(line["labels_seen"] for line in self.lines)

    @property
    def fit_and_predict(self) -> float:
        """Return the mean over seeds of the seconds that fit and predict took."""
        return statistics.fmean(r["fit_seconds"] + r["predict_seconds"] for r in self.good)


@dataclass(frozen=True)
class Table:
    """All rows that were measured on the same data with the same rows of train, valid and test.

    Attributes
    ----------
    facts :
        A run that stands for the table: its dataset and split.
    audited :
        What `chmr-bench audit --records` found of these data and this split, if it was run.
    label :
        The dataset's name, with its file where another file of that name has a table.
    """

    facts: Run
    rows: tuple[Row, ...]
    metric: MetricName | None
    not_evaluable: tuple[Mapping[str, Any], ...]
    n_dropped: int = 0
    audited: AuditFile | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return str(self.facts["dataset"])

    @property
    def kind(self) -> Kind:
        """Return whether the labels are a benchmark's, a user's, or simulated."""
        kind: Kind = self.facts["kind"]
        return kind

    @property
    def split_name(self) -> str:
        """Return the split's name, with its seed where it has one."""
        return str(self.facts["split_name"])

    @property
    def greater_is_better(self) -> bool:
        """Return which way is better; True where nothing was scored."""
        return self.metric is None or METRICS[self.metric].greater_is_better

    @property
    def sign(self) -> float:
        """Return what turns scores so that the least is the best."""
        return -1.0 if self.greater_is_better else 1.0


def tables_of(
    lines: Iterable[Run], audits: Mapping[tuple[str, str, str, str | None], AuditFile]
) -> list[Table]:
    """Return the tables of runs, as lines of the frame; runs with masked cells are in none."""
    by_table: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line["missing"] is None:
            by_table[line["table"]][line["row_key"]].append(line)
    tables = [_table([*of.values()], audits) for of in by_table.values()]
    files: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for table in tables:
        files[table.name].add(_content(table))
    labelled = [replace(t, label=_label(t, files[t.name])) for t in tables]
    return sorted(labelled, key=_order)


def _content(table: Table) -> tuple[str, ...]:
    """Return file, task columns and digest of a table's data."""
    tasks = task_words(table.facts["table_tasks"])
    return table.facts["file"], tasks, table.facts["dataset_digest"]


def _label(table: Table, contents: Set[tuple[str, ...]]) -> str:
    """Return what tells a table from those of other files, tasks or content of one name."""
    file, tasks, digest = own = _content(table)
    if len(contents) == 1 or not file:
        return table.name
    words = [file]
    if len({tasks for _, tasks, _ in contents}) > 1:
        words.append(tasks)
    if [one[:2] for one in contents].count(own[:2]) > 1:
        words.append(f"data {digest[:8]}")
    return f"{table.name} ({', '.join(words)})"


# ------------------------------------------------------------------------------------------ one row


def _row(lines: Sequence[Run], audit: AuditFile | None) -> Row:
    """Return the row of runs that differ in their seed alone."""
    row = Row(lines[0]["row"], tuple(lines))
    if not (good := row.good):
        return row
    scores = [line["score"] for line in good]
    return replace(
        row,
        score=statistics.fmean(scores),
        sd=sample_sd(scores),
        n_evaluable=int(good[0]["n_evaluable"]),
        share_080=finite(statistics.fmean(line["share_080"] for line in good)),
        clean=_clean(audit, good),
    )


def _table(
    members: Sequence[Sequence[Run]], audits: Mapping[tuple[str, str, str, str | None], AuditFile]
) -> Table:
    """Return the table of the runs of each row, the best row first.

    Rows that may have seen labels come after the others.
    """
    members = [sorted(lines, key=_seed_order) for lines in members]
    lines = [line for member in members for line in member]
    first = next((line for line in lines if line["metric"] is not None), None)
    facts, metric = lines[0], first["metric"] if first else None
    judged = (facts["dataset"], facts["dataset_digest"], facts["split_digest"], metric)
    audit = audits.get(judged)
    table = Table(
        facts=facts,
        rows=(),
        metric=metric,
        not_evaluable=tuple(json.loads(first["not_evaluable"])) if first else (),
        n_dropped=max(line["n_dropped"] for line in lines),
        audited=audit,
    )
    rows = [_row(member, audit) for member in members]
    return replace(table, rows=tuple(sorted(rows, key=lambda row: _place(row, table.sign))))


def _seed_order(line: Run) -> tuple[bool, int]:
    return line["seed"] is not None, line["seed"] or 0


def _place(row: Row, sign: float) -> tuple[Any, ...]:
    """Return what orders the rows of a table."""
    score = sign * (row.score or 0.0)
    return row.score is None, row.labels_seen, score, row.label, row.first["row_key"]


def _clean(audit: AuditFile | None, good: Sequence[Run]) -> tuple[CleanScore, ...] | None:
    """Return the clean score of each run; None unless every one was audited as it is."""
    known = [
        one
        for line in good
        if audit is not None
        and (one := audit.scores.get(line["identity"]))
        and one.predictions_sha256 == line["predictions_sha256"]
    ]
    return tuple(known) if len(known) == len(good) else None


def _order(table: Table) -> tuple[Any, ...]:
    facts = table.facts
    return (
        KINDS[table.kind],
        table.name,
        facts["split"] != REFERENCE,
        table.split_name,
        facts["dataset_digest"],
        facts["split_digest"],
        table.metric or "",
    )
