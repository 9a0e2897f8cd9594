"""A board of drawn splits: the split is the unit, and a row on fewer of them is marked."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.report.boards import Board, FilledBoard
from chmr_bench.report.exports import board_json, board_row, flat
from chmr_bench.report.grids import board_grid
from chmr_bench.report.leaderboard import collect

BOARD = Board(title="Two", datasets=("bace", "biogen3k"), regression=("biogen3k",), split="strict")


def add(results: Any, model: str, dataset: str, scores: list[float], **more: Any) -> None:
    """Add a run a split, of split seeds 0, 1, ..."""
    for number, score in enumerate(scores):
        results.add(model, dataset, score, drawn=("strict", number), **more)


def filled(results: Any, board: Board = BOARD) -> FilledBoard:
    (found,) = collect(results.store, [board]).boards
    return found


def test_mean_sd_and_corrected_interval_over_splits(results: Any) -> None:
    scores = [0.70, 0.74, 0.78]
    add(results, "forest", "bace", scores)
    (row,) = filled(results).rows
    cell = row.cells["bace"]
    assert cell.mean == pytest.approx(0.74)
    assert cell.sd == pytest.approx(statistics.stdev(scores))
    # t(2) at 97.5 % is 4.3027; 4 test and 32 training rows in these records
    half = 4.3027 * 0.04 * math.sqrt(1 / 3 + 4 / 32)
    assert (cell.low, cell.high) == pytest.approx((0.74 - half, 0.74 + half), abs=1e-5)
    assert row.classification == pytest.approx(0.74)
    assert row.sd == pytest.approx(0.04)


def test_each_split_is_the_mean_of_its_seeds(results: Any) -> None:
    for seed, shift in ((0, 0.0), (1, 0.1)):
        add(results, "forest", "bace", [0.6 + shift, 0.8 + shift], seed=seed)
    (row,) = filled(results).rows
    assert dict(row.cells["bace"].scores) == pytest.approx({0: 0.65, 1: 0.85})


def test_a_row_on_fewer_splits_is_marked_and_in_no_mean(results: Any) -> None:
    add(results, "forest", "bace", [0.70, 0.72, 0.74])
    add(results, "gp", "bace", [0.99, 0.99])
    found = filled(results)
    forest, gp = found.rows
    assert (gp.classification, gp.average_rank) == (None, None)
    assert not gp.cells["bace"].is_complete
    grid = board_grid(found)
    assert grid.columns[1] == "bace (3 splits)"
    assert [row[1] for row in grid.rows] == ["72.0 ± 2.0", "99.0 ± 0.0 (2)*"]
    assert any(note.startswith("* on fewer splits") for note in grid.notes)
    assert forest.classification == pytest.approx(0.72)


def test_ranks_are_among_models_with_every_split_of_every_dataset(results: Any) -> None:
    for model, auc, mae in (("a", 0.9, 0.3), ("b", 0.6, 0.5)):
        add(results, model, "bace", [auc, auc + 0.001, auc + 0.002])
        add(results, model, "biogen3k", [mae, mae + 0.001], metric="mae")
    add(results, "c", "bace", [0.99, 0.99, 0.99])
    assert [(r.label, r.average_rank) for r in filled(results).rows] == [
        ("a", 1.0),
        ("b", 2.0),
        ("c", None),
    ]


def test_wide_intervals_tie(results: Any) -> None:
    add(results, "a", "bace", [0.9, 0.6])
    add(results, "b", "bace", [0.8, 0.65])
    board = BOARD.model_copy(update={"datasets": ("bace",), "regression": ()})
    assert [r.average_rank for r in filled(results, board).rows] == [1.5, 1.5]


def test_failed_jobs_are_counted_and_a_split_without_a_score_is_none(results: Any) -> None:
    add(results, "a", "bace", [0.9, 0.8])
    results.add("a", "bace", error="no memory", drawn=("strict", 2))
    found = filled(results)
    assert (found.rows[0].n_failed, found.rows[0].cells["bace"].wanted) == (1, (0, 1))
    assert board_grid(found).columns[-1] == "failed"


def test_other_splits_are_on_other_boards(results: Any) -> None:
    results.add("a", "bace", 0.5)
    assert collect(results.store, [BOARD]).boards == ()
    main = BOARD.model_copy(update={"split": "reference"})
    assert len(collect(results.store, [main]).boards) == 1


def test_json_and_csv_say_how_many_splits(results: Any, tmp_path: Path) -> None:
    add(results, "a", "bace", [0.9, 0.8])
    found = filled(results)
    (row,) = board_json(found)["rows"]
    assert row["scores"]["bace"]["by_split_seed"] == pytest.approx({"0": 0.9, "1": 0.8})
    assert row["scores"]["biogen3k"] is None
    line = flat(board_row(found, found.rows[0]))
    assert (line["bace_n_splits"], line["biogen3k_n_splits"]) == (2, 0)
    assert "classification_mean" in line


def test_what_pretraining_saw_of_drawn_test_parts_is_told(results: Any) -> None:
    for seen, scores in ((3, [0.7]), (5, [0.72, 0.74])):
        told = {"model__weights": "a" * 64, "model__pretraining": {"n_test_seen": seen}}
        add(results, "taught", "bace", scores, seed=seen, **told)
    told = {"model__weights": "b" * 64, "model__pretraining": {"n_test_seen": 6, "kept_epoch": 0}}
    add(results, "untrained", "bace", [0.7, 0.72], **told)
    add(results, "forest", "bace", [0.7, 0.72])
    notes = board_grid(filled(results)).notes
    (seen_note,) = (note for note in notes if "pretraining saw" in note)
    assert "taught (bace 5)" in seen_note
    assert "untrained" not in seen_note
    assert "forest" not in seen_note
