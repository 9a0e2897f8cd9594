"""Scores on clean test rows, as `chmr-bench audit --records` left them beside the records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chmr_bench.records.audited import CleanScore

if TYPE_CHECKING:
    from chmr_bench.report.boards import Overall, OverallRow
    from chmr_bench.report.rows import Row, Table

NOT_AUDITED = "not audited"


def clean_scores(table: Table, row: Row) -> list[CleanScore] | None:
    """Return the clean score of each run of a row; None unless every one was audited."""
    if table.audited is None or not row.good:
        return None
    found = [table.audited.of(record) for record in row.good]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def clean_score(table: Table, row: Row) -> float | None:
    """Return the mean over seeds on clean rows; None where it is not known, or cannot be had."""
    scores = clean_scores(table, row)
    values = [one.macro for one in scores or () if one.macro is not None]
    return math.fsum(values) / len(values) if scores and len(values) == len(scores) else None


def clean_numbers(table: Table, row: Row) -> dict[str, Any]:
    """Return the columns of a row for CSV and JSON; none where the table was not audited."""
    audit = table.audited
    if audit is None:
        return {}
    scores = clean_scores(table, row)
    return {
        "score_clean": clean_score(table, row),
        "n_evaluable_clean": scores[0].n_evaluable if scores else None,
        "n_test_rows": audit.n_test,
        "n_clean_rows": audit.n_clean,
        "leaked_share": audit.leaked_share,
        "audited": scores is not None,
    }


def clean_note(table: Table) -> list[str]:
    """Return what clean rows are, and how many there are."""
    audit = table.audited
    if audit is None:
        return []
    counts = {s.n_evaluable for row in table.rows for s in clean_scores(table, row) or ()}
    n_tasks = table.dataset.n_tasks
    told = f"; {min(counts)} of {n_tasks} tasks can be evaluated on them" if counts else ""
    return [
        f"Clean rows: the {audit.n_clean:,} of {audit.n_test:,} test rows of which no row of train "
        f"or valid has the connectivity or the parent{told}. Leaked: the share of the others. "
        f"'{NOT_AUDITED}': `chmr-bench audit --records` has not seen a run, or saw other "
        "predictions."
    ]


def clean_mean(overall: Overall, row: OverallRow, datasets: list[str]) -> float | None:
    """Return the mean of clean scores over the datasets; None unless all are known."""
    if row.classification is None:
        return None
    values = [clean_score(overall.tables[n], row.rows[n]) for n in datasets]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def is_audited(overall: Overall, datasets: list[str]) -> bool:
    """Return whether all of these datasets of a board were audited."""
    tables = [overall.tables.get(name) for name in datasets]
    return bool(tables) and all(t is not None and t.audited is not None for t in tables)


def leaked_note(overall: Overall) -> list[str]:
    """Return how much of each dataset's test rows is leaked, where it was audited."""
    told = [
        f"{name} {100 * table.audited.leaked_share:.1f} %"
        for name, table in overall.tables.items()
        if table.audited is not None
    ]
    if not told:
        return []
    return [
        "Share of test rows whose connectivity or parent is in train or valid: "
        f"{', '.join(told)}. Each dataset's own table has the scores on the other rows."
    ]
