"""Building: the same bytes for the same records, whole files, and what is not ours left alone."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chmr_bench.cli import NOT_WRITTEN
from chmr_bench.cli.leaderboard import app
from chmr_bench.errors import DataError, DiskFullError, UsageError
from chmr_bench.records import RecordStore
from chmr_bench.report import leaderboard


@pytest.fixture
def board(results: Any) -> Any:
    """Two models on two datasets of the nine, and one on simulated data."""
    for seed in (0, 1):
        results.add("forest", "bace", 0.7 + seed / 30, seed=seed)
        results.add("forest", "biogen3k", 0.5, seed=seed, metric="mae")
    results.add("mean", "bace", 0.5, seed=None)
    results.add("forest", "planted", 0.66, dataset__synthetic=True)
    return results


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("records", "runs")
    }


def test_what_is_written(board: Any) -> None:
    paths = leaderboard.build(board.store, board.root)
    assert [p.relative_to(board.root).as_posix() for p in paths] == [
        "README.md",
        *("overall.csv", "overall.json"),
        *("printed.csv", "printed.md", "provenance.md", "settings.json"),
        *(
            f"tables/{name}.{kind}"
            for name in ("bace", "biogen3k", "planted")
            for kind in ("csv", "json", "md")
        ),
        "timing.csv",
    ]
    assert set(contents(board.root)) == {p.relative_to(board.root).as_posix() for p in paths}


def test_files_hold_full_precision_and_the_page_does_not(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    expected = (0.7 + 0.7 + 1 / 30) / 2
    content = json.loads((board.root / "tables/bace.json").read_text())
    (table,) = content["tables"]
    assert table["rows"][0]["score"] == pytest.approx(expected, abs=1e-11)
    settings = json.loads((board.root / "settings.json").read_text())["settings"]
    assert settings[table["rows"][0]["settings"]]["params"] == {"n_trees": 10}
    assert len(table["rows"][0]["records"]) == 2
    with (board.root / "tables/bace.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["row"] for r in rows] == ["forest", "mean"]
    assert float(rows[0]["score"]) == pytest.approx(expected, abs=1e-11)
    assert (rows[0]["n_runs"], rows[1]["n_runs"], rows[1]["sd_over_seeds"]) == ("2", "1", "")
    assert "| forest | 71.7 |" in " ".join((board.root / "README.md").read_text().split())


def test_the_overall_files(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    overall = json.loads((board.root / "overall.json").read_text())
    assert overall["metrics"] == {"biogen3k": "mae", "bace": "roc_auc"}
    assert [(r["row"], r["n_covered"], r["n_datasets"]) for r in overall["rows"]] == [
        ("forest", 2, 9),
        ("mean", 1, 9),
    ]
    with (board.root / "overall.csv").open() as file:
        (forest, _) = csv.DictReader(file)
    assert forest["biogen3k"] == "0.5"
    assert (forest["hiv"], forest["classification_mean"], forest["average_rank"]) == ("", "", "")


def test_the_same_records_give_the_same_bytes(board: Any, tmp_path: Path) -> None:
    leaderboard.build(board.store, board.root)
    first = contents(board.root)
    stamps = {p: (board.root / p).stat().st_mtime_ns for p in first}
    leaderboard.build(board.store, board.root)
    assert contents(board.root) == first
    assert {p: (board.root / p).stat().st_mtime_ns for p in first} == stamps
    elsewhere = tmp_path / "another place"
    folder = board.store.folder
    shutil.copytree(folder, elsewhere / folder.name)
    leaderboard.build(RecordStore(elsewhere), elsewhere)
    assert contents(elsewhere) == first


def test_scores_do_not_depend_on_when_and_how_fast_a_run_was(board: Any, results_in: Any) -> None:
    leaderboard.build(board.store, board.root)
    again = results_in(board.root.parent / "again")
    timing = {"fit": 99.0, "predict": 9.0, "total": 120.0}
    for seed in (1, 0):
        again.add("forest", "biogen3k", 0.5, seed=seed, metric="mae", created="later")
        again.add("forest", "bace", 0.7 + seed / 30, seed=seed, timing=timing)
    again.add("forest", "planted", 0.66, dataset__synthetic=True)
    again.add("mean", "bace", 0.5, seed=None, timing=timing)
    leaderboard.build(again.store, again.root)
    left, right = contents(board.root), contents(again.root)
    assert left.keys() == right.keys()
    for name in ("overall.csv", "overall.json", "tables/bace.csv", "tables/biogen3k.csv"):
        assert left[name] == right[name]


def test_check_finds_every_kind_of_difference(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    assert leaderboard.differences(board.store, board.root) == []
    (board.root / "overall.csv").unlink()
    path = board.root / "tables" / "bace.csv"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    shutil.copy(board.root / "tables" / "bace.json", board.root / "tables" / "old.json")
    (board.root / "tables" / "old.csv").write_text("x")
    found = leaderboard.differences(board.store, board.root)
    assert found[0] == "overall.csv: is missing"
    assert "tables/bace.csv on disk" in found[1]
    assert "+bace,False,reference,roc_auc,mean,mean,0.5" in found[1]
    assert found[2:] == [
        "tables/old.csv: no record gives it",
        "tables/old.json: no record gives it",
    ]
    leaderboard.build(board.store, board.root)
    assert leaderboard.differences(board.store, board.root) == []


def test_check_sees_other_line_ends_and_what_is_no_text(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    converted, damaged = board.root / "tables" / "bace.csv", board.root / "overall.csv"
    converted.write_bytes(converted.read_bytes().replace(b"\n", b"\r\n"))
    damaged.write_bytes(damaged.read_bytes() + b"\xff\xfe")
    found = leaderboard.differences(board.store, board.root)
    assert found[0].startswith("overall.csv: is no UTF-8 text")
    assert found[1].startswith("tables/bace.csv: differs in line ends")
    assert len(found) == 2


@pytest.mark.parametrize("name", ["tables/bace.csv", "overall.csv"])
def test_check_finds_a_stray_csv_and_build_removes_it(board: Any, name: str) -> None:
    leaderboard.build(board.store, board.root)
    source = board.root / name
    stray = source.with_name(f"{source.stem}-old.csv")
    shutil.copy(source, stray)
    (board.root / "tables" / "notes.csv").write_text("a,b\n")
    expected = [f"{stray.relative_to(board.root).as_posix()}: no record gives it"]
    assert leaderboard.differences(board.store, board.root) == expected
    leaderboard.build(board.store, board.root)
    assert leaderboard.differences(board.store, board.root) == []
    assert not stray.exists()
    assert (board.root / "tables" / "notes.csv").exists()


def test_what_is_in_the_way_is_told_before_anything_is_written(board: Any) -> None:
    (board.root / "tables").write_text("x")
    with pytest.raises(UsageError, match="tables is a file"):
        leaderboard.check(board.root)
    (board.root / "tables").unlink()
    (board.root / "overall.csv").mkdir()
    with pytest.raises(UsageError, match=r"overall\.csv is a folder"):
        leaderboard.build(board.store, board.root)
    (board.root / "overall.csv").rmdir()
    (board.root / "boards").mkdir()
    (board.root / "boards" / "main.toml").write_bytes(b"\xff\x00")
    with pytest.raises(DataError, match=r"main\.toml: cannot be read.*mend or remove"):
        leaderboard.build(board.store, board.root)
    assert contents(board.root).keys() == {"boards/main.toml"}
    shutil.rmtree(board.root / "boards")
    (board.root / "boards").write_text("x")
    with pytest.raises(DataError, match="boards is a file"):
        leaderboard.check(board.root)


def test_a_damaged_record_is_named_on_the_page(board: Any) -> None:
    record = board.store.records()[0]
    (board.store.path_of(record) / "predictions.parquet").unlink()
    leaderboard.build(board.store, board.root)
    page = (board.root / "README.md").read_text()
    assert "damaged, and so in no table: predictions.parquet" in page
    result = CliRunner().invoke(app, ["build", "--out", str(board.root)])
    assert result.exit_code == 0
    assert "damaged, and in no table: predictions.parquet" in result.output


def test_a_record_more_is_a_difference(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    board.add("knn", "bace", 0.6, seed=None)
    assert any("README.md" in d for d in leaderboard.differences(board.store, board.root))


def test_tables_of_removed_records_go_and_foreign_files_stay(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    (board.root / "tables" / "mine.json").write_text('{"schema": "mine"}')
    (board.root / "tables" / "notes.csv").write_text("a,b")
    for record in board.store.records():
        if record.dataset.name == "planted":
            shutil.rmtree(board.store.path_of(record))
    leaderboard.build(board.store, board.root)
    names = {p.name for p in (board.root / "tables").iterdir()}
    assert "planted.json" not in names
    assert "planted.csv" not in names
    assert {"mine.json", "notes.csv", "bace.csv"} <= names


def test_somebody_elses_readme_is_left_alone(board: Any) -> None:
    readme = board.root / "README.md"
    readme.write_text("# My project\n")
    paths = leaderboard.build(board.store, board.root)
    assert paths[0].name == "LEADERBOARD.md"
    assert readme.read_text() == "# My project\n"
    assert leaderboard.differences(board.store, board.root) == []


def test_names_that_are_no_file_names(results: Any) -> None:
    results.add("forest", "a/b c", dataset__origin={"kind": "file"}, split__name="deepchem:butina")
    results.add("forest", "a/b c", dataset__origin={"kind": "file"}, dataset__digest="1" * 64)
    results.add("forest", "A-b c", dataset__origin={"kind": "file"})
    results.add("forest", "..", dataset__origin={"kind": "file"})
    names = {p.name for p in leaderboard.build(results.store, results.root) if p.suffix == ".json"}
    assert names == {"A-b-c.json", "unnamed.json", "settings.json"}
    content = json.loads((results.root / "tables" / "A-b-c.json").read_text())
    assert [t["dataset"]["name"] for t in content["tables"]] == ["A-b c", "a/b c", "a/b c"]


def test_without_records_nothing_is_written(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "none")
    assert leaderboard.build(store, tmp_path / "none") == []
    with pytest.raises(UsageError, match="no records"):
        leaderboard.differences(store, tmp_path / "none")


def test_a_folder_that_cannot_be_written(board: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        leaderboard.build(board.store, blocked)


def test_a_full_disk_is_no_mistake_of_the_user(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    said = "No space left on device; what is on record stays. Free some space"
    for work in (board.store.prepare, lambda: leaderboard.build(board.store, board.root)):
        with pytest.raises(DiskFullError, match=said) as raised:
            work()
        assert raised.value.exit_code == NOT_WRITTEN


BUILD_OFTEN = """
import sys
from pathlib import Path
from chmr_bench.report import leaderboard
from chmr_bench.records import RecordStore

