"""What every test may use: a cache folder of its own, and the real data where they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of a shell's background job, which the programs that tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
THIS_TREE = [str(REPOSITORY / folder) for folder in (".", "plugins", "baselines")]
"""Tested is this tree, whichever is installed."""
QUICK_PLUGIN = REPOSITORY / "tests" / "fixtures" / "quick"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CHMR_BENCH_HOME", str(folder))
    return folder


def find_mirror() -> Path | None:
    """Return the folder of the real data, or None."""
    named = os.environ.get("CHMR_BENCH_MIRROR", "")
    candidates = [Path(named)] if named and "://" not in named else []
    candidates.append(REPOSITORY.parent / "shared" / "data")
    return next((c for c in candidates if (c / "SOURCES.csv").is_file()), None)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of the real data; the test is skipped where there is none."""
    folder = find_mirror()
    if folder is None:
        pytest.skip("the real data are not here: set CHMR_BENCH_MIRROR to a mirror folder")
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Path]:
    """Register the plugin of quick and of misbehaving models; its folder, for a PYTHONPATH."""
    from chmr_bench.plugins import registry

    monkeypatch.syspath_prepend(str(QUICK_PLUGIN))
    registry.cache_clear()
    yield QUICK_PLUGIN
    registry.cache_clear()


class Command:
    """``chmr-bench`` in processes of their own, with the quick plugin, in one working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if k != "CHMR_BENCH_MIRROR"},
            "PYTHONPATH": os.pathsep.join([str(QUICK_PLUGIN), *THIS_TREE]),
            "CHMR_BENCH_HOME": str(folder / "home"),
            "COLUMNS": "160",
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "chmr_bench", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command line as a user does, in an empty folder."""
    return Command(tmp_path)
