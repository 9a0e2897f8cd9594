"""Runs to rows: a table a dataset, split and metric, a row a model with its settings."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from chmr_bench.metrics import METRICS
from chmr_bench.records import Problem, RecordStore
from chmr_bench.records.audited import AuditFile, CleanScore, read_all
from chmr_bench.report.evidence import Evidence, Run, finite, interval_of, known_mean, paired_ends
from chmr_bench.report.runs import REFERENCE, LoadedRuns, dicts_of, load_runs
from chmr_bench.report.words import grouped
from chmr_bench.statistics import Runs, mean_over_seeds
from chmr_bench.types import FloatArray, MetricName

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["benchmark", "user", "synthetic"]
KINDS: Mapping[Kind, int] = {"benchmark": 0, "user": 1, "synthetic": 2}
"""In which order they stand on a page."""


@dataclass(frozen=True)
class Row:
    """A model with one choice of settings on one dataset and split.

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
        By how much the best row of the table is better, with its 95 % interval, paired over seeds
        and test molecules; no interval where the two rows have other seeds. None of a row that may
        have seen labels, which is never the best.
    share_080 :
        Mean over seeds of the share of evaluable tasks with ROC-AUC >= 0.80.
    clean :
        The clean score of each run; None unless every one was audited.
    """

    label: str
    lines: tuple[Run, ...]
    evidence: Evidence = field(compare=False, repr=False)
    score: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    behind: tuple[float, float | None, float | None] | None = None
    n_evaluable: int = 0
    share_080: float | None = None
    clean: tuple[CleanScore, ...] | None = None

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
    def runs(self) -> Runs | None:
        """Return scores and replicates by seed, read anew; None where they cannot be read."""
        good = self.good
        return self.evidence.runs(good, [line["seed"] for line in good])

    @property
    def replicates(self) -> FloatArray | None:
        """Return the (n_replicates,) of the mean over seeds, None where they cannot be read."""
        runs = self.runs
        return None if runs is None else mean_over_seeds([*runs.replicates])

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


@dataclass(frozen=True)
class Collected:
    """Everything the runs of a store say; `runs` are all of them, those with masked cells too."""

    tables: tuple[Table, ...]
    runs: LoadedRuns
    evidence: Evidence

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is left out, without the place where the store lies: tables travel."""
        root = self.runs.store.root
        places = sorted({f"{root}/", f"{root.resolve()}/"}, key=len, reverse=True)
        result = []
        for problem in (*self.runs.problems, *self.evidence.problems.values()):
            reason = problem.reason
            for place in places:
                reason = reason.replace(place, "")
            result.append(Problem(problem.path.relative_to(root), reason))
        return tuple(sorted(result, key=lambda p: str(p.path)))


def collect(store: RecordStore, known: Mapping[str, Any] | None = None) -> Collected:
    """Read a store into tables; what cannot be read is listed, never dropped in silence.

    Parameters
    ----------
    known :
        What an earlier build left, see `memory_of`.
    """
    known = known or {}
    loaded = load_runs(store, sound=frozenset(known.get("sound", ())))
    evidence = Evidence(store, known.get("statistics"), loaded.stored)
    tables = tables_of(loaded.frame, evidence, read_all(store.root))
    return Collected(tuple(tables), loaded, evidence)


def memory_of(collected: Collected) -> dict[str, Any]:
    """Return what spares the next build work: statistics by hash, and the seals of sound runs."""
    seals = collected.runs.frame["seal"].tolist()
    return {"statistics": collected.evidence.used, "sound": seals}


