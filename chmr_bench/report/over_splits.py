"""Boards of a drawn split: a model's score over several splits, which are the unit of variation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chmr_bench import splits
from chmr_bench.metrics import METRICS
from chmr_bench.report.boards import Board, Overall, fill
from chmr_bench.report.grids import NONE, Grid, heading, number
from chmr_bench.report.pretraining import pretraining_notes, seen_by_dataset
from chmr_bench.report.rows import Row, Table
from chmr_bench.statistics import ranks_with_ties

FEWER = "*"


@dataclass(frozen=True)
class Cell:
    """A model on one dataset, over the drawn splits on record.

    Attributes
    ----------
    scores : split seed -> mean over the model's seeds.
    wanted : the split seeds that any model has a score on.
    mean, sd : over the splits; sd is None for one split.
    low, high : 95 % t interval of the mean over splits, its variance corrected for the overlap of
        training sets (Nadeau and Bengio 2003, doi 10.1023/A:1024068626366); None for one split.
    """

    scores: Mapping[int, float]
    wanted: tuple[int, ...]
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def is_complete(self) -> bool:
        """Return whether the model has a score on every split on record."""
        return len(self.scores) == len(self.wanted)


@dataclass(frozen=True)
class SplitsRow:
    """A model over the datasets of a board.

    Attributes
    ----------
    cells : dataset -> its scores; only datasets where it has one.
    classification, sd : mean over the classification datasets, s.d. over splits of that mean; None
        unless every one is covered on every split on record (s.d.: and they have the same seeds).
    average_rank : over all datasets of the board, among models complete on all; else None.
    """

    label: str
    cells: Mapping[str, Cell]
    n_failed: int
    classification: float | None = None
    sd: float | None = None
    average_rank: float | None = None


@dataclass(frozen=True)
class OverSplits:
    """A board of a drawn split, filled in.

    Attributes
    ----------
    tables : dataset -> a table a split, by split seed.
    left_out : tables of other content under a board's dataset name.
    """

    board: Board
    tables: Mapping[str, tuple[Table, ...]]
    rows: tuple[SplitsRow, ...]
    left_out: tuple[Table, ...]


def fill_any(board: Board, tables: Sequence[Table]) -> Overall | OverSplits | None:
    """Return the board filled in, over splits where its split is drawn; None where empty."""
    if splits.depends_on_seed(board.split):
        return fill_over_splits(board, tables)
    return fill(board, tables)


def board_tables(board: Overall | OverSplits) -> list[Table]:
    """Return the tables that stand on a board."""
    if isinstance(board, Overall):
        return list(board.tables.values())
    return [table for drawn in board.tables.values() for table in drawn]


def fill_over_splits(board: Board, tables: Sequence[Table]) -> OverSplits | None:
    """Return the board over the measured tables, None where none of its datasets was measured."""
    chosen: dict[str, tuple[Table, ...]] = {}
    left_out: list[Table] = []
    for name in board.datasets:
        groups = _groups([t for t in tables if t.dataset.name == name and _fits(board, t)])
        if groups:
            best = max(groups, key=lambda key: (_weight(groups[key]), key))
            chosen[name] = tuple(sorted(groups.pop(best), key=lambda t: t.split.seed or 0))
            left_out += [table for group in groups.values() for table in group]
    if not chosen:
        return None
    return OverSplits(board, chosen, tuple(_rows(board, chosen)), tuple(left_out))


def _groups(tables: Sequence[Table]) -> dict[tuple[str, str], list[Table]]:
    """Group by data and metric; a split on which all failed has none, and joins its fellows."""
    groups: dict[tuple[str, str], list[Table]] = defaultdict(list)
    for table in sorted(tables, key=lambda t: t.metric is None):
        digest = table.dataset.digest
        fellow = next((key for key in groups if key[0] == digest), (digest, ""))
        groups[fellow if table.metric is None else (digest, table.metric)].append(table)
    return groups


def _fits(board: Board, table: Table) -> bool:
    drawn = table.split.name == board.split and table.split.seed is not None
    return table.kind == "benchmark" and drawn


def _weight(tables: Sequence[Table]) -> int:
    return sum(len(row.good) for table in tables for row in table.rows)


def _rows(board: Board, tables: Mapping[str, tuple[Table, ...]]) -> list[SplitsRow]:
    mine: dict[str, dict[str, list[tuple[Table, Row]]]] = defaultdict(lambda: defaultdict(list))
    for name, drawn in tables.items():
        for table in drawn:
            for row in table.rows:
                if not row.first.missing:
                    mine[row.label][name].append((table, row))
    classes = classification(board, tables)
    rows = []
    for label, by_dataset in mine.items():
        found = {n: _cell(tables[n], pairs) for n, pairs in by_dataset.items()}
        cells = {name: cell for name, cell in found.items() if cell is not None}
        failed = sum(len(r.failures) for pairs in by_dataset.values() for _, r in pairs)
        rows.append(_with_mean(SplitsRow(label, cells, failed), classes))
    ranked = _ranked(rows, board, tables)
    return sorted(ranked, key=lambda r: (r.average_rank or math.inf, -len(r.cells), r.label))


def _cell(tables: Sequence[Table], pairs: Sequence[tuple[Table, Row]]) -> Cell | None:
    scores = {t.split.seed or 0: r.score for t, r in pairs if r.score is not None}
    wanted = [t.split.seed or 0 for t in tables if any(r.score is not None for r in t.rows)]
    if not scores:
        return None
    values = list(scores.values())
    n, mean = len(values), math.fsum(values) / len(values)
    cell = Cell(scores, tuple(wanted), mean, None, None, None)
    if n < 2:
        return cell
    from scipy.special import stdtrit

    sd = _sd(values)
    split = pairs[0][0].split
    half = float(stdtrit(n - 1, 0.975)) * sd * math.sqrt(1 / n + split.n_test / split.n_train)
    return replace(cell, sd=sd, low=mean - half, high=mean + half)


def _sd(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def classification(board: Board, tables: Mapping[str, tuple[Table, ...]]) -> list[str]:
    """Return the board's classification datasets, measured or not."""
    measured = {n for n, t in tables.items() if t[0].dataset.task_type == "regression"}
    return [n for n in board.datasets if n not in measured | set(board.regression)]