root = Path(sys.argv[1])
for _ in range(5):
    for name in ("README.md", "overall.csv"):
        (root / name).unlink(missing_ok=True)
    leaderboard.build(RecordStore(root), root)
"""


@pytest.mark.slow
def test_builds_at_once_do_no_harm(board: Any) -> None:
    leaderboard.build(board.store, board.root)
    expected = contents(board.root)
    command = [sys.executable, "-c", BUILD_OFTEN, str(board.root)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors.decode()
    leaderboard.build(board.store, board.root)
    assert contents(board.root) == expected


# ------------------------------------------------------------------------------------ command line


def test_build_and_check_by_command(board: Any) -> None:
    runner = CliRunner()
    out = ["--out", str(board.root)]
    assert runner.invoke(app, ["build", *out]).exit_code == 0
    assert runner.invoke(app, ["build", *out, "--check"]).exit_code == 0
    (board.root / "overall.csv").write_text("x")
    result = runner.invoke(app, ["build", *out, "--check"])
    assert result.exit_code == 1
    assert "overall.csv on disk" in result.output


def test_show(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    runner = CliRunner()
    out = ["--out", str(board.root)]
    result = runner.invoke(app, ["show", *out, "--dataset", "biogen3k"])
    assert result.exit_code == 0, result.output
    assert "MAE" in result.output
    assert "As printed" in result.output
    result = runner.invoke(app, ["show", *out, "--json"])
    content = json.loads(result.stdout)
    assert [t["dataset"]["name"] for t in content["tables"]] == ["biogen3k", "bace", "planted"]
    assert len(content["boards"]) == 1
    assert not (board.root / "README.md").exists()


def test_show_and_build_say_what_is_not_there(board: Any, tmp_path: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(app, ["show", "--out", str(board.root), "--dataset", "bice"])
    assert "did you mean 'bace'" in str(result.exception)
    for command in ("show", "build"):
        empty = tmp_path / "nothing"
        result = runner.invoke(app, [command, "--out", str(empty)])
        assert isinstance(result.exception, UsageError)
        assert not empty.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")
def test_a_pipe_among_the_tables_is_not_waited_for(board: Any, alarm: None) -> None:
    leaderboard.build(board.store, board.root)
    os.mkfifo(board.root / "overall-pipe.csv")
    leaderboard.build(board.store, board.root)
    assert (board.root / "overall-pipe.csv").exists()


@pytest.mark.parametrize("where", ["model__params", "timing__fit", "dataset__n_molecules"])
def test_a_number_of_more_than_64_bits_is_shown(results: Any, where: str) -> None:
    value = {"n_trees": 10**40} if where == "model__params" else 10**40
    results.add("forest", "bace", **{where: value})
    for _ in range(2):
        leaderboard.build(results.store, results.root)
    assert "forest" in (results.root / "README.md").read_text()
