"""``pretrain``, ``explain`` and runs from pretrained weights, as a user meets them."""

from __future__ import annotations

import dataclasses
import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from tests.integration.conftest import Run

# 'quick-made-atlas' is simulated: only simulated test molecules are left out, no file is needed.
ATLAS = ("--set", 'atlas=["quick-made-atlas"]')
ASKED = ("run", "-m", "quick.started", "-d", "quick-small", *ATLAS)


@pytest.mark.slow
def test_pretrain_then_run_with_what_it_says(inside: Run, home: Path) -> None:
    asked = ("pretrain", "quick.started", "--atlas", "quick-made-atlas", "--epochs", "2")
    first = inside(*asked, "--seed", "4")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0].startswith("pretrained: ")
    path = Path(lines[0].partition(": ")[2])
    assert path.is_relative_to(home / "weights")
    assert str(path.parent / "card.json") in first.stdout
    assert "average quick-made-atlas (seed 4)" in first.stderr
    assert "quick.started: pretraining: averaging" in first.stderr
    second = inside(*asked, "--seed", "4")
    assert second.stdout == first.stdout.replace("pretrained", "already there", 1)
    words = shlex.split(lines[-1].partition(": ")[2])
    assert words[:2] == ["chmr-bench", "run"]
    words[words.index("--suite") : words.index("--suite") + 2] = ["-d", "quick-small"]
    plan = json.loads(inside(*words[1:], "--plan", "--json").stdout)
    assert plan["pretraining"] == []


def test_pretrain_for_a_dataset_is_what_its_run_starts_from(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe may have settings of its own for a dataset."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[settings]\natlas = ["quick-made-atlas"]\n[dataset.quick-small]\nepochs = 9\n'
    )
    known = registry().models
    entry = known["quick.started"]
    spec = dataclasses.replace(entry.spec, recipe=str(recipe))
    monkeypatch.setitem(known, "quick.started", dataclasses.replace(entry, spec=spec))
    done = inside("pretrain", "quick.started", "-d", "quick-small")
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout.splitlines()[-1].partition(": ")[2])
    assert words[-2:] == ["--dataset", "quick-small"]
    assert json.loads(inside(*words[1:], "--plan", "--json").stdout)["pretraining"] == []
    other = inside("run", "-m", "quick.started", "-d", "quick-data", "--plan", "--json")
    assert json.loads(other.stdout)["pretraining"] != []
    assert json.loads(other.stdout)["pretraining_seconds"] == [None]  # its model says nothing
    assert inside("pretrain", "quick.started", "-d", "quick-smal").returncode == 2


def test_the_plan_says_that_pretraining_comes_first(inside: Run) -> None:
    done = inside(*ASKED, "--plan")
    assert "first, for the weights: average quick-made-atlas (seed 0)" in done.stdout
    (job,) = json.loads(inside(*ASKED, "--plan", "--json").stdout)["jobs"]
    assert job["pretraining"] == "average quick-made-atlas (seed 0)"
    assert job["identity"] is None
    ran = inside(*ASKED)
    assert ran.returncode == 0, ran.stderr
    assert "[1/1] pretraining: averaging" in ran.stderr
    told = "quick.started: pretrained on quick-made-atlas (SYNTHETIC), 30 molecules; 10 left out"
    assert told in ran.stdout
    assert "saw" not in ran.stdout.partition(told)[2]
    (job,) = json.loads(inside(*ASKED, "--plan", "--json").stdout)["jobs"]
    assert (job["state"], job["pretraining"]) == ("cached", None)
    assert job["identity"]


@pytest.mark.slow
def test_a_pretraining_that_fails_says_so(inside: Run) -> None:
    run = inside(*ASKED, "--set", "trouble=raise", "-q")
    assert run.returncode == 1
    assert "FAILED in weights: RuntimeError: the average does not converge" in run.stderr
    alone = inside("pretrain", "quick.started", *ATLAS, "--set", "trouble=raise")
    assert alone.returncode == 4
    assert "pretraining quick.started failed: RuntimeError" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quick.noise",), "nothing to pretrain"),
        (("quick.startd",), "did you mean 'quick.started'"),
        (("quick.started", "--atlas", "quick-atlass"), "did you mean 'quick-atlas'"),
        (
            ("quick.started", "--epochs", "2", "--set", "epochs=3"),
            "given twice: by --set, and by --epochs",
        ),
        (
            ("quick.started", "--set", "quick.taught:epochs=3"),
            "'quick.taught' is not among the models of this run: quick.started",
        ),
        (("quick.started", "--set", "epoch=3"), "did you mean 'epochs'"),
        (("quick.started", "--precision", "bfloat16"), "works in float32 only"),
    ],
)
def test_mistakes_are_the_users(inside: Run, arguments: tuple[str, ...], message: str) -> None:
    done = inside("pretrain", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_setting_aimed_at_the_model_wins(inside: Run) -> None:
    """As in a run."""
    aimed = ("--set", "quick.started:plain=true", "--set", "plain=false")
    done = inside("pretrain", "quick.started", *aimed)
    assert done.returncode == 0, done.stderr
    assert "starts from no weights" in done.stderr


def test_settings_without_weights_are_no_error(inside: Run) -> None:
    done = inside("pretrain", "quick.started", "--set", "plain=true")
    assert done.returncode == 0
    assert "starts from no weights" in done.stderr


def test_ctrl_c_ends_pretrain(inside: Run, home: Path) -> None:
    done = inside("pretrain", "quick.started", *ATLAS, "--set", "trouble=ctrl-c")
    assert done.returncode == 130
    assert "interrupted; the same command goes on" in done.stderr
    assert list(home.rglob("weights.npy")) == []


@pytest.mark.slow
def test_explain_writes_what_the_model_shows(inside: Run, tmp_path: Path) -> None:
    asked = ("explain", "quick.started", "-d", "quick-small", *ATLAS, "--out", "shown")
    done = inside(*asked)
    assert done.returncode == 0, done.stderr
    file = Path("shown") / "quick.started" / "quick-small" / "codes.csv"
    assert done.stdout.splitlines() == [str(file)]
    lines = (tmp_path / file).read_text().splitlines()
    assert len(lines) == 31
    assert all(line.split(",")[1] for line in lines)  # every molecule comes with its key
    assert "quick.started on quick-small seed 0: explanation" in done.stderr
    nothing = inside("explain", "quick.noise", "-d", "quick-small")
    assert nothing.returncode == 2
    assert "has nothing to explain; these models have: " in nothing.stderr
    assert "quick.started" in nothing.stderr
    reduced = inside(*asked, "--precision", "bfloat16")
    assert reduced.returncode == 2
    assert "works in float32 only" in reduced.stderr
    plain = inside(*asked, "--set", "plain=true")
    assert plain.returncode == 2


@pytest.mark.slow
def test_killed_while_pretraining_and_resumed(command: Any) -> None:
    asked = (*ASKED, "--set", "trouble=kill", "-q")
    dead = command(*asked)
    assert dead.returncode == -signal.SIGKILL
    store = RecordStore(command.folder / "leaderboards")
    assert (store.records(), store.problems()) == ([], [])
    done = command(*asked)
    assert done.returncode == 0, done.stderr
    assert [r.status for r in store.records()] == ["ok"]
    assert command("verify").returncode == 0
