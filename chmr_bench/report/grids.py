"""Cells of text: the one form that Markdown pages and terminal tables are both made from."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chmr_bench.data.counts import plural
from chmr_bench.metrics import METRICS
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.boards import BoardRow, FilledBoard
from chmr_bench.report.digits import NONE, decimals_needed, finite, fixed
from chmr_bench.report.runs import REFERENCE, registered_spec
from chmr_bench.report.words import grouped, macros, notes, task_words, tightened
from chmr_bench.statistics import Difference, TukeyPair
from chmr_bench.types import MetricName

PERCENT: tuple[MetricName, ...] = ("roc_auc", "average_precision")
"""Metrics from 0 to 1 that are written in percent."""
FEWER = "*"
NOT_AUDITED = "not audited"
TASKS_NAMED = 20


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Attributes
    ----------
    left :
        Columns of words; all others hold numbers and are aligned right.
    notes :
        Lines that stand under it.
    folded :
        Too long for a page that is read from top to bottom; shown closed where that can be.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ("model",)
    notes: tuple[str, ...] = ()
    folded: bool = False

    @classmethod
    def of(
        cls,
        title: str,
        rows: Sequence[Mapping[str, str]],
        left: tuple[str, ...],
        notes: Iterable[str] = (),
        *,
        folded: bool = False,
    ) -> Grid:
        """Return the grid of rows that are column -> text; `NONE` stands where one has no text."""
        columns = tuple(dict.fromkeys(column for row in rows for column in row))
        cells = tuple(tuple(row.get(column, NONE) for column in columns) for row in rows)
        return cls(title, columns, cells, left, tuple(notes), folded)


def markdown(grid: Grid) -> str:
    """Return a grid as a Markdown table."""
    return str(macros().table(grid)).rstrip("\n")


def section(level: str, grid: Grid) -> str:
    """Return a grid as Markdown under a heading of that level, its notes below."""
    return tightened(str(macros().section(level, grid))).rstrip("\n")


def number(metric: MetricName | None, value: float | None, decimals: int = 0) -> str:
    """Return a score as it is shown: percent with one decimal, or three decimals of the unit.

    What rounds to zero has no sign.

    Parameters
    ----------
    decimals :
        At least so many, see `decimals_of`.
    """
    if value is None:
        return NONE
    usual = 1 if metric in PERCENT or abs(value) >= 100 else 3
    return fixed(scale_of(metric) * value, usual, decimals)


def scale_of(metric: MetricName | None) -> float:
    """Return what a score is multiplied by where it is shown."""
    return 100.0 if metric in PERCENT else 1.0


def decimals_of(
    metric: MetricName | None,
    values: Iterable[float | None],
    intervals: Iterable[tuple[float | None, float | None]],
) -> int:
    """Return how many decimals tell scores, differences and ends of intervals of a table apart."""
    scale = scale_of(metric)
    known = [(low, high) for low, high in intervals if low is not None and high is not None]
    return decimals_needed(
        [scale * value for value in values if value is not None],
        [scale * (high - low) for low, high in known],
    )


def pairs_apart(
    differences: Iterable[Difference | TukeyPair | None],
) -> list[tuple[float | None, float | None]]:
    """Return pairs of numbers that must read differently: the ends of intervals, or 0 and a mean.

    The second where there is no interval, or one that is narrow beside the difference.
    """
    pairs: list[tuple[float | None, float | None]] = []
    for one in (difference for difference in differences if difference is not None):
        low, high = finite(one.low), finite(one.high)
        pairs.append((low, high))
        if low is None or high is None or abs(one.mean) > high - low:
            pairs.append((0.0, abs(one.mean)))
    return pairs


def _of_rows(metric: MetricName | None, rows: Iterable[Row]) -> int:
    """Return how many decimals the rows of a dataset need."""
    scored = [row for row in rows if row.score is not None]
    return decimals_of(metric, [r.score for r in scored], [(r.low, r.high) for r in scored])


def span(
    metric: MetricName | None, low: float | None, high: float | None, decimals: int = 0
) -> str:
    """Return an interval as it is shown."""
    if low is None or high is None:
        return NONE
    return f"{number(metric, low, decimals)} to {number(metric, high, decimals)}"


def heading(metric: MetricName | None) -> str:
    """Return a column's heading, with the unit or the way that is better where it must be said."""
    if metric is None:
        return "score"
    title = METRICS[metric].title + (" %" if metric in PERCENT else "")
    return title if METRICS[metric].greater_is_better else f"{title} ↓"


