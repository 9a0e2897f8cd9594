"""Intervals are computed from replicates once, and again only where their runs have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chmr_bench.report import leaderboard, render
from chmr_bench.report.evidence import Evidence, Run
from chmr_bench.report.leaderboard import collect, memory_of


@pytest.fixture
def board(results: Any) -> Any:
    for model in ("a", "b"):
        for seed in (0, 1):
            results.add(model, "bace", 0.7 + 0.1 * (model == "b"), seed=seed)
    return results


def reads(results: Any, monkeypatch: pytest.MonkeyPatch, known: dict[str, Any]) -> list[str]:
    """Return which models' replicates are read while the tables are made."""
    seen = []
    replicates = Evidence.replicates

    def spy(self: Evidence, line: Run) -> Any:
        seen.append(line["model"])
        return replicates(self, line)

    with monkeypatch.context() as patch:
        patch.setattr(Evidence, "replicates", spy)
        collect(results.store, known=known)
    return seen


def test_what_is_known_is_not_read_again(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = collect(board.store)
    assert reads(board, monkeypatch, memory_of(first)) == []
    again = collect(board.store, known=memory_of(first))
    assert again.tables == first.tables
    assert again.used == first.used


def test_a_new_run_makes_its_own_row_and_the_distances_to_it_be_read(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = memory_of(collect(board.store))
    board.add("a", "bace", 0.72, seed=2)
    assert set(reads(board, monkeypatch, known)) == {"a", "b"}  # b is the best of the table
    assert collect(board.store, known=known).tables == collect(board.store).tables
    results_elsewhere = memory_of(collect(board.store, known=known))
    board.add("c", "hiv", 0.72)
    assert set(reads(board, monkeypatch, results_elsewhere)) == {"c"}


def test_replicates_of_another_computation_are_read(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = memory_of(collect(board.store))
    entry = board.store.stored()[0]
    replicates = np.linspace(0.6, 0.8, 1000, dtype=np.float32)
    board.store.rescore(entry, entry.record.metrics, replicates)
    assert entry.record.model.id in reads(board, monkeypatch, known)


def test_what_cannot_be_read_is_told_every_time(board: Any, monkeypatch: Any) -> None:
    from chmr_bench.errors import RecordError

    def broken(self: Evidence, line: Run) -> Any:
        raise RecordError("bootstrap.npy: cannot be read")

    monkeypatch.setattr(Evidence, "replicates", broken)
    first = collect(board.store)
    assert all(row.low is None for table in first.tables for row in table.rows)
    assert {p.reason for p in first.problems} == {"no interval: bootstrap.npy: cannot be read"}
    again = collect(board.store, known=memory_of(first))
    assert again.problems == first.problems
    monkeypatch.undo()
    later = collect(board.store, known=memory_of(again))
    assert all(row.low is not None for table in later.tables for row in table.rows)


def test_a_build_remembers_and_a_spoiled_memory_is_no_harm(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    memory = board.store.lock_path("tables").with_name("statistics.jsonl")
    first = memory.read_text()
    table = (board.root / "tables" / "bace.csv").read_text()
    for text in ("{", "[1]", first):
        memory.write_text(text)
        leaderboard.build(board.store, board.root)
        assert memory.read_text() == first
        assert (board.root / "tables" / "bace.csv").read_text() == table


def test_soundness_is_remembered_until_a_build_anew(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    record = board.store.records()[0]
    (board.store.path_of(record) / "predictions.parquet").unlink()
    page = board.root / "README.md"
    leaderboard.build(board.store, board.root)
    assert "damaged" not in page.read_text()
    leaderboard.build(board.store, board.root, anew=True)
    assert "damaged, and so in no table" in page.read_text()
    leaderboard.build(board.store, board.root)
    assert "damaged, and so in no table" in page.read_text()
    assert leaderboard.differences(board.store, board.root) == []


def test_one_run_more_leaves_the_files_of_other_datasets(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.add("a", "hiv")
    leaderboard.build(board.store, board.root)
    made, page = [], render.page

    def spy(template: str, **values: Any) -> str:
        if template == "dataset":
            made.extend(table.name for table in values["tables"])
        return page(template, **values)

    monkeypatch.setattr(render, "page", spy)
    leaderboard.build(board.store, board.root)
    assert made == []
    board.add("b", "hiv")
    leaderboard.build(board.store, board.root)
    assert made == ["hiv"]
    assert leaderboard.differences(board.store, board.root) == []
