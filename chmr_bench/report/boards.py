"""Boards: which datasets are put side by side, on which split.

``boards/*.toml`` beside the records says it; without one there is a single board, ``main``: the
suite ``all`` on the reference split.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chmr_bench.errors import DataError
from chmr_bench.report.rows import Row, Table
from chmr_bench.statistics import (
    effective_sample_size,
    interval,
    mean_over_seeds,
    ranks_with_ties,
)
from chmr_bench.types import TaskType

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


@dataclass(frozen=True)
class OverallRow:
    """A model over the datasets of a board.

    Attributes
    ----------
    rows : dataset -> the model's row there; only datasets where it has a score.
    n_failed : failed jobs on the board's datasets.
    classification : mean over the board's classification datasets, with the 95 % bootstrap
        interval; None unless every one of them is covered.
    average_rank : over all datasets of the board; None unless all are covered. Ranks are among the
        models that cover all.
    """

    label: str
    rows: Mapping[str, Row]
    n_failed: int
    classification: float | None = None
    low: float | None = None
    high: float | None = None
    ranks: Mapping[str, float] | None = None
    average_rank: float | None = None


@dataclass(frozen=True)
class Overall:
    """A board filled in.

    Attributes
    ----------
    tables : dataset -> the table that stands for it, for datasets with any record.
    left_out : names of tables of other content under a board's dataset name.
    """

    board: Board
    tables: Mapping[str, Table]
    rows: tuple[OverallRow, ...]
    left_out: tuple[Table, ...]

    def of_type(self, task_type: TaskType) -> list[str]:
        """Return the board's datasets of a task type, as far as they were measured."""
        return [n for n, t in self.tables.items() if t.dataset.task_type == task_type]


def load_boards(folder: Path) -> list[Board]:
    """Return the boards of a folder, ``main`` first; the default one where it has none.

    Raises
    ------
    DataError : a board, or the folder, is not what it should be.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, where a folder of boards belongs; move it away")
    paths = sorted(folder.glob("*.toml"), key=lambda p: (p.stem != MAIN, p.stem))
    return [_read(path) for path in paths] or _default()


def _read(path: Path) -> Board:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Board.model_validate({**content, "name": path.stem})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}: {first['msg']}; mend or remove the board") from error
    except (OSError, ValueError) as error:  # no TOML, or no text at all
        raise DataError(f"{path}: cannot be read: {error}; mend or remove the board") from error


def _default() -> list[Board]:
    from chmr_bench.plugins import registry

    suite = registry().suites.get(DEFAULT_SUITE)
    if suite is None:
        return []
    title = f"All {len(suite.datasets)} benchmarks"
    types = {name: registry().datasets[name].spec.task_type for name in suite.datasets}
    regression = tuple(name for name, kind in types.items() if kind == "regression")
    return [Board(title=title, datasets=tuple(suite.datasets), regression=regression)]


# -------------------------------------------------------------------------------------- fill it in


def fill(board: Board, tables: Sequence[Table]) -> Overall | None:
    """Return the board over the measured tables, None where none of its datasets was measured."""
    chosen: dict[str, Table] = {}
    left_out = []
    for name in board.datasets:
        candidates = [t for t in tables if t.dataset.name == name and _fits(board, t)]
        if candidates:
            chosen[name] = max(candidates, key=_weight)
            left_out += [t for t in candidates if t is not chosen[name]]
    if not chosen:
        return None
    rows = _overall_rows(board, chosen)
    return Overall(board, chosen, tuple(rows), tuple(left_out))


def _fits(board: Board, table: Table) -> bool:
    return table.kind == "benchmark" and board.split in table.split_names


def _weight(table: Table) -> tuple[int, str, str]:
    """More results weigh more: a stray run on other data does not take a board over."""
    return sum(len(r.good) for r in table.rows), table.dataset.digest, table.split.digest


def _overall_rows(board: Board, tables: Mapping[str, Table]) -> list[OverallRow]:
    labels = sorted({r.label for t in tables.values() for r in t.rows if not r.first.missing})
    rows = [_overall_row(board, label, tables) for label in labels]
    complete = [r for r in rows if len(r.rows) == len(board.datasets)]
    ranks = {name: _ranks(table, complete) for name, table in tables.items()}
    ranked = [
        _with_ranks(row, {n: r[row.label] for n, r in ranks.items() if row.label in r})
        for row in rows
    ]
    return sorted(
        ranked,
        key=lambda r: (r.average_rank is None, r.average_rank or 0.0, -len(r.rows), r.label),
    )


def _overall_row(board: Board, label: str, tables: Mapping[str, Table]) -> OverallRow:
    mine = {n: r for n, t in tables.items() for r in t.rows if r.label == label}
    scored = {n: r for n, r in mine.items() if r.score is not None}
    row = OverallRow(label, scored, sum(len(r.failures) for r in mine.values()))
    classes = _classification(board, tables)
    got = [scored[n] for n in classes if n in scored]
    metrics = {tables[n].metric for n in classes if n in tables}
    if not got or len(got) < len(classes) or len(metrics) > 1:
        return row
    values = [r.score for r in got if r.score is not None]
    low, high = _interval_of_mean(got)
    return replace(row, classification=math.fsum(values) / len(values), low=low, high=high)


def _classification(board: Board, tables: Mapping[str, Table]) -> list[str]:
    """Return the board's classification datasets, measured or not."""
    measured = {n for n, t in tables.items() if t.dataset.task_type == "regression"}
    return [n for n in board.datasets if n not in measured | set(board.regression)]


def _interval_of_mean(rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Return the interval of a mean over datasets, whose test molecules are drawn independently."""
    runs = [r.runs for r in rows if r.runs is not None]
    replicates = [r.replicates for r in rows if r.replicates is not None]
    if len(runs) < len(rows) or len({len(r) for r in replicates}) != 1:
        return None, None
    low, high = interval(
        mean_over_seeds(replicates),
        score=math.fsum(float(r.scores.mean()) for r in runs) / len(runs),
        metric=runs[0].metric,
        n_effective=effective_sample_size([r.effective for r in runs]),
    )
    return (None, None) if np.isnan(low) else (low, high)


def _ranks(table: Table, complete: Sequence[OverallRow]) -> dict[str, float]:
    name = table.dataset.name
    rows = [(r.label, r.rows[name]) for r in complete]
    nan = float("nan")
    ranks = ranks_with_ties(
        [nan if r.score is None else r.score for _, r in rows],
        [nan if r.low is None else r.low for _, r in rows],
        [nan if r.high is None else r.high for _, r in rows],
        greater_is_better=table.greater_is_better,
    )
    return dict(zip([label for label, _ in rows], ranks, strict=True))


def _with_ranks(row: OverallRow, ranks: Mapping[str, float]) -> OverallRow:
    if not ranks:
        return row
    return replace(row, ranks=ranks, average_rank=math.fsum(ranks.values()) / len(ranks))
