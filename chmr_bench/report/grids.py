"""Cells of text: the one form that Markdown pages and terminal tables are both made from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chmr_bench.metrics import METRICS
from chmr_bench.report.boards import Overall, OverallRow
from chmr_bench.report.clean import (
    NOT_AUDITED,
    clean_mean,
    clean_note,
    clean_score,
    clean_scores,
    is_audited,
    leaked_note,
)
from chmr_bench.report.pretraining import pretraining_notes, seen_notes
from chmr_bench.report.rows import Row, Table
from chmr_bench.report.sources import caveats
from chmr_bench.types import MetricName

NONE = "-"
PERCENT: tuple[MetricName, ...] = ("roc_auc", "average_precision")
"""Metrics from 0 to 1 that are written in percent."""


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Attributes
    ----------
    left : columns of words; all others hold numbers and are aligned right.
    notes : lines that stand under it.
    folded : too long for a page that is read from top to bottom; shown closed where that can be.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ("model",)
    notes: tuple[str, ...] = ()
    folded: bool = False


def number(metric: MetricName | None, value: float | None, digits: int = 1) -> str:
    """Return a score as it is shown: percent with one decimal, or three decimals of the unit.

    What rounds to zero has no sign.
    """
    if value is None:
        return NONE
    if metric in PERCENT:
        return f"{100 * value:z.{digits}f}"
    return f"{value:z.3f}" if abs(value) < 100 else f"{value:.1f}"


def span(metric: MetricName | None, low: float | None, high: float | None) -> str:
    """Return an interval as it is shown."""
    if low is None or high is None:
        return NONE
    return f"{number(metric, low)} to {number(metric, high)}"


def heading(metric: MetricName | None) -> str:
    """Return a column's heading, with the unit or the way that is better where it must be said."""
    if metric is None:
        return "score"
    title = METRICS[metric].title + (" %" if metric in PERCENT else "")
    return title if METRICS[metric].greater_is_better else f"{title} ↓"


def wrapped(grid: Grid, width: int) -> list[Grid]:
    """Return the grid in pieces of at most `width` characters, each with the columns of words.

    Headings are broken between words, so that a column is no wider than its widest cell or word.
    """
    n_left = sum(column in grid.left for column in grid.columns)
    widths = [_width(grid, j) + 2 for j in range(len(grid.columns))]
    pieces: list[list[int]] = [[]]
    for j in range(n_left, len(grid.columns)):
        used = sum(widths[:n_left]) + sum(widths[i] for i in pieces[-1])
        if pieces[-1] and used + widths[j] > width:
            pieces.append([])
        pieces[-1].append(j)
    return [_piece(grid, [*range(n_left), *piece], widths) for piece in pieces]