# ------------------------------------------------------------------------------------- one dataset


def table_grid(table: Table) -> Grid:
    """Return a dataset's rows."""
    decimals = _of_rows(table.metric, table.rows)
    rows = [_table_row(table, row, decimals) for row in table.rows]
    return Grid.of(table_title(table), rows, ("model",), table_notes(table))


def table_title(table: Table) -> str:
    """Return ``bace, scaffold split``, marked where it is no benchmark."""
    mark = {"benchmark": "", "user": " (user's table)", "synthetic": " (SYNTHETIC)"}[table.kind]
    tasks = task_words(table.facts["table_tasks"])
    if table.kind == "user" and tasks and table.label == table.name:
        mark = f" (user's table: {tasks})"
    split = "" if table.split_name == REFERENCE else f", {table.split_name} split"
    return f"{table.label}{mark}{split}"


def _table_row(table: Table, row: Row, decimals: int) -> dict[str, str]:
    metric, audit, n_runs = table.metric, table.audited, len(row.good)
    title = heading(metric) + (", all test rows" if audit else "")
    cells = {"model": row.label, title: number(metric, row.score, decimals)}
    if audit is not None:
        known = row.clean is not None or not n_runs
        cells["clean rows"] = number(metric, row.clean_score, decimals) if known else NOT_AUDITED
        cells["leaked"] = f"{100 * audit.leaked_share:.1f} %"
    cells |= {
        "95 % interval": span(metric, row.low, row.high, decimals),
        "s.d.": number(metric, row.sd, decimals),
        "runs": f"{n_runs} (no seed)" if n_runs and row.first["seed"] is None else str(n_runs),
        "behind the best": _behind(metric, row, decimals),
        "tasks": f"{row.n_evaluable} of {table.facts['n_tasks']}" if n_runs else NONE,
    }
    if metric == "roc_auc":  # a share is never without what it is a share of
        share = row.share_080
        cells["tasks ≥ 0.80"] = (
            NONE if share is None else f"{100 * share:.1f} % of {row.n_evaluable}"
        )
    if any(other.failures for other in table.rows):
        cells["failed"] = str(len(row.failures) or NONE)
    return cells


def _behind(metric: MetricName | None, row: Row, decimals: int) -> str:
    if row.behind is None:
        return NONE
    difference, low, high = row.behind
    if difference == 0:
        return "best"
    around = "" if low is None else f" ({span(metric, low, high, decimals)})"
    return f"{number(metric, difference, decimals)}{around}"


def best_of(tables: Sequence[Table]) -> tuple[str, float] | None:
    """Return the best row of a dataset's tables by its mean score, None where none has one.

    It is of the first way of splitting alone; of drawn splits the mean over all of them, and of
    rows that have a score on as many as any.
    """
    first = tables[0]
    scores: dict[str, list[float]] = {}
    for table in (one for one in tables if one.facts["split"] == first.facts["split"]):
        for row in (row for row in table.rows if not row.labels_seen):
            if row.score is not None:
                scores.setdefault(row.label, []).append(row.score)
    most = max(map(len, scores.values()), default=0)
    means = {label: statistics.fmean(of) for label, of in scores.items() if len(of) == most}
    best = min(means, key=lambda label: first.sign * means[label], default=None)
    return None if best is None else (best, means[best])


def table_notes(table: Table) -> tuple[str, ...]:
    """Return the notes of a dataset's table."""
    failures = (
        ((row.label, f["phase"], f["error"]), "no seed" if f["seed"] is None else str(f["seed"]))
        for row in table.rows
        for f in row.failures
    )
    remarks = (
        (remark, row.label)
        for row in table.rows
        for line in row.lines
        for remark in json.loads(line["remarks"] or "[]")
    )
    seen = ((n, row.label) for row in table.rows if (n := row.n_test_seen) is not None)
    return notes(
        "table",
        table=table,
        other_splits=[n for n in table.facts["split_names"] if n != table.facts["split"]],
        most=TASKS_NAMED,
        unnamed=len(table.not_evaluable) - TASKS_NAMED,
        clean_tasks={score.n_evaluable for row in table.rows for score in row.clean or ()},
        not_audited=NOT_AUDITED,
        pretrained=_pretrained(table.rows),
        seen=grouped(seen),
        remarks=grouped(remarks),
        failures=grouped(failures),
        caveats=_caveats(table),
    )


def _caveats(table: Table) -> tuple[str, ...]:
    """Return what a reader of a dataset's scores must know, as it is registered in that version."""
    spec = registered_spec(table.facts)
    notes = spec.notes if spec is not None else ()
    return tuple(note.removesuffix(".") for note in notes)  # the list of them ends in one


