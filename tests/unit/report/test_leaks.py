"""Leaked shares beside the records: a line a dataset and split, drawn splits summed."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench.records import Record
from chmr_bench.records.audited import AuditFile, Leaked, write_all
from chmr_bench.report import leaderboard
from chmr_bench.report.audits import LEVEL_WORDS, audited_grid, percent
from chmr_bench.report.leaderboard import collect

COUNTS = {"smiles": 0, "parent": 1, "connectivity": 2, "molecule": 2, "scaffold": 3}

COLUMNS = ("dataset", "split", "test rows", *LEVEL_WORDS.values())


def audit_of(results: Any, record: Record, counts: dict[str, int]) -> AuditFile:
    levels = {k: Leaked(test_rows=4, leaked_rows=n, share=n / 4) for k, n in counts.items()}
    found: AuditFile = results.audit([record], [0.5], levels=levels)
    return found


def rows(results: Any) -> list[dict[str, str]]:
    grid = audited_grid(collect(results.store).tables)
    assert grid.columns == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in grid.rows]


@pytest.mark.parametrize(
    ("count", "of", "text"), [(643, 1642, "39.2 % (643)"), (0, 9, "0.0 % (0)"), (0, 0, "-")]
)
def test_a_share_has_its_count(count: int, of: int, text: str) -> None:
    assert percent(count, of) == text


def test_each_level_has_its_share(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    write_all(results.root, [audit_of(results, record, COUNTS)])
    (row,) = rows(results)
    assert [row[word] for word in LEVEL_WORDS.values()] == [
        "0.0 % (0)",
        "25.0 % (1)",
        "50.0 % (2)",
        "50.0 % (2)",
        "75.0 % (3)",
    ]
    assert (row["dataset"], row["split"], row["test rows"]) == ("bace", "reference", "4")


def test_drawn_splits_are_one_line(results: Any) -> None:
    records = [results.add("forest", "bace", 0.7, drawn=("strict", seed)) for seed in (0, 1)]
    counts = [dict.fromkeys(COUNTS, 0), COUNTS]
    write_all(results.root, [audit_of(results, r, c) for r, c in zip(records, counts, strict=True)])
    (row,) = rows(results)
    assert (row["split"], row["test rows"]) == ("strict, 2 of them", "8")
    assert row["same connectivity"] == "25.0 % (2)"


def test_an_audit_from_before_a_level_shows_the_others(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    write_all(results.root, [audit_of(results, record, {"smiles": 0, "connectivity": 2})])
    (row,) = rows(results)
    assert row["same connectivity"] == "50.0 % (2)"
    assert row["same molecule in any form"] == "-"


def test_an_audit_without_levels_is_no_line(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    write_all(results.root, [audit_of(results, record, {})])
    assert audited_grid(collect(results.store).tables) is None


def test_the_page_has_it_before_the_datasets(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    title = "## Test rows shared with training"
    assert title not in leaderboard.render_all(results.store, results.root).texts["README.md"]
    write_all(results.root, [audit_of(results, record, COUNTS)])
    page = leaderboard.render_all(results.store, results.root).texts["README.md"]
    assert page.index(title) < page.index("## Datasets")
    assert "50.0 % (2)" in page
