"""A board: means over datasets, ranks with ties, coverage, and what is not comparable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chmr_bench.ablation.missing import Missing
from chmr_bench.errors import DataError
from chmr_bench.report.boards import Board, FilledBoard, load_boards
from chmr_bench.report.grids import board_grid
from chmr_bench.report.leaderboard import collect

BOARD = Board(title="Three", datasets=("bace", "hiv", "biogen3k"), regression=("biogen3k",))


def filled(results: Any, board: Board = BOARD) -> FilledBoard:
    (overall,) = collect(results.store, [board]).boards
    return overall


def add_everywhere(results: Any, model: str, bace: float, hiv: float, mae: float) -> None:
    results.add(model, "bace", bace)
    results.add(model, "hiv", hiv, n_tasks=1)
    results.add(model, "biogen3k", mae, metric="mae", n_tasks=6)


def test_the_mean_is_over_datasets_whatever_their_number_of_tasks(results: Any) -> None:
    results.add("forest", "bace", 0.9, n_tasks=600)
    results.add("forest", "hiv", 0.5, n_tasks=1)
    results.add("forest", "biogen3k", 0.4, metric="mae")
    (row,) = filled(results).rows
    assert row.classification == pytest.approx(0.7)
    assert row.low < 0.7 < row.high


def test_the_mean_needs_no_regression_dataset(results: Any) -> None:
    results.add("forest", "bace", 0.9)
    results.add("forest", "hiv", 0.5)
    (row,) = filled(results).rows
    assert row.classification == pytest.approx(0.7)
    assert (len(row.cells), row.average_rank) == (2, None)


def test_a_mean_over_fewer_datasets_is_not_given(results: Any) -> None:
    add_everywhere(results, "forest", 0.7, 0.7, 0.5)
    results.add("gp", "bace", 0.99)
    forest, gp = filled(results).rows
    assert forest.label == "forest"
    assert (gp.classification, gp.average_rank, len(gp.cells)) == (None, None, 1)
    # The one that does not cover all takes part in no rank.
    assert forest.average_rank == 1


def test_average_rank_with_ties_where_intervals_overlap(results: Any) -> None:
    add_everywhere(results, "a", 0.90, 0.90, 0.70)
    add_everywhere(results, "b", 0.89, 0.70, 0.50)
    add_everywhere(results, "c", 0.60, 0.60, 0.50)
    ranks = {r.label: (dict(r.ranks), r.average_rank) for r in filled(results).rows}
    assert ranks == {
        "a": ({"bace": 1.5, "hiv": 1.0, "biogen3k": 3.0}, pytest.approx(5.5 / 3)),
        "b": ({"bace": 1.5, "hiv": 2.0, "biogen3k": 1.5}, pytest.approx(5.0 / 3)),
        "c": ({"bace": 3.0, "hiv": 3.0, "biogen3k": 1.5}, pytest.approx(7.5 / 3)),
    }
    assert [r.label for r in filled(results).rows] == ["b", "a", "c"]


def test_failed_jobs_are_counted_and_do_not_cover(results: Any) -> None:
    add_everywhere(results, "forest", 0.7, 0.7, 0.5)
    results.add("gp", "bace", 0.8)
    results.add("gp", "hiv", error="boom")
    rows = {r.label: r for r in filled(results).rows}
    assert (rows["gp"].n_failed, set(rows["gp"].cells)) == (1, {"bace"})
    assert rows["forest"].n_failed == 0


def test_only_the_boards_split_and_no_user_or_synthetic_data(results: Any) -> None:
    results.add("a", "bace", split__name="random", split__digest="33" * 32)
    results.add("b", "bace", dataset__origin={"kind": "file", "file": "bace"})
    results.add("c", "hiv", dataset__synthetic=True)
    results.add("d", "other")
    assert collect(results.store, [BOARD]).boards == ()


def test_a_run_cached_under_another_name_of_the_split_is_on_the_board(results: Any) -> None:
    results.add("knn", "bace", 0.9, split__name="scaffold")
    results.add("forest", "bace", 0.8)
    assert {r.label for r in filled(results).rows} == {"knn", "forest"}
    scaffold = BOARD.model_copy(update={"split": "scaffold"})
    assert {r.label for r in filled(results, scaffold).rows} == {"knn", "forest"}


def test_a_run_with_hidden_data_is_not_on_the_board(results: Any) -> None:
    results.add("a", "bace")
    results.add("a", "bace", missing=Missing(0.5).to_dict())
    assert [r.label for r in filled(results).rows] == ["a"]


def test_stray_runs_on_other_content_do_not_take_the_board_over(results: Any) -> None:
    results.add("a", "bace", 0.7, seed=0)
    results.add("a", "bace", 0.7, seed=1)
    results.add("a", "bace", 0.99, dataset__digest="ff" * 32)
    overall = filled(results)
    assert overall.rows[0].cells["bace"].mean == pytest.approx(0.7)
    assert [t.facts["dataset_digest"] for t in overall.left_out] == ["ff" * 32]


def test_boards_are_read_main_first(tmp_path: Path) -> None:
    (tmp_path / "cells.toml").write_text('title = "C"\ndatasets = ["bace"]\nsplit = "scaffold"\n')
    (tmp_path / "main.toml").write_text('title = "M"\ndatasets = ["hiv"]\n')
    main, cells = load_boards(tmp_path)
    assert (main.name, main.title, main.split) == ("main", "M", "reference")
    assert (cells.name, cells.datasets, cells.split) == ("cells", ("bace",), "scaffold")


def test_without_a_file_the_board_is_the_suite_of_all(tmp_path: Path) -> None:
    (board,) = load_boards(tmp_path)
    assert len(board.datasets) == 9
    assert board.regression == ("biogen3k",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title =", "cannot be read"),
        ('title = "M"\ndatasets = []\n', "datasets"),
        ('title = "M"\ndatasets = ["a"]\nmodels = ["x"]\n', "models: Extra inputs"),
    ],
)
def test_a_wrong_board_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "main.toml").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_boards(tmp_path)
    assert "main.toml" in str(caught.value)


def test_a_boards_own_notes_stand_under_it(results: Any, tmp_path: Path) -> None:
    text = 'title = "One"\ndatasets = ["bace"]\nnotes = ["Settings were chosen elsewhere."]\n'
    (tmp_path / "main.toml").write_text(text)
    results.add("forest", "bace", 0.7)
    (board,) = load_boards(tmp_path)
    assert "Settings were chosen elsewhere." in board_grid(filled(results, board)).notes
