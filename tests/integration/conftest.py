"""The command line in this process, and tables as users have them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rings() -> Callable[[int], str]:
    """Make a table of n rings, each a scaffold of its own: a class and a number."""

    def make(n: int) -> str:
        rows = [f"C1{'C' * (i + 2)}1,{i % 2},{i / 10}" for i in range(n)]
        return "\n".join(["smiles,active,pIC50", *rows, ""])

    return make


@pytest.fixture
def table(tmp_path: Path, rings: Callable[[int], str]) -> Path:
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
