"""Nothing that standard output or error can do ends a command in a traceback or loses a result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell redirections")

PROGRAM = f"{sys.executable} -m chmr_bench"
RUN = f"{PROGRAM} run -m mean -d mine.csv --smiles smiles --tasks pIC50 --out out"
FULL = Path("/dev/full")
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(table: Path) -> Shell:
    """Run a line of bash beside a user's table."""

    def run(line: str, **env: str) -> subprocess.CompletedProcess[str]:
        home = {"CHMR_BENCH_HOME": str(table.parent / "home"), "PYTHONUTF8": "0"}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            capture_output=True,
            text=True,
            errors="replace",
            cwd=table.parent,
            env=os.environ | home | env,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def n_records(folder: Path) -> int:
    return len(list(folder.rglob("*.parquet")))


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param(">&-", marks=pytest.mark.slow),
        pytest.param("2>&-", marks=pytest.mark.slow),
        ">&- 2>&- <&-",
    ],
)
def test_a_closed_stream_goes_nowhere(shell: Shell, tmp_path: Path, closed: str) -> None:
    assert shell(f"{RUN} {closed}").returncode == 0
    assert n_records(tmp_path / "out") == 1


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_full_standard_output_is_said_in_one_line(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{RUN} >/dev/full")
    assert done.returncode == 74
    assert done.stderr.splitlines()[-1].startswith("error: standard output: No space left")
    assert n_records(tmp_path / "out") == 1


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_full_standard_error_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{RUN} 2>/dev/full")
    assert (done.returncode, n_records(tmp_path / "out")) == (0, 1)
    assert "0 failed before" in done.stdout


@pytest.mark.slow
def test_a_run_goes_on_when_its_reader_leaves(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{RUN} | head -c 1")
    assert (done.returncode, done.stdout) == (0, "P")
    assert n_records(tmp_path / "out") == 1
    assert (tmp_path / "out" / "README.md").is_file()
    assert "error" not in done.stderr


@pytest.mark.slow
def test_what_an_encoding_lacks_is_replaced(shell: Shell) -> None:
    shell(f"{RUN} -q")
    line = f"{PROGRAM} leaderboard show --out out --dataset mine"
    for encoding, head in {"ascii": "MAE v", "cp1252": "MAE v", "utf-8": "MAE ↓"}.items():
        done = shell(line, PYTHONIOENCODING=encoding)
        assert (done.returncode, head in done.stdout) == (0, True)


def test_a_task_name_that_cannot_be_shown_keeps_its_letters(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(file.read_text().replace("pIC50", "pIC₅₀"), encoding="utf-8")
    done = shell(f"{RUN.replace('pIC50', 'wrong')}", PYTHONIOENCODING="ascii")
    assert done.returncode == 3
    assert "pIC\\u2085\\u2080" in done.stderr


@pytest.mark.parametrize("columns", ["0", "1", "wide"])
def test_an_odd_width_hides_nothing(shell: Shell, columns: str) -> None:
    done = shell(f"{PROGRAM} list models", COLUMNS=columns)
    assert done.returncode == 0
    assert "fingerprint.forest" in done.stdout


@pytest.mark.slow
def test_a_narrow_terminal_breaks_no_number(shell: Shell) -> None:
    wide = shell(f"{RUN} -q", COLUMNS="200").stdout
    narrow = shell(f"{RUN} -q", COLUMNS="60").stdout
    assert max(map(len, narrow.splitlines())) <= 60
    assert set(wide.split()) == set(narrow.split())


@pytest.mark.slow
def test_a_disk_that_fills_is_said_in_one_line(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"ulimit -f 1; {RUN}")
    assert done.returncode not in (0, 70)
    assert "File too large" in done.stderr.splitlines()[-1]
    again = shell(RUN)
    assert (again.returncode, n_records(tmp_path / "out")) == (0, 1)


def test_a_locale_that_misreads_a_name_is_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.csv").write_bytes((tmp_path / "mine.csv").read_bytes())
    line = RUN.replace("mine", "caf\u00e9")
    done = shell(line, LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert "caf\\xe9.csv" in done.stderr
    assert "set LC_ALL=C.UTF-8" in done.stderr
