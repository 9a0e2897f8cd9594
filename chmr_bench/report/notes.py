"""The values of the notes under tables and boards: what was left out, leaked, and learnt from."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chmr_bench.plugins import registry
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.boards import FilledBoard
from chmr_bench.report.words import grouped, notes

FEWER = "*"
NOT_AUDITED = "not audited"
TASKS_NAMED = 20


def table_notes(table: Table) -> tuple[str, ...]:
    """Return the notes of a dataset's table."""
    failures = (
        ((row.label, f.phase, f.error), "no seed" if f.seed is None else str(f.seed))
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
    registered = registry().datasets.get(table.name)
    if registered is None or table.facts["origin"] != "registered":
        return ()
    spec = registered.spec
    return spec.notes if spec.version == table.facts["dataset_version"] else ()


def _pretrained(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return each pretraining that differs -> the rows that start from it."""
    pairs = ((line["pretrained_on"], row.label) for row in rows for line in row.lines)
    return grouped(pair for pair in pairs if pair[0])


def board_notes(board: FilledBoard) -> tuple[str, ...]:
    """Return the notes of a board."""
    cells = [cell for one in board.rows for cell in one.cells.values()]
    on_drawn = [(name, t) for name, drawn in board.tables.items() for t in drawn]
    audited = {name: t.audited for name, t in on_drawn if t.audited is not None}
    is_drawn = board.board.is_drawn
    seen: dict[str, dict[str, int]] = {}
    rows = [row for cell in cells for row in cell.rows.values()]
    if is_drawn:  # pretraining leaves out the reference test parts; others it may have met
        rows = [row for _, table in on_drawn for row in table.rows]
        for name, row in ((name, row) for name, table in on_drawn for row in table.rows):
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
