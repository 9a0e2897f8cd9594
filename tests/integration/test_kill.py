"""kill -9 at random moments, then resume: the same tables as an undisturbed run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.records import RecordStore
from tests.integration.conftest import Run

SECONDS = 0.15
ASKED = ("run", "-m", "quick.noise", "-m", "quick.mean", "-m", "quick.nan", "--suite", "quick")
ASKED += ("--set", f"seconds={SECONDS}", "--jobs", "1", "-q")
TIMES = {"timing.csv"}
SECONDS_FROM = b"Seconds to fit and predict"
"""Heading of the last section of provenance.md, whose figures no two runs share."""


def tables(out: Path) -> dict[str, bytes]:
    """Return every written table but those of seconds."""
    files = [p for p in out.rglob("*") if p.is_file() and "runs" not in p.parts]
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in files if p.name not in TIMES}
    before, heading, _ = found["provenance.md"].partition(SECONDS_FROM)
    assert heading
    return found | {"provenance.md": before}


def scores(out: Path) -> dict[str, Any]:
    """Return what the records say, without what no two runs share."""
    found = {}
    for record in RecordStore(out).records():
        content = record.model_dump(mode="json")
        for key in ("timing", "resources", "created", "command", "error", "seal"):
            content.pop(key)
        found[record.identity] = content
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
    assert list((killed / "runs" / ".tmp").iterdir()) == []
    assert command("verify", "--out", "killed").returncode == 0


@pytest.mark.slow
def test_killed_three_times_and_resumed(command: Any) -> None:
    check_resumes(command, seeds=3, kills=3, least=1)


@pytest.mark.slow
def test_killed_twenty_times_and_resumed(command: Any) -> None:
    check_resumes(command, seeds=25, kills=20, least=15)


DYING = """
import os, signal, sys
from chmr_bench.cli import main
import importlib
module, name = sys.argv[1].rsplit(".", 1)
module = importlib.import_module(f"chmr_bench.records.{module}")
setattr(module, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
main(sys.argv[2:])
"""


def die(command: Any, step: str, *arguments: str) -> None:
    """Run a command that is killed where it would take a step."""
    dead = subprocess.run(
        [sys.executable, "-c", DYING, step, *arguments],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("store.sealed", marks=pytest.mark.slow),
        pytest.param("loose.to_json", marks=pytest.mark.slow),
        pytest.param("arrays.write", marks=pytest.mark.slow),
        "loose.flush",
    ],
)
def test_killed_while_a_record_is_written(command: Any, inside: Run, step: str) -> None:
    one = ("run", "-m", "quick.noise", "-d", "quick-small", "-q", "--out", "out")
    die(command, step, *one)
    records = RecordStore(command.folder / "out")
    assert records.records() == records.problems() == []
    assert len(list(records.temporary.iterdir())) == (step != "store.sealed")
    assert inside(*one).returncode == 0
    assert len(records.records()) == 1
    assert list((records.folder / ".tmp").iterdir()) == []


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("packed.write", marks=pytest.mark.slow),
        pytest.param("packing._check", marks=pytest.mark.slow),
        pytest.param("packing.discard", marks=pytest.mark.slow),
    ],
)
def test_killed_while_runs_are_packed(command: Any, step: str) -> None:
    one = ("run", "-m", "quick.noise", "-d", "quick-small", "--seeds", "3", "-q", "--out", "out")
    die(command, step, *one)
    store = RecordStore(command.folder / "out")
    assert len(store.records()) == 3
    assert store.problems() == []
    assert not any(run.damage() for run in store.stored())
    assert command("records", "pack", "--out", "out").returncode == 0
    after = RecordStore(command.folder / "out")
    assert after.records() == store.records()
    assert {run.kind for run in after.stored()} == {"packed"}
    assert list(after.temporary.iterdir()) == []
    assert command("verify", "--out", "out").returncode == 0
