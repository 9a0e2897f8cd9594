"""``run`` as a user meets it: plan, table, JSON, Ctrl-C, and two runs at once."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.records import RecordStore
from tests.integration.conftest import Run

CONTROL = "\x1b"


# ------------------------------------------------------------------------------------- what is well


def test_a_run_prints_plan_and_table_and_a_second_computes_nothing(
    inside: Run, tmp_path: Path
) -> None:
    asked = ("run", "--model", "quick.noise", "--model", "quick.mean", "--suite", "quick")
    first = inside(*asked, "--seeds", "2")
    assert first.returncode == 0, first.stderr
    assert "6 jobs new, 0 cached" in first.stdout
    assert "Expected time: unknown" in first.stdout
    assert " ± " in first.stdout
    assert "[6/6] quick-data quick.mean  roc_auc 0.5000" in first.stderr
    assert CONTROL not in first.stdout + first.stderr
    assert (tmp_path / "leaderboards" / "README.md").is_file()
    second = inside(*asked, "--seeds", "2")
    assert second.returncode == 0
    assert "0 jobs new, 6 cached" in second.stdout
    assert "Nothing to compute" in second.stdout
    assert first.stdout.partition("Results")[2] == second.stdout.partition("Results")[2]


def test_a_table_is_split_by_its_own_column(
    inside: Run, tmp_path: Path, rings: Callable[[int], str]
) -> None:
    head, *rows = rings(30).split()
    parts = ["test"] * 8 + ["valid"] * 4 + ["train"] * 18  # the newest first
    lines = [f"{row},{part}" for row, part in zip(rows, parts, strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join([f"{head},part", *lines]))
    table = ("--dataset", "mine.csv", "--smiles", "smiles", "--tasks", "pIC50", "--parts", "part")
    done = inside("run", "--model", "mean", *table, "--out", "out")
    assert done.returncode == 0, done.stderr
    (record,) = RecordStore(tmp_path / "out").records()
    split = record.split
    assert (split.name, split.n_train, split.n_valid, split.n_test) == ("reference", 18, 4, 8)
    assert record.dataset.origin.parts == "part"
    assert inside("verify", "--out", "out").returncode == 0
    lacking = inside("run", "--model", "mean", *table[:-2], "--split", "reference", "--out", "out")
    assert lacking.returncode == 2
    assert "name a table's own with --parts COLUMN" in lacking.stderr


def test_the_plan_alone_computes_and_writes_nothing(inside: Run, tmp_path: Path) -> None:
    done = inside("run", "--model", "quick.noise", "--dataset", "quick-data", "--plan")
    assert done.returncode == 0
    assert "1 job new" in done.stdout
    assert not (tmp_path / "leaderboards").exists()


def test_simulated_data_are_marked_wherever_they_appear(inside: Run) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-made", "-d", "quick-small")
    jobs = json.loads(inside(*asked, "--plan", "--json").stdout)["jobs"]
    assert {job["dataset"]: job["synthetic"] for job in jobs} == {
        "quick-made": True,
        "quick-small": False,
    }
    done = inside(*asked)
    plan, results = done.stdout.split("Results")
    for text in (plan, results):
        assert "quick-made*" in text
        assert "quick-small*" not in text
        assert "* synthetic: simulated labels" in text
    assert "quick-made* quick.noise seed 0" in done.stderr
    plain = inside("run", "-m", "quick.noise", "-d", "quick-small")
    assert "synthetic" not in plain.stdout


def test_two_files_of_one_name_are_distinct(
    inside: Run, table: Path, rings: Callable[[int], str]
) -> None:
    for name in ("a", "b"):
        (table.parent / name).mkdir()
    table.rename(table.parent / "a" / "mine.csv")
    (table.parent / "b" / "mine.csv").write_text(rings(30))
    asked = ("run", "-m", "quick.mean", "-d", "a/mine.csv", "-d", "b/mine.csv")
    done = inside(*asked, "--smiles", "smiles", "--tasks", "active")
    assert done.returncode == 0, done.stderr
    plan, results = done.stdout.split("Results")
    for text in (plan, results, done.stderr):
        assert "mine (a/mine.csv)" in text
        assert "mine (b/mine.csv)" in text
    shown = json.loads(inside(*asked, "--smiles", "smiles", "--tasks", "active", "--json").stdout)
    assert [row["origin"] for row in shown["results"]] == ["b/mine.csv", "a/mine.csv"]
    tables = table.parent / "leaderboards"
    page, provenance = (tables / "README.md").read_text(), (tables / "provenance.md").read_text()
    for name in ("a", "b"):
        assert page.count(f"### mine ({name}/mine.csv) (user's table), scaffold split") == 1
        assert provenance.count(f"mine ({name}/mine.csv) |") == 2
    lines = (tables / "tables" / "mine.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {"mine (a/mine.csv)", "mine (b/mine.csv)"}
    (table.parent / "b" / "mine.csv").write_text(rings(32))
    assert (
        inside(*asked[:3], *asked[-2:], "--smiles", "smiles", "--tasks", "active").returncode == 0
    )
    page = (tables / "README.md").read_text()
    assert page.count("### mine (b/mine.csv, data ") == 2


def test_json_is_json_and_nothing_else(inside: Run) -> None:
    asked = ("run", "-m", "quick.noise", "-m", "quick.raises", "-d", "quick-small", "--json")
    plan = json.loads(inside(*asked, "--plan").stdout)
    counts = {"new": 2, "cached": 0, "damaged": 0, "failed": 0, "impossible": 0}
    assert plan["counts"] == counts
    assert plan["jobs"][0]["model"] == "quick.noise"
    done = inside(*asked)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["n_computed"] == 2
    assert result["results"][0]["mean"] > 0
    assert result["failed"][0]["error"]["phase"] == "fit"


def test_quiet_prints_the_table_only(inside: Run) -> None:
    done = inside("run", "-m", "quick.noise", "-d", "quick-small", "-q")
    assert done.stdout.startswith("Results")
    assert "[1/1]" not in done.stderr


def test_quiet_still_says_why_a_job_failed(inside: Run) -> None:
    asked = ("run", "-m", "quick.raises", "-m", "quick.lacking", "-d", "quick-small", "-q")
    done = inside(*asked)
    assert done.returncode == 1
    assert "quick-small quick.raises seed 0  FAILED in fit: RuntimeError" in done.stderr
    assert "cannot run: " in done.stderr
    kept = inside(*asked, "--keep-failed")
    assert kept.returncode == 1
    assert "quick-small quick.raises seed 0  failed before, left as it is: " in kept.stderr


def test_a_run_says_what_it_fetches(inside: Run) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-remote", "-d", "quick-small", "--offline")
    done = inside(*asked)
    assert "fetching quick-remote (0.00 MB) ..." in done.stderr
    assert "fetching quick-small" not in done.stderr
    assert "fetching" not in inside(*asked, "-q").stderr.partition("error")[0]


@pytest.mark.parametrize(("first", "task_type"), [("0", "classification"), ("-1", "regression")])
def test_an_inferred_task_type_is_said(
    inside: Run, tmp_path: Path, first: str, task_type: str
) -> None:
    rows = [f"C1{'C' * (i + 2)}1,{(first, '1')[i % 2]}" for i in range(40)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows, ""]))
    asked: tuple[str, ...] = ("run", "-m", "quick.noise", "-d", "my.csv", "--smiles", "smiles")
    asked += ("--tasks", "y", "--plan")
    said = f"my.csv: task type {task_type} inferred from the labels"
    done = inside(*asked)
    assert said in done.stderr
    assert ("expects labels 0 and 1" in done.stderr) == (task_type == "regression")
    if task_type == "classification":
        assert "inferred" not in inside(*asked, "--task-type", "classification").stderr


def test_options_without_effect_are_named(inside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chmr_bench.sweep.devices._has_cuda", lambda thorough: True)
    asked = ("run", "-m", "quick.noise", "-d", "quick-small", "--plan", "--split-seed", "4")
    done = inside(*asked, "--device", "cuda")
    assert "--split-seed 4 changes nothing: the split reference draws nothing" in done.stderr
    assert "--device cuda changes nothing: quick.noise can use the CPU only" in done.stderr
    drawn = inside(*asked, "--split", "random")
    assert drawn.returncode == 0
    assert "changes nothing" not in drawn.stderr


def test_a_part_of_the_folds_is_noted(inside: Run) -> None:
    plan = ("run", "-m", "mean", "--suite", "quick", "--split", "cv5x5", "--plan")
    assert "1 of the 25 folds of cv5x5; --split-seeds 25 runs all" in inside(*plan).stderr
    assert "folds of cv5x5" not in inside(*plan, "--split-seeds", "25").stderr


def test_a_users_table_beside_a_registered_dataset(inside: Run, table: Path) -> None:
    done = inside(
        *("run", "-m", "quick.noise", "-d", "mine.csv", "-d", "quick-small"),
        *("--smiles", "smiles", "--tasks", "active", "--out", "out"),
    )
    assert done.returncode == 0, done.stderr
    (record,) = RecordStore(table.parent / "out").of("mine", "quick.noise")
    assert record.dataset.origin.file == "mine.csv"
    assert record.dataset.task_type == "classification"
    assert record.split.name == "scaffold"


def test_dropped_rows_are_counted_in_the_record(inside: Run, table: Path) -> None:
    with table.open("a") as file:
        file.write("not a molecule,1,2.0\nCCO,maybe,1.0\n")
    asked: tuple[str, ...] = ("run", "-m", "quick.values", "-d", "mine.csv", "--smiles", "smiles")
    asked += ("--tasks", "pIC50", "--task-type", "regression", "--metric", "rmse")
    stopped = inside(*asked)
    assert stopped.returncode == 3
    assert "row 42" in stopped.stderr
    assert "not a molecule" in stopped.stderr
    done = inside(*asked, "--on-invalid", "drop", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["metric"] == "rmse"
    (record,) = RecordStore(table.parent / "leaderboards").records()
    assert record.dataset.dropped == 1
    shown = inside(*asked, "--on-invalid", "drop").stdout
    assert "mine: 1 row of the source left out (--on-invalid drop)" in shown
    page = (table.parent / "leaderboards" / "README.md").read_text()
    assert "1 row of the source was left out" in page


def test_predictions_join_the_file_by_row(inside: Run, table: Path) -> None:
    lines = table.read_text().splitlines()
    named = [
        f"{line},{name}" for name, line in zip(["name", *"abcdefghij" * 4], lines, strict=True)
    ]
    named.insert(3, "not a molecule,1,2.0,bad")
    named.insert(9, "")
    table.write_text("\n".join([*named, "CCO,1,>5,bad"]))
    asked = ("run", "-m", "quick.values", "-d", "mine.csv", "--smiles", "smiles", "--id", "name")
    asked += ("--tasks", "pIC50", "--task-type", "regression", "--on-invalid", "drop")
    assert inside(*asked, "--out", "out").returncode == 0
    own = table.read_text().splitlines()
    for unpack in (False, True):
        if unpack:
            assert inside("records", "unpack", "--out", "out").returncode == 0
        (run,) = RecordStore(table.parent / "out").stored()
        predictions, score = run.predictions(), run.record.metrics
        of = predictions.molecules
        assert of is not None
        assert score is not None
        cells = [own[row - 1].split(",") for row in of.file_rows]
        assert [(row[0], row[3]) for row in cells] == list(zip(of.smiles, of.ids, strict=True))
        labels = np.array([float(row[2]) for row in cells])
        assert np.abs(predictions.values[:, 0] - labels).mean() == pytest.approx(score.macro)


def test_a_spread_that_cannot_be_resolved_is_said_on_screen(inside: Run, tmp_path: Path) -> None:
    rows = [f"C1{'C' * (i + 2)}1,{10**18 + 100 * i}" for i in range(40)]
    (tmp_path / "my.csv").write_text("\n".join(["smiles,y", *rows, ""]))
    asked = ("run", "-m", "mean", "-d", "my.csv", "--smiles", "smiles", "--tasks", "y", "-q")
    done = inside(*asked, "--out", "out")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "no score of" in line]
    assert line.startswith("my: no score of 'y': labels of size 1e+18 span ")
    assert "subtract what they share" in line


# ----------------------------------------------------------------------------------------- ctrl-c


def started(process: subprocess.Popen[str], line: str) -> str:
    """Read standard error up to a line that holds `line`."""
    assert process.stderr is not None
    read = ""
    while line not in read:
        one = process.stderr.readline()
        assert one, read
        read += one
    return read


def test_ctrl_c_once_stops_cleanly_and_the_same_command_goes_on(
    command: Any, inside: Run, tmp_path: Path
) -> None:
    asked: tuple[str, ...] = ("run", "-m", "quick.noise", "-d", "quick-small", "--seeds", "3")
    asked += ("--set", "seconds=1.0")
    process = command.start(*asked)
    started(process, "[1/3]")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "press Ctrl-C again to stop at once" in err
    assert "1 job done, 2 left" in err
    assert "Traceback" not in err
    store = RecordStore(tmp_path / "leaderboards")
    assert len(store.records()) == 1
    assert list(store.temporary.iterdir()) == []
    again = inside(*asked)
    assert again.returncode == 0
    assert "2 jobs new, 1 cached" in again.stdout


def test_what_a_model_prints_does_not_get_into_the_results(command: Any) -> None:
    done = command("run", "-m", "quick.loud", "-d", "quick-small", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_computed"] == 1
    said = {line for line in done.stderr.splitlines() if line.startswith("LOUD ")}
    ways = ("init", "needs", "fit", "descriptor", "compiled", "child")
    assert said == {f"LOUD {way}" for way in ways}


def test_ctrl_c_twice_stops_at_once_even_a_model_that_does_not_listen(
    command: Any, tmp_path: Path
) -> None:
    process = command.start("run", "-m", "quick.deaf", "-d", "quick-small")
    deadline = time.monotonic() + 60
    while not (tmp_path / "deaf").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    started(process, "again to stop at once")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130
    assert RecordStore(tmp_path / "leaderboards").records() == []


# ------------------------------------------------------------------------------- two runs at once


@pytest.mark.slow
def test_two_runs_into_one_folder_share_the_work(command: Any, tmp_path: Path) -> None:
    asked: tuple[str, ...] = (
        "run",
        "-m",
        "quick.noise",
        "--suite",
        "quick",
        "--seeds",
        "3",
        "--json",
    )
    asked += ("--set", "seconds=0.3")
    both = [command.start(*asked) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    tables = [json.loads(out) for out, _ in results]
    assert tables[0]["results"] == tables[1]["results"]
    assert tables[0]["n_computed"] + tables[1]["n_computed"] == 6
    assert len(RecordStore(tmp_path / "leaderboards").records()) == 6
    assert command("verify").returncode == 0


@pytest.mark.slow
def test_several_splits_are_one_command(inside: Run) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-data", "--split", "random", "--jobs", "1")
    done = inside(*asked, "--split-seeds", "3", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "random 0-2" in done.stdout  # the plan's split
    assert "6 jobs new" in done.stdout
    assert "score: mean ± s.d. over splits" in done.stdout
    content = json.loads(inside(*asked, "--split-seeds", "3", "--seeds", "2", "--json").stdout)
    assert [(r["split_seed"], r["n_runs"]) for r in content["results"]] == [(0, 2), (1, 2), (2, 2)]
    one = inside(*asked, "--split-seed", "1", "--seeds", "2")
    assert "0 jobs new, 2 cached" in one.stdout
    both = inside(*asked, "--split-seeds", "3", "--split-seed", "1")
    assert both.returncode == 2
    assert "give either --split-seeds or --split-seed" in both.stderr
