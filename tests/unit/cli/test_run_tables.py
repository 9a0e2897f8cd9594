"""The tables a run prints."""

from __future__ import annotations

import pytest

from chmr_bench.cli import run_tables
from chmr_bench.report.results import Numbers

ROW: Numbers = {
    "model": "m",
    "own_profiles": "",
    "dataset": "d",
    "split": "scaffold",
    "metric": "r2",
    "n_runs": 1,
    "n_failed": 0,
    "mean": -3.2,
    "sd": None,
    "low": -7974.845,
    "high": -0.649,
    "n_evaluable": 1,
    "n_tasks": 1,
    "synthetic": False,
    "dataset_digest": "dd",
    "origin": "",
    "n_dropped": 0,
    "pretrained_on": "",
    "tasks": [],
    "not_evaluable": "",
}


def test_an_interval_of_negative_values_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    run_tables.show_results([ROW])
    assert "-7974.845 to -0.649" in " ".join(capsys.readouterr().out.split())


def test_a_row_over_splits_tells_which_failed_and_the_range_of_tasks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_split = tuple(
        ROW | {"split": "strict", "split_seed": i, "mean": m, "n_evaluable": n, "n_tasks": 3}
        for i, (m, n) in enumerate([(0.5, 3), (0.7, 2), (None, 0)])
    )
    numbers = {"mean": 0.6, "sd": 0.141, "low": 0.5, "high": 0.7, "n_splits": 2, "n_failed": 1}
    run_tables.show_over_splits([{"by_split": by_split, **numbers}])
    words = capsys.readouterr().out.split()  # cells may be folded
    for cell in ("d m strict r2 0.6000 ± 0.1410", "0.500 to 0.700", "2/3 3 2-3/3"):
        assert set(cell.split()) <= set(words)


def test_left_out_rows_are_told_once_a_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    dropped = ROW | {"n_dropped": 2}
    run_tables.show_results([dropped, dropped | {"model": "other"}])
    assert capsys.readouterr().out.count("d: 2 rows of the source left out") == 1
    run_tables.show_results([ROW])
    assert "left out" not in capsys.readouterr().out


def test_small_units_and_the_tasks_of_a_regression(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = ({"task": "solubility", "score": 12.3456}, {"task": "binding", "score": 0.00001234})
    row = ROW | {"mean": 6e-5, "low": 5.5e-5, "high": 6.5e-5, "n_tasks": 2, "tasks": tasks}
    other = row | {"model": "other", "tasks": ({"task": "binding", "score": 0.5},)}
    run_tables.show_results([row, other])
    words = " ".join(capsys.readouterr().out.split())
    assert "0.0000600 0.0000550 to 0.0000650" in words
    assert "d by task, r2 task m other" in words
    assert "solubility 12.3456 none binding 0.0000123 0.5000" in words


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_no_number_is_broken_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    from rich.console import Console

    console = Console(width=int(columns), highlight=False)
    monkeypatch.setattr("chmr_bench.display.console.console", console)
    row = ROW | {"model": "fingerprint.forest", "dataset": "a-long-name", "mean": 0.4999}
    run_tables.show_results([row])
    out = capsys.readouterr().out
    assert "0.4999" in out
    assert "-7974.845 to -0.649" in out


def test_a_score_is_shown_inside_its_own_interval(capsys: pytest.CaptureFixture[str]) -> None:
    run_tables.show_results([ROW | {"mean": 0.49994, "low": 0.49992, "high": 0.49996}])
    assert "0.49994 0.49992 to 0.49996" in " ".join(capsys.readouterr().out.split())
