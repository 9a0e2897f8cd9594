"""``run``, ``score`` and ``verify`` as a user meets them: tables, exit codes, and bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

CONTROL = "\x1b"


def rings(n: int) -> str:
    """Return a table of rings, each a scaffold of its own: a class and a number."""
    rows = [f"C1{'C' * (i + 2)}1,{i % 2},{i / 10}" for i in range(n)]
    return "\n".join(["smiles,active,pIC50", *rows, ""])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A user's table."""
    file = tmp_path / "mine.csv"
    file.write_text(rings(40))
    return file


@pytest.fixture
def inside(
    tmp_path: Path,
    quick: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in this process: a tenth of the time of a process of its own."""
    from chmr_bench.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("CHMR_BENCH_MIRROR", raising=False)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(str(end.value.code or 0)), out, err)

    return run


# ------------------------------------------------------------------------------------- what is well


def test_a_run_prints_plan_and_table_and_a_second_computes_nothing(
    command: Run, tmp_path: Path
) -> None:
    asked = ("run", "--model", "quick.noise", "--model", "quick.mean", "--suite", "quick")
    first = command(*asked, "--seeds", "2")
    assert first.returncode == 0, first.stderr
    assert "6 jobs new, 0 cached" in first.stdout
    assert "Expected time: unknown" in first.stdout
    assert " ± " in first.stdout
    assert "[6/6] quick-data quick.mean  roc_auc 0.5000" in first.stderr
    assert CONTROL not in first.stdout + first.stderr
    assert (tmp_path / "leaderboards" / "README.md").is_file()
    second = command(*asked, "--seeds", "2")
    assert second.returncode == 0
    assert "0 jobs new, 6 cached" in second.stdout
    assert "Nothing to compute" in second.stdout
    assert first.stdout.partition("Results")[2] == second.stdout.partition("Results")[2]


def test_the_plan_alone_computes_and_writes_nothing(inside: Run, tmp_path: Path) -> None:
    done = inside("run", "--model", "quick.noise", "--dataset", "quick-data", "--plan")
    assert done.returncode == 0
    assert "1 jobs new" in done.stdout
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


def test_two_files_of_one_name_are_told_apart(inside: Run, table: Path) -> None:
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


def test_json_is_json_and_nothing_else(inside: Run) -> None:
    asked = ("run", "-m", "quick.noise", "-m", "quick.raises", "-d", "quick-small", "--json")
    plan = json.loads(inside(*asked, "--plan").stdout)
    assert plan["counts"] == {"new": 2, "cached": 0, "failed": 0, "impossible": 0}
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


def test_a_users_table_beside_a_registered_dataset(inside: Run, table: Path) -> None:
    done = inside(
        *("run", "-m", "quick.noise", "-d", "mine.csv", "-d", "quick-small"),
        *("--smiles", "smiles", "--tasks", "active", "--out", "out"),
    )
    assert done.returncode == 0, done.stderr
    (result,) = (table.parent / "out" / "records").glob("mine*/quick.noise/*/result.json")
    content = json.loads(result.read_text())
    assert content["dataset"]["origin"]["file"] == "mine.csv"
    assert content["dataset"]["task_type"] == "classification"
    assert content["split"]["name"] == "scaffold"


def test_dropped_rows_are_counted_in_the_record(inside: Run, table: Path) -> None:
    with table.open("a") as file:
        file.write("not a molecule,1,2.0\nCCO,maybe,1.0\n")
    asked = ("run", "-m", "quick.values", "-d", "mine.csv", "--smiles", "smiles")
    asked += ("--tasks", "pIC50", "--task-type", "regression", "--metric", "rmse")
    stopped = inside(*asked)
    assert stopped.returncode == 3
    assert "row 42" in stopped.stderr
    assert "not a molecule" in stopped.stderr
    done = inside(*asked, "--on-invalid", "drop", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["metric"] == "rmse"
    (result,) = (table.parent / "leaderboards" / "records").glob("*/*/*/result.json")
    assert json.loads(result.read_text())["dataset"]["dropped"] == 1


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name a model: --model"),
        (("-m", "quick.noise"), 2, "name data: --suite all"),
        (("-m", "quick.nois", "-d", "quick-data"), 2, "did you mean 'quick.noise'"),
        (("-m", "quick.noise", "-d", "quick-dat"), 2, "did you mean 'quick-data'"),
        (("-m", "quick.noise", "--suite", "quik"), 2, "did you mean 'quick'"),
        (("-m", "quick.noise", "-d", "quick-data", "--set", "scal=2"), 2, "did you mean 'scale'"),
        (("-m", "quick.noise", "-d", "quick-data", "--set", "scale=big"), 2, "scale='big'"),
        (("-m", "quick.noise", "-d", "quick-data", "--set", "scale"), 2, "expected key=value"),
        (
            ("-m", "quick.noise", "-d", "quick-data", "--set", "x:scale=1"),
            2,
            "not among the models",
        ),
        (("-m", "quick.noise", "-d", "quick-data", "--split", "rndom"), 2, "did you mean 'random'"),
        (("-m", "quick.noise", "-d", "quick-data", "--device", "gpu"), 2, "--device"),
        (("-m", "quick.noise", "-d", "quick-data", "--seeds", "0"), 2, "at least 1"),
        (("-m", "quick.noise", "-d", "quick-data", "--seed", "-1"), 2, "--seed -1"),
        (("-m", "quick.noise", "-d", "quick-data", "--seeds", "2", "--seed", "1"), 2, "either"),
        (("-m", "quick.noise", "-d", "quick-data", "--tasks", "a"), 2, "describe --dataset FILE"),
        (("-m", "quick.noise", "-d", "quick-remote", "--offline"), 3, "offline"),
        (("-m", "quick.lacking", "-d", "quick-data"), 4, ""),
        (("-m", "quick.raises", "-d", "quick-data"), 1, "FAILED in fit: RuntimeError"),
        (("-m", "quick.nan", "-m", "quick.noise", "-d", "quick-data"), 1, "not finite"),
    ],
)
def test_exit_codes(inside: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = inside("run", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("", ("--tasks", "a"), "empty"),
        ("smiles,a\n", ("--tasks", "a"), "mine.csv"),
        ("smiles,a\nCC,1\nCCC,0\n", ("--tasks", "b"), "'b'"),
        ("smiles,a\nCC,1\nCCC,zero\n", ("--tasks", "a"), "zero"),
        ("smiles,a\nCC,1\nnonsense(,0\n", ("--tasks", "a"), "nonsense("),
        ("smiles,a\nCC,\nCCC,\n", ("--tasks", "a"), "a"),
        (None, ("--tasks", "a"), "no such file"),
    ],
)
def test_bad_tables_are_data_errors(
    inside: Run, tmp_path: Path, content: str | None, arguments: tuple[str, ...], message: str
) -> None:
    if content is not None:
        (tmp_path / "mine.csv").write_text(content)
    asked = ("run", "-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles", *arguments)
    done = inside(*asked)
    assert done.returncode == 3, done.stderr
    assert "mine.csv" in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "leaderboards").exists()


def test_a_table_needs_its_columns_named(inside: Run, table: Path) -> None:
    done = inside("run", "-m", "quick.noise", "-d", "mine.csv", "--tasks", "active")
    assert done.returncode == 2
    assert "--smiles COLUMN" in done.stderr


def test_an_output_folder_that_is_a_file(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    done = inside("run", "-m", "quick.noise", "-d", "quick-small", "--out", "taken/out")
    assert done.returncode == 2
    assert "cannot write to taken" in done.stderr
    assert "--out DIR" in done.stderr


def obey_permissions() -> None:
    """Take away root's right to write everywhere, before the program starts."""
    import ctypes

    drop_from_bounding_set, override = 24, 1  # prctl(2): PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="rights are taken away by prctl")
def test_a_read_only_output_folder(command: Run, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    asked = ("run", "-m", "quick.noise", "-d", "quick-small", "--out", "locked")
    done = command(*asked, preexec_fn=obey_permissions)
    assert done.returncode == 2, done.stderr
    assert "cannot write to locked" in done.stderr
    assert "is read-only" in done.stderr
    assert "Plan" not in done.stdout
    assert list(folder.iterdir()) == []


def test_a_folder_with_garbage_is_named_and_harms_nobody(inside: Run, tmp_path: Path) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-small")
    assert inside(*asked).returncode == 0
    records = tmp_path / "leaderboards" / "records"
    garbage = records / "quick-small" / "quick.noise" / "garbage"
    garbage.mkdir()
    (garbage / "result.json").write_text('{"schema_version": "1", "cut')
    done = inside(*asked)
    assert done.returncode == 0
    assert "not a record, left alone" in done.stderr
    checked = inside("verify")
    assert checked.returncode == 1
    assert "unreadable" in checked.stdout
    assert "garbage" in checked.stdout
    assert garbage.is_dir()


# --------------------------------------------------------------------------------- score and verify


@pytest.fixture
def done(inside: Run, tmp_path: Path) -> Path:
    """A folder with records of three models on one dataset; returns the first's folder."""
    arguments = ("run", "-m", "quick.noise", "-m", "quick.mean", "-m", "quick.raises")
    inside(*arguments, "-d", "quick-small")
    (folder,) = (tmp_path / "leaderboards" / "records" / "quick-small" / "quick.noise").iterdir()
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / "result.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("check", ["score", "verify"])
def test_untouched_records_are_ok(inside: Run, done: Path, check: str) -> None:
    checked = inside(check)
    assert checked.returncode == 0, checked.stdout
    assert "2 ok; 1 failed runs" in checked.stdout
    counts = json.loads(inside(check, "--json").stdout)["counts"]
    assert counts == {"ok": 2, "failed run": 1}


@pytest.mark.parametrize("check", ["score", "verify"])
def test_another_score_on_record_is_a_difference(inside: Run, done: Path, check: str) -> None:
    edit(done, lambda content: content["metrics"].update(macro=0.99))
    checked = inside(check)
    assert checked.returncode == 1
    assert "macro: 0.99 on record" in checked.stdout
    assert "1 ok; 1 different" in checked.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["metrics"]["per_task"][0].update(low=0.001), "task first: low"),
        (lambda c: c["dataset"].update(digest="0" * 64), "dataset digest"),
        (lambda c: c["split"].update(digest="0" * 64), "split digest"),
        (lambda c: c["model"]["params"].update(scale=0.5), "identity"),
        (lambda c: c["predictions"].update(sha256="0" * 64), "sha256 differ"),
        (lambda c: c["predictions"].update(values_sha256="0" * 64), "not those on record"),
        (lambda c: c.update(predictions_sha256="0" * 64), "sha256 differ"),
    ],
)
def test_verify_sees_every_edit(
    inside: Run, done: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(done, change)
    checked = inside("verify")
    assert checked.returncode == 1
    assert message in checked.stdout


def test_verify_sees_other_predictions_and_missing_files(inside: Run, done: Path) -> None:
    from chmr_bench.records.predictions import read, write

    file = done / "predictions.parquet"
    predictions = read(file)
    predictions.values[0, 0] = 1.0 - predictions.values[0, 0]
    write(file, predictions)
    checked = inside("verify")
    assert checked.returncode == 1
    assert "predictions.parquet is not the file on record" in checked.stdout
    assert inside("score").returncode == 1
    file.unlink()
    gone = inside("verify")
    assert gone.returncode == 1
    assert "unreadable" in gone.stdout
    assert inside("score").returncode == 1


def test_a_users_table_that_is_gone_is_counted_not_blamed(inside: Run, table: Path) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles")
    assert inside(*asked, "--tasks", "active").returncode == 0
    assert inside("verify").returncode == 0
    table.unlink()
    gone = inside("verify")
    assert gone.returncode == 0
    assert "1 cannot check: data not at hand" in gone.stdout
    table.write_text(rings(39))
    assert inside("verify").returncode == 1


def test_verify_of_nothing_is_a_usage_error(inside: Run) -> None:
    missing = inside("verify", "--out", "nowhere")
    assert missing.returncode == 2
    assert "--out DIR" in missing.stderr


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
    command: Any, tmp_path: Path
) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-small", "--seeds", "3")
    asked += ("--set", "seconds=1.0")
    process = command.start(*asked)
    started(process, "[1/3]")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "press Ctrl-C again to stop at once" in err
    assert "1 jobs done, 2 left" in err
    assert "Traceback" not in err
    records = tmp_path / "leaderboards" / "records"
    assert len(list(records.glob("*/*/*/result.json"))) == 1
    assert list((records / ".tmp").iterdir()) == []
    again = command(*asked)
    assert again.returncode == 0
    assert "2 jobs new, 1 cached" in again.stdout


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
    assert not list((tmp_path / "leaderboards" / "records").glob("*/*/*"))


# ------------------------------------------------------------------------------- two runs at once


def test_two_runs_into_one_folder_share_the_work(command: Any, tmp_path: Path) -> None:
    asked = ("run", "-m", "quick.noise", "--suite", "quick", "--seeds", "3", "--json")
    asked += ("--set", "seconds=0.3")
    both = [command.start(*asked) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    tables = [json.loads(out) for out, _ in results]
    assert tables[0]["results"] == tables[1]["results"]
    assert tables[0]["n_computed"] + tables[1]["n_computed"] == 6
    records = tmp_path / "leaderboards" / "records"
    assert len(list(records.glob("*/*/*/result.json"))) == 6
    assert command("verify").returncode == 0