def _with_mean(row: SplitsRow, classes: Sequence[str]) -> SplitsRow:
    cells = [row.cells[n] for n in classes if n in row.cells and row.cells[n].is_complete]
    if not cells or len(cells) < len(classes):
        return row
    mean = math.fsum(cell.mean for cell in cells) / len(cells)
    seeds = set(cells[0].scores)
    if len(seeds) < 2 or any(set(cell.scores) != seeds for cell in cells):
        return replace(row, classification=mean)
    by_split = [math.fsum(cell.scores[s] for cell in cells) / len(cells) for s in sorted(seeds)]
    return replace(row, classification=mean, sd=_sd(by_split))


def _ranked(
    rows: Sequence[SplitsRow], board: Board, tables: Mapping[str, tuple[Table, ...]]
) -> list[SplitsRow]:
    names = board.datasets
    whole = [r for r in rows if all(n in r.cells and r.cells[n].is_complete for n in names)]
    if not whole:
        return list(rows)
    nan = float("nan")
    totals = dict.fromkeys((r.label for r in whole), 0.0)
    for name in names:
        metric = tables[name][0].metric
        cells = [r.cells[name] for r in whole]
        ranks = ranks_with_ties(
            [c.mean for c in cells],
            [nan if c.low is None else c.low for c in cells],
            [nan if c.high is None else c.high for c in cells],
            greater_is_better=metric is None or METRICS[metric].greater_is_better,
        )
        for row, rank in zip(whole, ranks, strict=True):
            totals[row.label] += rank
    means = {label: total / len(names) for label, total in totals.items()}
    return [replace(r, average_rank=means.get(r.label)) for r in rows]


# ------------------------------------------------------------------------------------------ shown


def splits_grid(found: OverSplits) -> Grid:
    """Return the board: one row a model."""
    board, classes = found.board, classification(found.board, found.tables)
    heads = [_heading(found, name) for name in board.datasets]
    columns = ["model", *heads, f"mean of {len(classes)}", "rank", "datasets"]
    failed = any(row.n_failed for row in found.rows)
    rows = []
    for row in found.rows:
        cells = [row.label, *(_text(found, row, name) for name in board.datasets)]
        metric = next((found.tables[n][0].metric for n in classes if n in found.tables), None)
        cells.append(_around(number(metric, row.classification), number(metric, row.sd)))
        cells.append(NONE if row.average_rank is None else f"{row.average_rank:.1f}")
        cells.append(f"{len(row.cells)} of {len(board.datasets)}")
        rows.append((*cells, *([str(row.n_failed or NONE)] if failed else [])))
    columns += ["failed"] if failed else []
    title = f"{board.title}, {board.split} splits"
    return Grid(title, tuple(columns), tuple(rows), notes=tuple(_notes(found)))


