"""What a user can get wrong: each has its exit code, and a message that says what to do."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from chmr_bench import UsageError, run
from chmr_bench.records import RecordStore
from tests.integration.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name a model: --model"),
        (("mean",), 2, "models are named by --model, data by"),
        (("-m", "quick.noise"), 2, "name data: --suite all"),
        (("-m", "quick.nois", "-d", "quick-data"), 2, "did you mean 'quick.noise'"),
        (("-m", "quick.noise", "-d", "quick-dat"), 2, "did you mean 'quick-data'"),
        (("-m", "quick.noise", "-d", "delaney"), 2, "did you mean 'molnet:delaney'"),
        (("-m", "quick.noise", "-d", "delany"), 2, "did you mean 'molnet:delaney'"),
        (("-m", "quick.noise", "-d", "https://example.org/a.csv"), 2, "this is an address"),
        (("-m", "quick.noise", "-d", "."), 2, "this is a folder; name a file (it holds no table)"),
        (("-m", "quick.noise", "-d", "no.csv"), 2, "no.csv: there is no such file"),
        (("-m", "quick.noise", "-d", "a.csv", "--censored", "dropp"), 2, "did you mean 'drop'"),
        (("-m", "quick.noise", "-d", "quick-data", "--id", "no"), 2, "describe --dataset FILE"),
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
        (
            ("-m", "quick.noise", "-d", "quick-data", "--seed", "1", "--seed", "99999999999"),
            2,
            "--seed 99999999999: seeds go from 0",
        ),
        (
            ("-m", "quick.noise", "-d", "quick-data", "--split", "random", "--split-seed", "-4"),
            2,
            "--split-seed -4: seeds go from 0",
        ),
        (
            ("-m", "quick.noise", "-d", "quick-data", "--split-seed", "99999999999"),
            2,
            "--split-seed 99999999999: seeds go from 0",
        ),
        (
            ("-m", "quick.noise", "-d", "quick-data", "--set", "scale=1", "--set", "scale=2"),
            2,
            "--set scale is given twice",
        ),
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


def test_a_machine_without_cuda_is_told_so_whatever_the_model(
    inside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chmr_bench.sweep.devices._has_cuda", lambda thorough: False)
    done = inside("run", "-m", "quick.noise", "-d", "quick-data", "--device", "cuda", "--plan")
    assert done.returncode == 2
    assert "PyTorch sees no CUDA device here" in done.stderr


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


def test_a_table_of_ones_own_stays_out_of_a_folder_for_others(
    inside: Run, table: Path, tmp_path: Path
) -> None:
    boards = tmp_path / "leaderboards" / "boards"
    boards.mkdir(parents=True)
    board = 'title = "Ours"\ndatasets = ["quick-small"]\nregression = []\n'
    (boards / "main.toml").write_text(board)
    asked = ("-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles", "--tasks", "active")
    for command in (("run",), ("run", "--plan")):
        done = inside(*command, *asked)
        assert done.returncode == 2
        assert "mine.csv" in done.stderr
        assert "--out DIR" in done.stderr
    with pytest.raises(UsageError, match=r"mine\.csv.*out"):
        run("quick.noise", "mine.csv", smiles="smiles", tasks="active", out="leaderboards")
    assert [path.name for path in boards.parent.rglob("*")] == ["boards", "main.toml"]
    assert inside("run", *asked, "--out", "mine").returncode == 0
    assert inside("run", "-m", "quick.noise", "-d", "quick-small").returncode == 0


def test_the_options_of_a_table_reach_its_reading_and_the_record(
    inside: Run, tmp_path: Path
) -> None:
    rows = "".join(f"m{i};C1{'C' * (i + 2)}1;{i},5;{i}\n" for i in range(40))
    text = "nö;smiles;a, b;z\n" + rows.replace(";3,5;", ";>3,5;")
    (tmp_path / "mine.csv").write_bytes(text.encode("latin-1"))
    asked = ["run", "-m", "quick.noise", "-d", "mine.csv", "--smiles", "smiles", "-q"]
    asked += ["--tasks", "a, b", "--tasks", "z", "--id", "nö"]
    assert "row 1: cannot be read as UTF-8" in inside(*asked).stderr
    asked += ["--encoding", "latin-1"]
    assert "row 5, column 'a, b': '>3,5', a value with a qualifier" in inside(*asked).stderr
    done = inside(*asked, "--censored", "bound")
    assert done.returncode == 0, done.stderr
    for note in ("read as semicolon-separated", "decimal comma", "1 value with a qualifier"):
        assert f"note: mine.csv: {note}" in done.stderr.replace("numbers have a ", "")
    (record,) = RecordStore(tmp_path / "leaderboards").records()
    origin = record.dataset.origin
    assert origin.tasks == ["a, b", "z"]
    assert (origin.encoding, origin.censored, origin.id) == ("latin-1", "bound", "nö")
    assert origin.sha256 == hashlib.sha256(text.encode("latin-1")).hexdigest()
    said = "Remark on quick.noise: 1 value with a qualifier is taken as the bound."
    assert said in (tmp_path / "leaderboards" / "README.md").read_text()
    assert inside("verify").returncode == 0


def test_an_output_folder_that_is_a_file(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    done = inside("run", "-m", "quick.noise", "-d", "quick-small", "--out", "taken/out")
    assert done.returncode == 2
    assert f"cannot write to {tmp_path / 'taken' / 'out'}" in done.stderr
    assert "--out DIR" in done.stderr


@pytest.mark.parametrize(
    ("place", "content", "code", "message"),
    [
        ("runs/loose/quick-small", "x", 2, "quick-small is a file"),
        ("runs/loose/quick-small/quick.noise", "x", 2, "quick.noise is a file"),
        ("tables", "x", 2, "tables is a file"),
        ("boards/main.toml", "title =", 3, "main.toml: cannot be read"),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_is_computed(
    inside: Run, tmp_path: Path, place: str, content: str, code: int, message: str
) -> None:
    file = tmp_path / "out" / place
    file.parent.mkdir(parents=True)
    file.write_text(content)
    done = inside("run", "-m", "quick.noise", "-d", "quick-small", "--out", "out")
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "[1/1]" not in done.stderr
    assert file.read_text() == content
    assert not list((tmp_path / "out").rglob("result.json"))


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
    assert f"cannot write to {folder}" in done.stderr
    assert "is read-only" in done.stderr
    assert "Plan" not in done.stdout
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_folder_with_garbage_is_named_and_harms_nobody(inside: Run, tmp_path: Path) -> None:
    asked = ("run", "-m", "quick.noise", "-d", "quick-small")
    assert inside(*asked).returncode == 0
    loose = tmp_path / "leaderboards" / "runs" / "loose"
    garbage = loose / "quick-small" / "quick.noise" / "garbage"
    garbage.mkdir(parents=True)
    (garbage / "result.json").write_text('{"schema_version": "1", "cut')
    done = inside(*asked)
    assert done.returncode == 0
    assert "not a record, left alone" in done.stderr
    checked = inside("verify")
    assert checked.returncode == 1
    assert "unreadable" in checked.stdout
    assert "garbage" in checked.stdout
    assert garbage.is_dir()
