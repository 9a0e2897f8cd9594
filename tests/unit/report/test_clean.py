"""Clean scores in the tables: shown where audited, never for other predictions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chmr_bench.errors import DataError
from chmr_bench.records.audited import read_all, write_all
from chmr_bench.report import leaderboard
from chmr_bench.report.aggregate import Table
from chmr_bench.report.grids import table_grid
from chmr_bench.report.leaderboard import collect


def only_table(results: Any) -> Table:
    (table,) = collect(results.store).tables
    return table


def column(table: Table, name: str) -> list[str]:
    grid = table_grid(table)
    return [row[grid.columns.index(name)] for row in grid.rows]


def test_the_clean_score_is_the_mean_over_seeds(results: Any) -> None:
    records = [results.add("forest", "bace", 0.7, seed=seed) for seed in (0, 1)]
    write_all(results.root, [results.audit(records, [0.60, 0.62])])
    table = only_table(results)
    assert column(table, "ROC-AUC %, all test rows") == ["70.0"]
    assert column(table, "clean rows") == ["61.0"]
    assert column(table, "leaked") == ["25.0 %"]
    assert any("the 3 of 4 test rows" in note for note in table_grid(table).notes)


def test_other_predictions_are_not_audited(results: Any) -> None:
    records = [results.add("forest", "bace", 0.7, seed=seed) for seed in (0, 1)]
    one = results.audit(records, [0.60, 0.62])
    changed = one.scores[records[1].identity].model_copy(update={"predictions_sha256": "0" * 64})
    scores = {**one.scores, records[1].identity: changed}
    write_all(results.root, [one.model_copy(update={"scores": scores})])
    assert column(only_table(results), "clean rows") == ["not audited"]


def test_a_later_record_is_not_audited_and_its_fellows_are(results: Any) -> None:
    first = results.add("forest", "bace", 0.7)
    write_all(results.root, [results.audit([first], [0.6])])
    results.add("gp", "bace", 0.6)
    assert column(only_table(results), "clean rows") == ["60.0", "not audited"]


def test_no_clean_score_is_none(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    write_all(results.root, [results.audit([record], [None])])
    assert column(only_table(results), "clean rows") == ["-"]


def test_the_audit_of_other_data_is_not_shown(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    write_all(results.root, [results.audit([record], [0.6], split_digest="0" * 64)])
    assert only_table(results).audited is None
    assert "clean rows" not in table_grid(only_table(results)).columns


def test_build_shows_it_and_check_sees_a_change(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    leaderboard.build(results.store, results.root)
    before = (results.root / "tables" / "bace.csv").read_text()
    assert "score_clean" not in before
    write_all(results.root, [results.audit([record], [0.6])])
    assert leaderboard.differences(results.store, results.root)
    leaderboard.build(results.store, results.root)
    assert leaderboard.differences(results.store, results.root) == []
    (table,) = json.loads((results.root / "tables" / "bace.json").read_text())["tables"]
    (row,) = table["rows"]
    assert (row["score_clean"], row["audited"]) == (0.6, True)
    assert (table["audit"]["leaked_share"], table["audit"]["n_clean"]) == (0.25, 3)


def test_files_are_read_as_they_were_written(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    one = results.audit([record], [0.6])
    other = results.audit([record], [0.5], split="strict", split_seed=3, split_digest="1" * 64)
    names = [path.name for path in write_all(results.root, [one, other])]
    assert names == ["bace.json"]
    assert list(read_all(results.root).values()) == [one, other]
    again = one.model_copy(update={"n_clean": 2})
    write_all(results.root, [again])
    assert list(read_all(results.root).values()) == [again, other]


def test_files_of_one_split_are_read_and_put_together(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    one = results.audit([record], [0.6])
    other = results.audit([record], [0.5], split="strict", split_seed=3, split_digest="1" * 64)
    folder = results.root / "audit"
    folder.mkdir()
    for name, audit in (("bace-reference", one), ("bace-strict-3", other)):
        (folder / f"{name}.json").write_text(audit.model_dump_json(by_alias=True, indent=1))
    assert list(read_all(results.root).values()) == [one, other]
    write_all(results.root, [])
    assert [path.name for path in folder.iterdir()] == ["bace.json"]
    assert list(read_all(results.root).values()) == [one, other]


def test_what_is_no_audit_is_an_error(results: Any) -> None:
    results.add("forest", "bace", 0.7)
    (results.root / "audit").mkdir()
    (results.root / "audit" / "bace-reference.json").write_text("{}")
    with pytest.raises(DataError, match=r"is no audit: .*audit --records"):
        leaderboard.check(results.root)


def test_audits_go_with_their_records(results: Any) -> None:
    record = results.add("forest", "bace", 0.7)
    one = results.audit([record], [0.6])
    gone = one.model_copy(
        update={"split_digest": "0" * 64, "scores": {"f" * 64: one.scores[record.identity]}}
    )
    write_all(results.root, [one, gone])
    write_all(results.root, [one])
    assert len(read_all(results.root)) == 2
    write_all(results.root, [], {record.identity})
    assert list(read_all(results.root).values()) == [one]
