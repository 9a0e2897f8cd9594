"""What stands in the cells, for the page and for the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench.plugins import registry
from chmr_bench.report import grids, printed, published
from chmr_bench.report.boards import Board
from chmr_bench.report.grids import Grid
from chmr_bench.report.leaderboard import collect


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("roc_auc", 0.74321, "74.3"),
        ("average_precision", 0.5, "50.0"),
        ("mae", 0.40912, "0.409"),
        ("rmse", 1234.56, "1234.6"),
        ("r2", -0.25, "-0.250"),
        ("mae", -0.0004, "0.000"),
        ("mae", -0.0006, "-0.001"),
        ("roc_auc", -0.0004, "0.0"),
        ("roc_auc", -0.0006, "-0.1"),
        (None, -0.0, "0.000"),
        ("mae", 123456789012.25, "123456789012.2"),
        ("mae", -2.98e39, "-2.98e+39"),
        ("mae", 8.60931189856e38, "8.609312e+38"),
        ("roc_auc", None, "-"),
    ],
)
def test_numbers(metric: Any, value: float | None, shown: str) -> None:
    assert grids.number(metric, value) == shown


@pytest.mark.parametrize(
    ("scores", "half", "shown"),
    [
        ((0.000123, 0.000456), 0.00004, ("0.000123", "0.000456")),
        ((1.2e-12, 3.4e-12), 1e-12, ("1.2e-12", "3.4e-12")),
        ((1.23456e-10, 1.23467e-10), 2e-15, ("1.23456e-10", "1.23467e-10")),
        ((2e30, 3e31), 1e30, ("2e+30", "3e+31")),
        ((0.5, 0.6), 0.1, ("0.500", "0.600")),
        ((1200.0, 1300.0), 10.0, ("1200.0", "1300.0")),
        ((1234.56, 1234.61), 0.006, ("1234.56", "1234.61")),
    ],
)
def test_digits_tell_scores_in_small_units_apart(
    results: Any, scores: tuple[float, float], half: float, shown: tuple[str, str]
) -> None:
    for model, score in zip("ab", scores, strict=True):
        results.add(model, "mine", score, metric="mae", half=half, seed=None)
    grid = only_grid(results)
    cells = [dict(zip(grid.columns, row, strict=True)) for row in grid.rows]
    assert tuple(row["MAE ↓"] for row in cells) == shown
    for row in cells:
        low, _, high = row["95 % interval"].partition(" to ")
        assert float(low) < float(row["MAE ↓"]) < float(high)


def test_digits_tell_the_ends_of_a_narrow_interval_apart(results: Any) -> None:
    results.add("a", "mine", 0.98765, half=0.00004, seed=None)
    (row,) = only_grid(results).rows
    assert row[1:3] == ("98.765", "98.761 to 98.769")


def only_grid(results: Any) -> Grid:
    (table,) = collect(results.store).tables
    return grids.table_grid(table)


def test_a_table_of_classes(results: Any) -> None:
    results.add("forest", "toxcast", 0.85, seed=0, n_tasks=9, not_evaluable=2)
    results.add("forest", "toxcast", 0.75, seed=1, n_tasks=9, not_evaluable=2)
    results.add("mean", "toxcast", 0.5, seed=None, n_tasks=9, not_evaluable=2)
    results.add("gp", "toxcast", seed=0, n_tasks=9, error="boom")
    results.add("gp", "toxcast", seed=1, n_tasks=9, error="boom")
    grid = only_grid(results)
    cells = [dict(zip(grid.columns, row, strict=True)) for row in grid.rows]
    assert cells[0] == {
        "model": "forest",
        "ROC-AUC %": "80.0",
        "95 % interval": "78.1 to 81.9",
        "s.d.": "7.1",
        "runs": "2",
        "behind the best": "best",
        "tasks": "7 of 9",
        "tasks ≥ 0.80": "50.0 % of 7",
        "failed": "-",
    }
    assert (cells[1]["runs"], cells[1]["s.d."]) == ("1 (no seed)", "-")
    assert cells[1]["behind the best"].startswith("30.0 (")
    assert list(cells[2].values()) == ["gp", "-", "-", "-", "0", "-", "-", "-", "2"]
    assert grid.notes[:2] == (
        "Not evaluable: 2 of 9 tasks, in no mean and in no share: "
        "`flat0` (one class in test (all 0)); `flat1` (one class in test (all 0)).",
        "Failed: gp, 2 jobs (seeds 0, 1), in fit: ValueError: boom",
    )
    caveats = "; ".join(note.removesuffix(".") for note in registry().dataset("toxcast").spec.notes)
    assert grid.notes[2:] == (f"Known of these data: {caveats}.",)


def test_caveats_that_are_sentences_end_once(results: Any) -> None:
    results.add("forest", "planted", 0.8)
    (known,) = (note for note in only_grid(results).notes if "Known of" in note)
    assert ".;" not in known
    assert ".." not in known


def test_data_nobody_registered_have_no_caveats(results: Any) -> None:
    results.add("forest", "unheard-of", 0.8)
    assert not any("Known of" in note for note in only_grid(results).notes)


def test_a_table_of_values_says_which_way_is_better_and_has_no_share(results: Any) -> None:
    results.add("forest", "biogen3k", 0.4, metric="mae", dataset__dropped=2)
    grid = only_grid(results)
    assert grid.columns[1] == "MAE ↓"
    assert "tasks ≥ 0.80" not in grid.columns
    assert grid.notes[0].startswith("2 rows of the source were left out")


def test_synthetic_and_user_tables_are_marked(results: Any) -> None:
    results.add("forest", "planted", dataset__synthetic=True)
    results.add("forest", "mine", dataset__origin={"kind": "file"}, split__name="scaffold")
    titles = [grids.table_title(t) for t in collect(results.store).tables]
    assert titles == ["mine (user's table), scaffold split", "planted (SYNTHETIC)"]


def test_tables_of_two_endpoints_of_a_file_are_told_apart(results: Any) -> None:
    def titles() -> list[str]:
        return [grids.table_title(t) for t in collect(results.store).tables]

    for tasks, digest in ((["a", "b", "c", "d", "e"], "11"), (["pIC50"], "22")):
        origin = {"kind": "file", "file": "mine.csv", "tasks": tasks}
        results.add("forest", "mine", dataset__origin=origin, dataset__digest=digest * 32)
        if len(tasks) > 1:
            assert titles() == ["mine (user's table: a, b, c and 2 more)"]
    assert titles() == [
        "mine (mine.csv, a, b, c and 2 more) (user's table)",
        "mine (mine.csv, pIC50) (user's table)",
    ]


def test_a_board(results: Any) -> None:
    for dataset in ("bace", "hiv"):
        results.add("forest", dataset, 0.8)
    results.add("forest", "biogen3k", 0.412, metric="mae")
    results.add("gp", "bace", 0.7)
    results.add("gp", "hiv", error="boom")
    board = Board(title="B", datasets=("bace", "hiv", "biogen3k"), regression=("biogen3k",))
    (overall,) = collect(results.store, [board]).boards
    grid = grids.board_grid(overall)
    assert grid.columns == (
        *("model", "bace", "hiv", "biogen3k MAE ↓"),
        *("mean of 2", "rank", "datasets", "failed"),
    )
    assert "the 1 model that covers all 3" in " ".join(grid.notes)
    assert grid.rows == (
        ("forest", "80.0", "80.0", "0.412", "80.0", "1.0", "3 of 3", "-"),
        ("gp", "70.0", "-", "-", "-", "-", "1 of 3", "1"),
    )


def test_time_is_fit_and_predict(results: Any) -> None:
    results.add("forest", "bace", seed=0, timing={"fit": 2.0, "predict": 1.0, "total": 9.0})
    results.add("forest", "bace", seed=1, timing={"fit": 4.0, "predict": 2.0, "total": 9.0})
    results.add("gp", "bace", seed=0, timing={"fit": 300.0, "predict": 2.0})
    results.add("mean", "bace", error="boom")
    tables = collect(results.store).tables
    assert grids.time_grid(tables).rows == (("forest", "4.5"), ("gp", "302"))


# ------------------------------------------------------------------------------------ as printed


def test_printed_tables_are_whole_and_say_what_is_wrong_with_them() -> None:
    found = printed.printed_grids(published.all_published(), ["chembl2k"])
    assert [(len(g.rows), g.folded) for g in found] == [(22, False), (22, True), (16, True)]
    table = found[0]
    rows = {row[0]: row for row in table.rows}
    assert table.columns[2] == "chembl2k ROC-AUC %"
    assert rows["RF (Morgan)"][2:] == ("54.7 ± 0.7 *", "52.3 ± 0.1 *", "55.5 ± 0.1 *", "52.8 ± 0.2")
    assert rows["GP (Morgan)"][3] == "out of memory"
    assert rows["CHMR"][2] == "84.7 ± 0.2"
    assert any(n.startswith("* Hard labels: ROC-AUC computed on hard 0/1") for n in table.notes)
    assert not any(n.startswith("*") for n in found[2].notes)


def test_printed_figures_with_a_note_carry_it() -> None:
    table, other = printed.printed_grids(published.all_published(), ["bace"])
    cells = {row[0]: row for row in table.rows}["GPT-GNN"]
    assert "65.2 ± 2.1 [1]" in cells
    assert "[1] GPT-GNN on hiv: probable misprint." in table.notes
    assert {row[0]: row for row in other.rows}["ECFP count"][2] == "86.0"


def test_printed_tables_can_be_cut_to_a_dataset() -> None:
    found = printed.printed_grids(published.all_published(), ["hiv"], only=True)
    assert [g.columns for g in found] == [("model", "hiv")] * 3
    assert found[1].rows == (("Multi-RF Fusion", "84.76 ± 0.02"),)
    assert printed.printed_grids(published.all_published(), ["planted"]) == []


def test_a_folded_table_of_one_row_says_so_in_the_singular() -> None:
    def folded(n: int) -> str:
        return grids.section("##", Grid.of("t", [{"model": "a"}] * n, ("model",), folded=True))

    assert "<summary>1 row</summary>" in folded(1)
    assert "<summary>2 rows</summary>" in folded(2)


def test_the_best_row_of_drawn_splits_is_that_of_their_mean(results: Any) -> None:
    """What is best on the first split may be the worst over all of them."""
    for seed, (lucky, steady) in enumerate(((0.91, 0.60), (0.40, 0.62))):
        results.add("lucky", "bace", lucky, drawn=("strict", seed))
        results.add("steady", "bace", steady, drawn=("strict", seed))
    results.add("once", "bace", 0.99, drawn=("strict", seed))
    tables = collect(results.store, []).tables
    assert len(tables) == 2
    assert grids.best_of(tables) == ("lucky", pytest.approx(0.655))
    assert grids.best_of(tables[1:]) == ("once", 0.99)