def _heading(found: OverSplits, name: str) -> str:
    if name not in found.tables:
        return name
    metric = found.tables[name][0].metric
    unit = "" if metric in (None, "roc_auc") else f" {heading(metric)}"
    n = len(_wanted(found.tables[name]))
    return f"{name}{unit} ({n} splits)" if n != 1 else f"{name}{unit} (1 split)"


def _wanted(tables: Sequence[Table]) -> list[Table]:
    return [t for t in tables if any(r.score is not None for r in t.rows)]


def _text(found: OverSplits, row: SplitsRow, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return NONE
    metric = found.tables[name][0].metric
    text = _around(number(metric, cell.mean), number(metric, cell.sd))
    return text if cell.is_complete else f"{text} ({len(cell.scores)}){FEWER}"


def _around(mean: str, sd: str) -> str:
    return mean if sd == NONE else f"{mean} ± {sd}"


def _notes(found: OverSplits) -> list[str]:
    n_complete = sum(r.average_rank is not None for r in found.rows)
    notes = [
        "Each cell is the mean ± s.d. over splits of the dataset's score, on each split the mean "
        "over seeds: ROC-AUC in percent unless the heading says otherwise. Every split is drawn "
        f"by its own seed (`--split {found.board.split} --split-seeds N`).",
        "mean: over the classification datasets, each counting once; its s.d. is over splits.",
        _rank_note(n_complete),
        f"'{NONE}': not measured.",
    ]
    if any(not c.is_complete for r in found.rows for c in r.cells.values()):
        notes.append(
            f"{FEWER} on fewer splits than there are on record (how many in brackets): not the "
            "same splits as the other rows, so in no mean and no rank."
        )
    notes += [
        *found.board.notes,
        *pretraining_notes(row for drawn in found.tables.values() for t in drawn for row in t.rows),
        *seen_by_dataset({n: [r for t in d for r in t.rows] for n, d in found.tables.items()}),
    ]
    notes += [
        f"{t.dataset.name} was also measured on other content (data {t.dataset.digest[:12]}); that "
        "is in a table of its own and not here."
        for t in found.left_out
    ]
    return notes


def _rank_note(n_complete: int) -> str:
    if not n_complete:
        return "rank: none yet, since no model has every dataset on every split on record."
    models = "1 model" if n_complete == 1 else f"{n_complete} models"
    return (
        f"rank: average over the datasets of the rank among the {models} with a score on every "
        "split on record of every dataset. Two models are tied where their 95 % t intervals over "
        "splits, corrected for overlapping training sets, overlap."
    )


def splits_json(found: OverSplits) -> dict[str, Any]:
    """Return everything about the board but its schema."""
    return {
        "name": found.board.name,
        **found.board.model_dump(mode="json"),
        "metrics": {name: tables[0].metric for name, tables in found.tables.items()},
        "split_seeds": {n: [t.split.seed for t in _wanted(d)] for n, d in found.tables.items()},
        "rows": [splits_row(found, row) for row in found.rows],
    }


def splits_row(found: OverSplits, row: SplitsRow) -> dict[str, Any]:
    """Return a row's numbers."""
    return {
        "row": row.label,
        "scores": {n: _cell_json(row.cells.get(n)) for n in found.board.datasets},
        "classification_mean": row.classification,
        "classification_sd_over_splits": row.sd,
        "average_rank": row.average_rank,
        "n_covered": len(row.cells),
        "n_datasets": len(found.board.datasets),
        "n_failed": row.n_failed,
    }


def _cell_json(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {
        "mean": cell.mean,
        "sd_over_splits": cell.sd,
        "low": cell.low,
        "high": cell.high,
        "n_splits": len(cell.scores),
        "n_splits_on_record": len(cell.wanted),
        "by_split_seed": {str(seed): score for seed, score in sorted(cell.scores.items())},
    }


def splits_flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `splits_row` with columns a dataset, for CSV."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key != "scores":
            flat[key] = value
            continue
        for name, cell in value.items():
            told = cell or {}
            flat[name] = told.get("mean")
            flat[f"{name}_sd_over_splits"] = told.get("sd_over_splits")
            flat[f"{name}_n_splits"] = told.get("n_splits", 0)
    return flat
