"""kill -9 at random moments, then resume: the same tables as an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.records import RecordStore

SECONDS = 0.15
ASKED = ("run", "-m", "quick.noise", "-m", "quick.mean", "-m", "quick.nan", "--suite", "quick")
ASKED += ("--set", f"seconds={SECONDS}", "--jobs", "1", "-q")
TIMES = {"timing.csv"}


def tables(out: Path) -> dict[str, bytes]:
    """Return every written table but the one of seconds."""
    files = [p for p in out.rglob("*") if p.is_file() and "records" not in p.parts]
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files if p.name not in TIMES}


def scores(out: Path) -> dict[str, Any]:
    """Return what the records say, without what no two runs share."""
    found = {}
    for file in sorted((out / "records").glob("*/*/*/result.json")):
        content = json.loads(file.read_text())
        for key in ("timing", "resources", "created", "command", "error"):
            content.pop(key)
        found[file.parent.relative_to(out).as_posix()] = content
    return found


def kill_at_random(command: Any, asked: tuple[str, ...], kills: int) -> int:
    """Start the run again and again, killing each; return how many were hit before their end."""
    draw = random.Random(kills)
    hit = 0
    for _ in range(kills):
        process = command.start(*asked, "--out", "killed")
        # most moments lie after the start of Python, some before
        time.sleep(draw.uniform(0.4, 1.8))
        hit += process.poll() is None
        process.kill()
        process.communicate(timeout=20)
        assert RecordStore(command.folder / "killed").problems() == []
    return hit


def check_resumes(command: Any, seeds: int, kills: int, least: int) -> None:
    asked = (*ASKED, "--seeds", str(seeds))
    undisturbed = command(*asked, "--out", "quiet")
    assert undisturbed.returncode == 1, undisturbed.stderr  # quick.nan fails, and is on record
    assert kill_at_random(command, asked, kills) >= least
    resumed = command(*asked, "--out", "killed")
    assert resumed.returncode == 1, resumed.stderr
    quiet, killed = command.folder / "quiet", command.folder / "killed"
    assert len(scores(quiet)) == 2 * (2 * seeds + 1)
    assert scores(killed) == scores(quiet)
    assert tables(killed) == tables(quiet)
    assert undisturbed.stdout == resumed.stdout
    assert list((killed / "records" / ".tmp").iterdir()) == []
    assert command("verify", "--out", "killed").returncode == 0


def test_killed_three_times_and_resumed(command: Any) -> None:
    check_resumes(command, seeds=3, kills=3, least=1)


@pytest.mark.slow
def test_killed_twenty_times_and_resumed(command: Any) -> None:
    check_resumes(command, seeds=25, kills=20, least=15)


DYING = """
import os, signal, sys
from chmr_bench.cli import main
from chmr_bench.records import store
setattr(store, sys.argv[1], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
main(sys.argv[2:])
"""


@pytest.mark.parametrize("step", ["_with_predictions", "to_json", "_flush"])
def test_killed_while_a_record_is_written(command: Any, step: str) -> None:
    one = ("run", "-m", "quick.noise", "-d", "quick-small", "-q", "--out", "out")
    dead = subprocess.run(
        [sys.executable, "-c", DYING, step, *one],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    records = RecordStore(command.folder / "out")
    assert records.records() == records.problems() == []
    assert len(list((records.folder / ".tmp").iterdir())) == 1
    assert command(*one).returncode == 0
    assert len(records.records()) == 1
    assert list((records.folder / ".tmp").iterdir()) == []
