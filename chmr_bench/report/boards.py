"""Boards: which datasets are put side by side, on which split.

``boards/*.toml`` beside the records says it; without one there is a single board, ``main``: the
suite ``all`` on the reference split. Where the split is drawn by a seed, a cell is over several
splits, which are then the unit of variation.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import splits
from chmr_bench.errors import DataError
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.digits import known_mean, sample_sd
from chmr_bench.report.published import read_toml
from chmr_bench.types import MetricName

MAIN = "main"
DEFAULT_SUITE = "all"


class Board(BaseModel):
    """What a board compares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default=MAIN, exclude=True)
    title: str
    datasets: tuple[str, ...] = Field(min_length=1)
    regression: tuple[str, ...] = Field(
        default=(), description="those of the datasets that are no classification"
    )
    split: str = "reference"
    notes: tuple[str, ...] = Field(default=(), description="lines that stand under it")

    @property
    def is_drawn(self) -> bool:
        """Return whether its split is drawn by a seed."""
        return splits.depends_on_seed(self.split)


@dataclass
class Cell:
    """A model on one dataset; `evidence.measure` fills in `low` and `high`.

    Attributes
    ----------
    rows :
        Its row of the table of each split, only those with a score.
    wanted :
        The split seeds that any model has a score on; ``(None,)`` on a split that is not drawn.
    mean, sd :
        Over the splits; sd is None for one split.
    low, high :
        On one split the row's interval; over splits the 95 % t interval of the mean, its variance
        corrected for the overlap of training sets (Nadeau and Bengio 2003,
        doi 10.1023/A:1024068626366), None for one drawn split.
    """

    rows: Mapping[int | None, Row]
    wanted: tuple[int | None, ...]
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def scores(self) -> dict[int | None, float]:
        """Return split seed -> mean over the model's seeds."""
        return {seed: row.score for seed, row in self.rows.items() if row.score is not None}

    @property
    def is_complete(self) -> bool:
        """Return whether the model has a score on every split on record."""
        return len(self.rows) == len(self.wanted)


@dataclass
class BoardRow:
    """A model over the datasets of a board; `evidence.measure` fills in intervals and ranks.

    Attributes
    ----------
    cells :
        Dataset -> its score; only datasets where it has one.
    classification :
        Mean over the board's classification datasets; None unless every one of them is covered.
    low, high :
        Its 95 % interval over resampled test molecules, on a split that is not drawn.
    sd :
        Its s.d. over splits, where all datasets have the same ones.
    ranks, average_rank :
        Among the models that cover all datasets of the board, on every split on record, and whose
        weights saw no label.
    """

    label: str
    cells: Mapping[str, Cell]
    n_failed: int
    classification: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    ranks: Mapping[str, float] = field(default_factory=dict)
    average_rank: float | None = None

    @property
    def labels_seen(self) -> bool:
        """Return whether the model's weights may have learnt from labels of a benchmark."""
        rows = (row for cell in self.cells.values() for row in cell.rows.values())
        return any(row.labels_seen for row in rows)


@dataclass
class FilledBoard:
    """A board filled in; its rows are in their last order once they are measured.

    Attributes
    ----------
    tables :
        Dataset -> the table of each split, by split seed, for datasets with any record.
    left_out :
        Tables of other content under a board's dataset name.
    """

    board: Board
    tables: Mapping[str, tuple[Table, ...]]
    rows: tuple[BoardRow, ...]
    left_out: tuple[Table, ...]

    @property
    def classification(self) -> list[str]:
        """Return the board's classification datasets, measured or not."""
        kinds = {name: tables[0].facts["task_type"] for name, tables in self.tables.items()}
        kinds |= dict.fromkeys(self.board.regression, "regression")
        return [n for n in self.board.datasets if kinds.get(n) != "regression"]

    def metric(self, name: str) -> MetricName | None:
        """Return the metric of a dataset; None where it was not measured."""
        return self.tables[name][0].metric if name in self.tables else None

    @property
    def split_seeds(self) -> dict[str, list[int | None]]:
        """Return dataset -> the split seeds on which any model has a score."""
        return {
            name: [t.facts["split_seed"] for t in of if any(r.score is not None for r in t.rows)]
            for name, of in self.tables.items()
        }

    @property
    def is_audited(self) -> bool:
        """Return whether all its classification datasets were audited."""
        tables = [self.tables.get(name) for name in self.classification]
        return bool(tables) and all(t is not None and t[0].audited is not None for t in tables)

    def clean_mean(self, row: BoardRow) -> float | None:
        """Return the mean of clean scores over the classification datasets; None unless known."""
        if row.classification is None:
            return None
        return known_mean(row.cells[name].rows[None].clean_score for name in self.classification)