def _pretrained(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return each pretraining that differs -> the rows that start from it."""
    pairs = ((line["pretrained_on"], row.label) for row in rows for line in row.lines)
    return grouped(pair for pair in pairs if pair[0])


# ----------------------------------------------------------------------------------------- a board


def board_grid(board: FilledBoard) -> Grid:
    """Return a board: one row a model."""
    spec = board.board
    title = f"{spec.title}, {spec.split} {'splits' if spec.is_drawn else 'split'}"
    rows = [_board_row(board, row) for row in board.rows]
    return Grid.of(title, rows, ("model",), board_notes(board))


def _board_row(board: FilledBoard, row: BoardRow) -> dict[str, str]:
    spec, classes = board.board, board.classification
    metric = next((board.metric(n) for n in classes if board.metric(n)), None)
    mean = f"mean of {len(classes)}"
    cells = {"model": row.label}
    cells |= {_dataset_heading(board, n): _board_cell(board, row, n) for n in spec.datasets}
    cells[mean] = _around(number(metric, row.classification), number(metric, row.sd))
    if board.is_audited and not spec.is_drawn:
        cells[f"{mean}, clean rows"] = number(metric, board.clean_mean(row))
    rank = NONE if row.average_rank is None else f"{row.average_rank:.1f}"
    cells["rank"] = "labels possibly seen" if row.labels_seen else rank
    cells["datasets"] = f"{len(row.cells)} of {len(spec.datasets)}"
    if any(other.n_failed for other in board.rows):
        cells["failed"] = str(row.n_failed or NONE)
    return cells


def _dataset_heading(board: FilledBoard, name: str) -> str:
    metric = board.metric(name)
    unit = "" if metric in (None, "roc_auc") else f" {heading(metric)}"
    if not board.board.is_drawn or name not in board.tables:
        return f"{name}{unit}"
    return f"{name}{unit} ({plural(len(board.split_seeds[name]), 'split')})"


def _board_cell(board: FilledBoard, row: BoardRow, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return NONE
    metric, tables = board.metric(name), board.tables[name]
    decimals = max(_of_rows(metric, table.rows) for table in tables)
    text = _around(number(metric, cell.mean, decimals), number(metric, cell.sd, decimals))
    return text if cell.is_complete else f"{text} ({len(cell.rows)}){FEWER}"


def _around(mean: str, sd: str) -> str:
    return mean if sd == NONE else f"{mean} ± {sd}"


def board_notes(board: FilledBoard) -> tuple[str, ...]:
    """Return the notes of a board."""
    cells = [cell for one in board.rows for cell in one.cells.values()]
    on_drawn = [(name, t) for name, drawn in board.tables.items() for t in drawn]
    audited = {name: t.audited for name, t in on_drawn if t.audited is not None}
    is_drawn = board.board.is_drawn
    seen: dict[str, dict[str, int]] = {}
    rows = [row for cell in cells for row in cell.rows.values()]
    if is_drawn:  # pretraining leaves out the reference test parts; others it may have met
        pairs = [(name, row) for name, table in on_drawn for row in table.rows]
        rows = [row for _, row in pairs]
        for name, row in pairs:
            if n := row.n_test_seen:
                counts = seen.setdefault(row.label, {})
                counts[name] = max(counts.get(name, 0), n)
    return notes(
        "board",
        board=board,
        n_complete=sum(row.average_rank is not None for row in board.rows),
        n_class=len(board.classification),
        fewer=FEWER,
        some_incomplete=not all(cell.is_complete for cell in cells),
        leaked={} if is_drawn else {name: audit.leaked_share for name, audit in audited.items()},
        pretrained=_pretrained(rows),
        seen=seen,
    )


# -------------------------------------------------------------------------------------------- time


def time_grid(tables: Sequence[Table]) -> Grid:
    """Return the seconds of fit and predict, mean over seeds, of one table a dataset name."""
    by_name = {t.label: {r.label: r for r in t.rows if r.good} for t in tables}
    shown = [*by_name.values()]
    rows = tuple(
        (label, *(seconds(rows[label]) if label in rows else NONE for rows in shown))
        for label in sorted({label for rows in shown for label in rows})
    )
    columns = ("model", *by_name)
    return Grid("Seconds to fit and predict, mean over seeds", columns, rows, notes=notes("time"))


def seconds(row: Row) -> str:
    """Return the mean seconds of fit and predict."""
    value = row.fit_and_predict
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
