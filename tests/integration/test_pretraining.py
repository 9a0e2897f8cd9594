"""kill -9 in the middle of pretraining, then again: the weights of an undisturbed pretraining."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "fixtures" / "tiny" / "tiny_atlas.py"
EPOCHS = 3


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "CHMR_BENCH_HOME": str(folder.parent / "home")}
    arguments = [str(SCRIPT), str(folder), str(EPOCHS), str(seconds)]
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


def finish(folder: Path) -> tuple[bytes, dict[str, object], list[list[str]]]:
    """Pretrain to the end; return the weights, the card and the table of losses."""
    process = start(folder, 0)
    process.communicate(timeout=120)
    assert process.returncode == 0
    (made,) = folder.glob("*/weights.safetensors")
    card = json.loads((made.parent / "card.json").read_text())
    with (made.parent / "losses.csv").open() as file:
        return made.read_bytes(), card, list(csv.reader(file))


def kill_after(folder: Path, steps: int) -> None:
    process = start(folder, 0.2)
    assert process.stdout is not None
    for _ in range(steps):
        assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=20)
    assert not list(folder.glob("*/weights.safetensors"))
    assert list(folder.glob("*/checkpoint/checkpoint.safetensors"))


@pytest.mark.slow
def test_killed_and_taken_up_again(tmp_path: Path) -> None:
    weights, card, losses = finish(tmp_path / "quiet")
    for steps in (3, 4):  # within the first epoch, then within the second
        kill_after(tmp_path / "killed", steps)
    weights_again, card_again, losses_again = finish(tmp_path / "killed")
    assert weights_again == weights
    assert losses_again == losses
    assert len(losses) == 1 + EPOCHS
    made, made_again = card.pop("made"), card_again.pop("made")
    assert card_again == card
    assert (made["sittings"], made_again["sittings"]) == (1, 3)  # type: ignore[index]
    assert not list((tmp_path / "killed").glob("*/checkpoint"))
