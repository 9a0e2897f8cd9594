"""What rests on bootstrap replicates: intervals, ranks and curves, computed here and nowhere else.

An interval depends on nothing but its runs and the code, so it is kept under their hash beside the
records, and a build after one new run reads the replicates of that run's row alone. ``leaderboard
build --check`` computes everything anew. Once runs are measured, nobody opens the store again.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.errors import DataError, RecordError
from chmr_bench.metrics import METRICS
from chmr_bench.records import Problem, Record
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.boards import Cell, FilledBoard
from chmr_bench.report.digits import finite
from chmr_bench.report.masking import CurveRuns, Masked, Seed
from chmr_bench.report.runs import LoadedRuns, Run
from chmr_bench.statistics import (
    Runs,
    effective_sample_size,
    interval,
    mean_over_seeds,
    ranks_with_ties,
    resampled_interval,
    score_interval,
)
from chmr_bench.statistics.changes import change_of
from chmr_bench.types import FloatArray

Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class MeasuredCurve:
    """The runs of a curve with their replicates: those with nothing masked, and those by rate."""

    of: CurveRuns
    start: Runs | None
    at: Mapping[float, Runs | None]


class Evidence:
    """Replicates of the runs of a store, and the statistics that were computed from them.

    Parameters
    ----------
    loaded :
        The runs, with the store where their replicates are read.
    known :
        Statistics by hash, from an earlier build.
    """

    def __init__(self, loaded: LoadedRuns, known: Mapping[str, Any] | None = None) -> None:
        self.store = loaded.store
        self.stored = loaded.stored
        self.known = dict(known or {})
        self.used: dict[str, Any] = {}
        self.problems: dict[Path, Problem] = {}
        self.n_unread = 0

    def runs(self, lines: Sequence[Run], seeds: Sequence[int | None]) -> Runs | None:
        """Return scored runs by seed; None, and a problem, where replicates cannot be read."""
        replicates = []
        for line in lines:
            try:
                replicates.append(self.replicates(line))
            except RecordError as error:
                self._note(line, error)
        if len(replicates) < len(lines) or not lines:
            return None
        try:
            mean_over_seeds(replicates)
            first = lines[0]
            scores = np.array([line["score"] for line in lines], dtype=np.float64)
            return Runs(
                scores,
                np.stack(replicates).astype(np.float64),
                tuple(seeds),
                first["metric"],
                n_units=first["n_test"],
                n_effective=first["n_effective"],
            )
        except DataError as error:
            self._note(lines[0], error)
            return None

    def of_row(self, row: Row) -> Runs | None:
        """Return the runs of a row, read at most once."""
        if row.runs is None:
            row.runs = self.runs(row.good, [line["seed"] for line in row.good])
        return row.runs

    def replicates(self, line: Run) -> FloatArray:
        """Return the (1000,) bootstrap replicates of a run; RecordError where they are damaged."""
        entry = self.stored[line["identity"]]
        if not isinstance(entry, Record):
            with contextlib.suppress(RecordError):  # damaged, or another process has packed it
                return entry.replicates()
            entry = entry.record
        return self.store.replicates(entry)

    def _note(self, line: Run, error: Exception) -> None:
        self.n_unread += 1
        entry = self.stored[line["identity"]]
        path = self.store.path_of(entry) if isinstance(entry, Record) else entry.path
        self.problems[path] = Problem(path, f"no interval: {error}")

    def remembered(self, what: str, lines: Iterable[Run], compute: Callable[[], Any]) -> Any:
        """Return a statistic of runs: plain values, computed only where not known already.

        What could not be computed for want of replicates is asked for again next time.
        """
        seals = "".join(line["seal"] for line in lines)
        key = hashlib.sha256(f"{what} {seals}".encode()).hexdigest()[:32]
        if key not in self.used:
            n_unread = self.n_unread
            value = self.known[key] if key in self.known else compute()
            if self.n_unread > n_unread:
                return value
            self.used[key] = value
        return self.used[key]


@dataclass(frozen=True)
class Collected:
    """Everything that the runs of a store say.

    Attributes
    ----------
    tables, boards :
        Of models with nothing masked.
    runs :
        All of them, those with masked cells too.
    masked, curves :
        What those are sorted into, and the curves of it with their replicates.
    used :
        Statistics by hash, for the next build.
    """

    tables: tuple[Table, ...]
    boards: tuple[FilledBoard, ...]
    runs: LoadedRuns
    masked: Masked
    curves: tuple[MeasuredCurve, ...]
    problems: tuple[Problem, ...]
    used: Mapping[str, Any]


def measure(
    loaded: LoadedRuns,
    tables: Sequence[Table] = (),
    boards: Sequence[FilledBoard] = (),
    masked: Masked | None = None,
    known: Mapping[str, Any] | None = None,
) -> Collected:
    """Fill in what rests on replicates in tables and boards, and return it with the curves.

    What cannot be read is listed among the problems, never dropped in silence.

    Parameters
    ----------
    known :
        Statistics by hash, from an earlier build.
    """
    evidence = Evidence(loaded, known)
    for table in tables:
        scored = [row for row in table.rows if row.score is not None]
        for row in scored:
            _measure_row(evidence, row, scored[0], table.sign)
    for board in boards:
        _measure_board(evidence, board)
    curves = tuple(
        MeasuredCurve(
            curve,
            _scored(evidence, curve.start),
            {rate: _scored(evidence, pairs) for rate, pairs in curve.by_rate.items()},
        )
        for curve in (masked.curves if masked else ())
    )
    return Collected(
        tables=tuple(tables),
        boards=tuple(boards),
        runs=loaded,
        masked=masked or Masked(),
        curves=curves,
        problems=_problems(loaded, evidence),
        used=evidence.used,
    )


def _problems(loaded: LoadedRuns, evidence: Evidence) -> tuple[Problem, ...]:
    """Return what is left out, without the place where the store lies: tables travel."""
    root = loaded.store.root
    places = sorted({f"{root}/", f"{root.resolve()}/"}, key=len, reverse=True)
    result = []
    for problem in (*loaded.problems, *evidence.problems.values()):
        reason = problem.reason
        for place in places:
            reason = reason.replace(place, "")
        result.append(Problem(problem.path.relative_to(root), reason))
    return tuple(sorted(result, key=lambda p: str(p.path)))


def _scored(evidence: Evidence, pairs: Iterable[tuple[Seed, Run]]) -> Runs | None:
    """Return the runs with a score, in the order of their seeds."""
    scored = {seed: run for seed, run in pairs if not math.isnan(run["score"])}
    seeds = sorted(scored, key=lambda seed: -1 if seed is None else seed)
    return evidence.runs([scored[seed] for seed in seeds], seeds)


# ---------------------------------------------------------------------------------------- one row


def _measure_row(evidence: Evidence, row: Row, best: Row, sign: float) -> None:
    """Give a row the intervals of its score and of its difference to the best row."""

    def compute() -> tuple[float | None, ...]:
        runs = evidence.of_row(row)
        return *interval_of(runs), *paired_change(runs, evidence.of_row(best), sign)

    what = f"row {sign} {len(row.good)} over shared seeds"
    known = evidence.remembered(what, [*row.good, *best.good], compute)
    row.low, row.high, behind, low, high = known
    if behind is not None and not row.labels_seen:
        row.behind = behind, low, high


def interval_of(runs: Runs | None) -> Ends:
    """Return the interval of the mean over seeds; None twice where there is none."""
    if runs is None:
        return None, None
    low, high = score_interval(runs)
    return finite(low), finite(high)


def paired_change(a: Runs | None, b: Runs | None, sign: float) -> tuple[float | None, ...]:
    """Return (a - b) times the sign over the seeds of both, and its interval; None = there is none.

    Nothing is said where they have no seed in common.
    """
    difference, _ = change_of(a, b)
    if difference is None:
        return None, None, None
    low, high = sorted(sign * end + 0.0 for end in (difference.low, difference.high))  # no -0.0
    return sign * difference.mean + 0.0, finite(low), finite(high)


# ---------------------------------------------------------------------------------------- a board


def _measure_board(evidence: Evidence, board: FilledBoard) -> None:
    """Give the rows of a board their intervals and ranks, and their order."""
    classes = board.classification
    for row in board.rows:
        for cell in row.cells.values():
            cell.low, cell.high = _ends(evidence, cell)
        if row.classification is not None and not board.board.is_drawn:
            rows = [row.cells[name].rows[None] for name in classes]
            row.low, row.high = _interval_of_mean(evidence, rows)
    _rank(board)
    board.rows = tuple(
        sorted(board.rows, key=lambda r: (r.average_rank or math.inf, -len(r.cells), r.label))
    )


def _ends(evidence: Evidence, cell: Cell) -> Ends:
    """Return the interval of a cell; of a mean over splits, corrected for their overlap."""
    if cell.wanted == (None,):
        return cell.rows[None].low, cell.rows[None].high
    if cell.sd is None:
        return None, None
    rows = [*cell.rows.values()]
    values = np.array([row.score for row in rows])
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    first = rows[0].first
    low, high = evidence.remembered(
        f"splits {[len(row.good) for row in rows]}",
        [line for row in rows for line in row.good],
        lambda: resampled_interval(values, first["n_train"], first["n_test"]),
    )
    return low, high


def _interval_of_mean(evidence: Evidence, rows: Sequence[Row]) -> Ends:
    """Return the interval of a mean over datasets, whose test molecules are drawn independently."""

    def compute() -> Ends:
        known = [runs for runs in map(evidence.of_row, rows) if runs is not None]
        if len(known) < len(rows) or len({runs.replicates.shape[1] for runs in known}) != 1:
            return None, None
        return interval(
            mean_over_seeds([mean_over_seeds([*runs.replicates]) for runs in known]),
            score=statistics.fmean(float(runs.scores.mean()) for runs in known),
            metric=known[0].metric,
            n_effective=effective_sample_size([runs.effective for runs in known]),
        )

    good = [line for row in rows for line in row.good]
    low, high = evidence.remembered(f"mean {[len(row.good) for row in rows]}", good, compute)
    return finite(low), finite(high)


def _rank(board: FilledBoard) -> None:
    """Give ranks to the rows that cover every dataset on every split on record.

    A model that may have seen labels takes none, nor any from the others.
    """
    names = board.board.datasets
    complete = [
        row
        for row in board.rows
        if all(name in row.cells and row.cells[name].is_complete for name in names)
        and not row.labels_seen
    ]
    ranks: dict[str, dict[str, float]] = defaultdict(dict)
    for name in names:
        cells = [row.cells[name] for row in complete]
        places = ranks_with_ties(
            [cell.mean for cell in cells],
            [math.nan if cell.low is None else cell.low for cell in cells],
            [math.nan if cell.high is None else cell.high for cell in cells],
            greater_is_better=METRICS[board.metric(name) or "roc_auc"].greater_is_better,
        )
        for row, rank in zip(complete, places, strict=True):
            ranks[row.label][name] = rank
    for row in complete:
        row.ranks = ranks[row.label]
        row.average_rank = statistics.fmean(row.ranks.values())