def _width(grid: Grid, j: int) -> int:
    head = grid.columns[j]
    widest = max(len(text) for text in [*(head.split() or [""]), *(row[j] for row in grid.rows)])
    return max(widest, -(-len(head) // 2))


def _piece(grid: Grid, chosen: Sequence[int], widths: Sequence[int]) -> Grid:
    heads = {j: "\n".join(textwrap.wrap(grid.columns[j], widths[j] - 2)) for j in chosen}
    return replace(
        grid,
        columns=tuple(heads.values()),
        rows=tuple(tuple(row[j] for j in chosen) for row in grid.rows),
        left=tuple(head for j, head in heads.items() if grid.columns[j] in grid.left),
    )


# ------------------------------------------------------------------------------------- one dataset


def table_grid(table: Table) -> Grid:
    """Return a dataset's rows."""
    shares = table.metric == "roc_auc"
    score = heading(table.metric)
    audited = [f"{score}, all test rows", "clean rows", "leaked"]
    columns = ["model", *(audited if table.audited else [score])]
    columns += ["95 % interval", "s.d.", "runs", "behind the best"]
    columns += ["tasks", *(["tasks ≥ 0.80"] if shares else [])]
    columns += ["failed"] if any(row.failures for row in table.rows) else []
    rows = tuple(tuple(_table_cells(table, row, shares)) for row in table.rows)
    return Grid(table_title(table), tuple(columns), rows, notes=tuple(_table_notes(table)))


def table_title(table: Table) -> str:
    """Return ``bace, scaffold split``, marked where it is no benchmark."""
    mark = {"benchmark": "", "user": " (user's table)", "synthetic": " (SYNTHETIC)"}[table.kind]
    split = "" if table.split_name == "reference" else f", {table.split_name} split"
    return f"{table.dataset.name}{mark}{split}"


def _table_cells(table: Table, row: Row, shares: bool) -> list[str]:
    metric = table.metric
    runs = f"{len(row.good)} (no seed)" if row.first.seed is None else str(len(row.good))
    cells = [row.label, number(metric, row.score), *_clean(table, row)]
    cells += [
        span(metric, row.low, row.high),
        number(metric, row.sd),
        runs if row.good else "0",
        _behind(metric, row),
    ]
    cells.append(f"{row.n_evaluable} of {table.dataset.n_tasks}" if row.good else NONE)
    if shares:
        cells.append(_share(row))
    if any(other.failures for other in table.rows):
        cells.append(str(len(row.failures)) if row.failures else NONE)
    return cells


def _clean(table: Table, row: Row) -> list[str]:
    if table.audited is None:
        return []
    known = clean_scores(table, row) is not None or not row.good
    score = number(table.metric, clean_score(table, row)) if known else NOT_AUDITED
    return [score, f"{100 * table.audited.leaked_share:.1f} %"]


def _behind(metric: MetricName | None, row: Row) -> str:
    if row.behind is None:
        return NONE
    difference, low, high = row.behind
    if difference == 0:
        return "best"
    around = "" if low is None else f" ({span(metric, low, high)})"
    return f"{number(metric, difference)}{around}"


def _share(row: Row) -> str:
    """Return a share, never without what it is a share of."""
    if row.share_080 is None:
        return NONE
    return f"{100 * row.share_080:.1f} % of {row.n_evaluable}"


TIME_NOTE = (
    "Wall clock of each run as it was made, beside whatever else the machine was doing: an order "
    "of magnitude, no comparison; what an earlier run had left (embeddings, linear heads) was not "
    "computed again. `make bench` measures ratios side by side."
)


def _table_notes(table: Table) -> list[str]:
    notes = []
    if table.n_dropped:
        rows = "1 row of the source was" if table.n_dropped == 1 else None
        rows = rows or f"{table.n_dropped} rows of the source were"
        notes.append(
            f"{rows} left out on the user's order (--on-invalid drop); every score here is without."
        )
    others = [name for name in table.split_names if name != table.split.name]
    if others:
        notes.append(
            f"Asked for as {', '.join(others)} split too: the same rows of train, valid and test."
        )
    if table.not_evaluable:
        reasons = [f"`{t.task}` ({t.reason})" for t in table.not_evaluable]
        shown = "; ".join(reasons[:20]) + (
            f"; {len(reasons) - 20} more in the JSON file" if len(reasons) > 20 else ""
        )
        notes.append(
            f"Not evaluable: {len(reasons)} of {table.dataset.n_tasks} tasks, in no mean and in "
            f"no share: {shown}."
        )
    notes += clean_note(table)
    notes += [*pretraining_notes(table.rows), *seen_notes(table.rows)]
    known = caveats(table.dataset)
    known = (f"Known of these data: {'; '.join(known)}.",) if known else ()
    return [*notes, *(line for row in table.rows for line in _failures(row)), *known]


def _failures(row: Row) -> list[str]:
    """Return a line a kind of failure, with how many jobs it hit."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for failure in row.failures:
        seed = "no seed" if failure.seed is None else str(failure.seed)
        seeds.setdefault((failure.phase, failure.error), []).append(seed)
    lines = []
    for (phase, error), which in seeds.items():
        jobs = "1 job" if len(which) == 1 else f"{len(which)} jobs"
        word = "" if which == ["no seed"] else ("seed " if len(which) == 1 else "seeds ")
        lines.append(f"Failed: {row.label}, {jobs} ({word}{', '.join(which)}), in {phase}: {error}")
    return lines


# ----------------------------------------------------------------------------------------- a board


def overall_grid(overall: Overall) -> Grid:
    """Return a board: one row a model."""
    board = overall.board
    columns = ["model", *(_dataset_heading(overall, n) for n in board.datasets)]
    classes = _classification(overall)
    columns.append(f"mean of {len(classes)}")
    columns += [f"mean of {len(classes)}, clean rows"] if is_audited(overall, classes) else []
    columns += ["rank", "datasets"]
    columns += ["failed"] if any(row.n_failed for row in overall.rows) else []
    rows = tuple(tuple(_overall_cells(overall, row)) for row in overall.rows)
    title = f"{board.title}, {board.split} split"
    return Grid(title, tuple(columns), rows, notes=tuple(_overall_notes(overall)))


def _dataset_heading(overall: Overall, name: str) -> str:
    table = overall.tables.get(name)
    if table is None or table.metric in (None, "roc_auc"):
        return name
    return f"{name} {heading(table.metric)}"


def _overall_cells(overall: Overall, row: OverallRow) -> list[str]:
    cells = [row.label]
    for name in overall.board.datasets:
        measured = row.rows.get(name)
        table = overall.tables.get(name)
        cells.append(number(table.metric, measured.score) if table and measured else NONE)
    cells.append(number(_shared_metric(overall), row.classification))
    classes = _classification(overall)
    if is_audited(overall, classes):
        cells.append(number(_shared_metric(overall), clean_mean(overall, row, classes)))
    cells.append(NONE if row.average_rank is None else f"{row.average_rank:.1f}")
    cells.append(f"{len(row.rows)} of {len(overall.board.datasets)}")
    if any(other.n_failed for other in overall.rows):
        cells.append(str(row.n_failed) if row.n_failed else NONE)
    return cells


def _shared_metric(overall: Overall) -> MetricName | None:
    return next((overall.tables[n].metric for n in overall.of_type("classification")), None)


def _classification(overall: Overall) -> list[str]:
    """Return the board's classification datasets, measured or not."""
    other = {*overall.of_type("regression"), *overall.board.regression}
    return [n for n in overall.board.datasets if n not in other]


def _overall_notes(overall: Overall) -> list[str]:
    board = overall.board
    n_class = len(_classification(overall))
    n_complete = sum(r.average_rank is not None for r in overall.rows)
    notes = [
        "Each cell is the mean over seeds of the dataset's score, which is the unweighted mean "
        "over its evaluable tasks: ROC-AUC in percent unless the heading says otherwise.",
        f"mean of {n_class}: over the {n_class} classification datasets, each counting once; never "
        "over tasks.",
        _rank_note(n_complete, len(board.datasets)),
        f"'{NONE}': not measured; a mean or a rank over fewer datasets than the board's is not "
        "comparable, so none is given.",
    ]
    notes += [*board.notes, *leaked_note(overall)]
    notes += pretraining_notes(row for o in overall.rows for row in o.rows.values())
    notes += [
        f"{t.dataset.name} was also measured on other content (data {t.dataset.digest[:12]}, split "
        f"{t.split.digest[:12]}); that is in a table of its own and not here."
        for t in overall.left_out
    ]
    return notes


def _rank_note(n_complete: int, n_datasets: int) -> str:
    if n_complete == 0:
        return f"rank: none yet, since no model covers all {n_datasets} datasets."
    models = "1 model that covers" if n_complete == 1 else f"{n_complete} models that cover"
    return (
        f"rank: average over the datasets of the rank among the {models} all {n_datasets}. On a "
        "dataset, two models whose 95 % intervals overlap are tied: rank = 1 + models clearly "
        "better + half of those tied."
    )


# -------------------------------------------------------------------------------------------- time


def time_grid(tables: Sequence[Table], names: Sequence[str]) -> Grid:
    """Return the seconds of fit and predict, mean over seeds, of one table a dataset name."""
    by_name = {t.dataset.name: t for t in tables}
    shown = [by_name[n] for n in names if n in by_name]
    labels = sorted({r.label for t in shown for r in t.rows if r.good})
    rows = []
    for label in labels:
        cells = [label]
        for table in shown:
            row = next((r for r in table.rows if r.label == label and r.good), None)
            cells.append(NONE if row is None else seconds(row))
        rows.append(tuple(cells))
    columns = ("model", *(t.dataset.name for t in shown))
    return Grid(
        "Seconds to fit and predict, mean over seeds", columns, tuple(rows), notes=(TIME_NOTE,)
    )


def seconds(row: Row) -> str:
    """Return the mean seconds of fit and predict."""
    value = fit_and_predict(row)
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def fit_and_predict(row: Row) -> float:
    """Return the mean over seeds of the seconds that fit and predict took."""
    return sum(r.timing.fit + r.timing.predict for r in row.good) / len(row.good)
