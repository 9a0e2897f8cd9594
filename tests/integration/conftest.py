"""The command line in this process, and tables as users have them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def python_m(
    *command: str, home: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m COMMAND``, with one more folder to import from."""
    env = os.environ | {"CHMR_BENCH_HOME": str(home), "COLUMNS": "200"}
    if path is not None:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), env.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=env, check=False
    )


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Install the wheel of a folder of ``plugins`` into a folder, without the network; give it."""
    pytest.importorskip("hatchling")

    def installed(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        wheels, site = folder / "wheels", folder / "site"
        pip = ("pip", "--disable-pip-version-check", "--no-input")
        build = ("wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels))
        built = python_m(*pip, *build, str(PLUGINS / name), home=folder)
        assert built.returncode == 0, built.stderr
        (wheel,) = wheels.glob("*.whl")
        got = python_m(*pip, "install", "--no-deps", "--target", str(site), str(wheel), home=folder)
        assert got.returncode == 0, got.stderr
        return site

    return installed


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


@pytest.fixture
def runs_of(
    inside: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    """Have the runs of some commands in ``leaderboards``: made once a session, then copied."""

    def have(*commands: tuple[str, ...]) -> None:
        words = hashlib.sha256(repr(commands).encode()).hexdigest()
        kept = tmp_path_factory.getbasetemp() / "runs" / words
        if not kept.exists():
            for command in commands:
                assert inside(*command).returncode in (0, 1)  # 1: a model that is meant to fail
            shutil.copytree(tmp_path / "leaderboards", kept)
            return
        shutil.copytree(kept, tmp_path / "leaderboards")

    return have