def load_boards(folder: Path) -> list[Board]:
    """Return the boards of a folder, ``main`` first; the default one where it has none.

    Raises
    ------
    DataError
        A board, or the folder, is not what it should be.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, where a folder of boards belongs; move it away")
    paths = sorted(folder.glob("*.toml"), key=lambda p: (p.stem != MAIN, p.stem))
    todo = "; mend or remove the board"
    boards = [read_toml(path, Board, todo).model_copy(update={"name": path.stem}) for path in paths]
    return boards or _default()


def _default() -> list[Board]:
    from chmr_bench.plugins import registry

    names, known = tuple(registry().suites.get(DEFAULT_SUITE, ())), registry().datasets
    if not names:
        return []
    regression = tuple(name for name in names if known[name].spec.task_type == "regression")
    return [Board(title=f"All {len(names)} benchmarks", datasets=names, regression=regression)]


# -------------------------------------------------------------------------------------- fill it in


def fill(board: Board, tables: Sequence[Table]) -> FilledBoard | None:
    """Return the board over the measured tables, None where none of its datasets was measured."""
    chosen: dict[str, tuple[Table, ...]] = {}
    left_out: list[Table] = []
    for name in board.datasets:
        groups = _groups(board, [t for t in tables if t.name == name and _fits(board, t)])
        if groups:
            # A stray run on other data does not take a board over: more results weigh more.
            weights = {k: sum(len(r.good) for t in of for r in t.rows) for k, of in groups.items()}
            best = max(groups, key=lambda key: (weights[key], key))
            drawn = sorted(groups.pop(best), key=lambda t: t.facts["split_seed"] or 0)
            chosen[name] = tuple(drawn)
            left_out += [table for group in groups.values() for table in group]
    if not chosen:
        return None
    board_of = FilledBoard(board, chosen, (), tuple(left_out))
    return replace(board_of, rows=tuple(_rows(board_of)))


def _fits(board: Board, table: Table) -> bool:
    if board.is_drawn:
        named = table.facts["split"] == board.split and table.facts["split_seed"] is not None
    else:
        named = board.split in table.facts["split_names"]
    return table.kind == "benchmark" and named


def _groups(board: Board, tables: Sequence[Table]) -> dict[tuple[str, ...], list[Table]]:
    """Group by data, and over splits by metric; a split on which all failed joins its fellows."""
    names = ("dataset_digest", "split_digest")[: 1 if board.is_drawn else 2]
    groups: dict[tuple[str, ...], list[Table]] = defaultdict(list)
    for table in sorted(tables, key=lambda t: t.metric is None):
        data = tuple(str(table.facts[name]) for name in names)
        key = (*data, table.metric or "")
        if board.is_drawn and table.metric is None:
            key = next((known for known in groups if known[:-1] == data), key)
        groups[key].append(table)
    return groups


def _rows(filled: FilledBoard) -> list[BoardRow]:
    mine: dict[str, dict[str, dict[int | None, Row]]] = defaultdict(lambda: defaultdict(dict))
    for name, drawn in filled.tables.items():
        for table in drawn:
            seed = table.facts["split_seed"] if filled.board.is_drawn else None
            for row in table.rows:
                mine[row.label][name][seed] = row
    rows = []
    for label, by_dataset in mine.items():
        cells = {n: cell for n, of in by_dataset.items() if (cell := _cell(filled, n, of))}
        failed = sum(len(row.failures) for of in by_dataset.values() for row in of.values())
        rows.append(_with_mean(BoardRow(label, cells, failed), filled))
    return rows


def _cell(filled: FilledBoard, name: str, rows: Mapping[int | None, Row]) -> Cell | None:
    scored = {seed: row for seed, row in rows.items() if row.score is not None}
    if not scored:
        return None
    values = [row.score for row in scored.values() if row.score is not None]
    wanted = tuple(filled.split_seeds[name]) if filled.board.is_drawn else (None,)
    return Cell(scored, wanted, statistics.fmean(values), sample_sd(values))


def _with_mean(row: BoardRow, filled: FilledBoard) -> BoardRow:
    """Return the row with its mean over the classification datasets, if it covers them."""
    classes = filled.classification
    cells = [row.cells[n] for n in classes if n in row.cells and row.cells[n].is_complete]
    if not cells or len(cells) < len(classes) or len({filled.metric(n) for n in classes}) > 1:
        return row
    mean = statistics.fmean(cell.mean for cell in cells)
    scores = [cell.scores for cell in cells]
    if len(scores[0]) < 2 or any(set(one) != set(scores[0]) for one in scores):
        return replace(row, classification=mean)
    by_split = [statistics.fmean(one[seed] for one in scores) for seed in scores[0]]
    return replace(row, classification=mean, sd=sample_sd(by_split))