def tables_of(
    runs: pd.DataFrame,
    evidence: Evidence,
    audits: Mapping[tuple[str, str, str], AuditFile] | None = None,
) -> list[Table]:
    """Return the tables of a frame of runs; runs with masked cells are in none."""
    by_row: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for line in dicts_of(runs[runs["missing"].isna()]):
        by_row[line["table"], line["row_key"]].append(line)
    rows: dict[str, list[Row]] = defaultdict(list)
    for (table, _), lines in by_row.items():
        rows[table].append(_row(lines, evidence))
    tables = [_table(members, audits or {}) for members in rows.values()]
    files = grouped((t.name, (t.facts["dataset_digest"], t.facts["file"])) for t in tables)
    labelled = [replace(t, label=_label(t, files[t.name])) for t in tables]
    return sorted(labelled, key=_order)


def _label(table: Table, files: Sequence[tuple[str, str]]) -> str:
    """Return what tells a table from those of other files of one name; `files` by digest."""
    digest, file = table.facts["dataset_digest"], table.facts["file"]
    if len(files) == 1 or not file:
        return table.name
    changed = f", data {digest[:8]}" if [path for _, path in files].count(file) > 1 else ""
    return f"{table.name} ({file}{changed})"


# ------------------------------------------------------------------------------------------ one row


def _row(lines: Sequence[Run], evidence: Evidence) -> Row:
    """Return a row but for what it takes from its table."""
    lines = sorted(lines, key=lambda run: (run["seed"] is not None, run["seed"] or 0))
    row = Row(lines[0]["row"], tuple(lines), evidence)
    if not (good := row.good):
        return row
    scores = [line["score"] for line in good]
    return replace(
        row,
        score=statistics.fmean(scores),
        sd=statistics.stdev(scores) if len(scores) > 1 else None,
        n_evaluable=int(good[0]["n_evaluable"]),
        share_080=finite(statistics.fmean(line["share_080"] for line in good)),
    )


def _table(rows: Sequence[Row], audits: Mapping[tuple[str, str, str], AuditFile]) -> Table:
    """Return the rows of one table, best first, and those that may have seen labels after all."""
    lines = [line for row in rows for line in row.lines]
    first = next((line for line in lines if line["metric"] is not None), None)
    table = Table(
        facts=lines[0],
        rows=(),
        metric=first["metric"] if first else None,
        not_evaluable=tuple(json.loads(first["not_evaluable"])) if first else (),
        n_dropped=max(line["n_dropped"] for line in lines),
    )
    audit = audits.get((table.name, lines[0]["dataset_digest"], lines[0]["split_digest"]))
    audit = audit if audit is not None and audit.metric == table.metric else None
    sign = -1.0 if table.greater_is_better else 1.0
    ordered = sorted(rows, key=lambda row: _place(row, sign))
    scored = [row for row in ordered if row.score is not None]
    finished = [_with_ends(row, scored[0], sign) for row in scored] + ordered[len(scored) :]
    rows = [replace(row, clean=_clean(audit, row)) for row in finished]
    return replace(table, rows=tuple(rows), audited=audit)


def _place(row: Row, sign: float) -> tuple[Any, ...]:
    """Return what orders the rows of a table."""
    score = sign * (row.score or 0.0)
    return row.score is None, row.labels_seen, score, row.label, row.first["row_key"]


def _with_ends(row: Row, best: Row, sign: float) -> Row:
    """Return a row with the intervals of its score and of its difference to the first row."""

    def compute() -> tuple[float | None, ...]:
        runs = row.runs
        return *interval_of(runs), *paired_ends(runs, best.runs, sign)

    what = f"row {sign} {len(row.good)}"
    low, high, *around = row.evidence.remembered(what, [*row.good, *best.good], compute)
    behind = None if row.labels_seen else (abs((row.score or 0.0) - (best.score or 0.0)), *around)
    return replace(row, low=low, high=high, behind=behind)


def _clean(audit: AuditFile | None, row: Row) -> tuple[CleanScore, ...] | None:
    """Return the clean score of each run; None unless every one was audited as it is."""
    if audit is None or not row.good:
        return None
    known = [
        one
        for line in row.good
        if (one := audit.scores.get(line["identity"]))
        and one.predictions_sha256 == line["predictions_sha256"]
    ]
    return tuple(known) if len(known) == len(row.good) else None


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
