"""``audit --records``: planted twins, the scores without them, and ``verify`` on a changed file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from chmr_bench.contracts import Split
from chmr_bench.runner.clean_scores import clean_rows
from tests.integration.conftest import Run

if TYPE_CHECKING:
    from chmr_bench.audit import Subject


@pytest.fixture
def done(inside: Run, tmp_path: Path) -> Path:
    """A folder of records on a table in which every molecule stands twice."""
    rows = [f"C1{'C' * (i // 2 + 2)}1,{i % 3 % 2}" for i in range(120)]
    (tmp_path / "twice.csv").write_text("\n".join(["smiles,active", *rows, ""]))
    table = ("-d", "twice.csv", "--smiles", "smiles", "--tasks", "active")
    ran = inside("run", "-m", "quick.noise", *table, "--split", "random", "--jobs", "1")
    assert ran.returncode == 0, ran.stderr
    inside("run", "-m", "quick.noise", *table, "--split", "strict", "--jobs", "1")
    return tmp_path / "leaderboards"


def audits(folder: Path) -> dict[str, dict[str, Any]]:
    """Return split -> audit."""
    files = (folder / "audit").glob("*.json")
    return {one["split"]: one for p in files for one in json.loads(p.read_text())["audits"]}


def test_clean_scores_are_written_shown_and_verified(inside: Run, done: Path) -> None:
    made = inside("audit", "--records", "--jobs", "1")
    assert made.returncode == 0, made.stderr
    found = audits(done)
    random, strict = found["random"], found["strict"]
    assert strict["n_clean"] == strict["n_test"] == 12
    assert random["n_clean"] < 6  # a twin is in test with a chance of a tenth
    leaked = random["levels_with_valid"]["connectivity"]["leaked_rows"]
    assert leaked == random["n_test"] - random["n_clean"]
    inside("leaderboard", "build")
    assert "clean rows" in (done / "README.md").read_text()
    assert inside("leaderboard", "build", "--check").returncode == 0
    checked = inside("verify", "--jobs", "1")
    assert checked.returncode == 0, checked.stdout
    assert "audit/twice.json: random 0" in checked.stdout
    assert "4 ok" in checked.stdout
    inside("run", "-m", "quick.mean", "-d", "quick-small", "-q")
    theirs, others = (inside("verify", "-d", name).stdout for name in ("twice", "quick-small"))
    assert theirs == checked.stdout
    assert others.splitlines()[-1] == "1 ok"


def test_a_twin_in_any_form_is_not_clean() -> None:
    #             train, valid, test: the drug, the salt of what is in valid, another
    names = {"molecule": ["0", "1", "0", "1", "2"]}
    rows = [np.array(part) for part in ([0], [1], [2, 3, 4])]
    split = Split(train=rows[0], valid=rows[1], test=rows[2])
    found = clean_rows(cast("Subject", SimpleNamespace(names=names, split=split)))
    assert found.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(n_clean=11), "n_clean: 11 in the file"),
        pytest.param(
            lambda c: next(iter(c["scores"].values())).update(macro=0.123),
            "macro: 0.123",
            marks=pytest.mark.slow,
        ),
        (lambda c: c.update(split_digest="0" * 64), "no record is of these data and this split"),
        pytest.param(lambda c: c.update(more=1), "is no audit", marks=pytest.mark.slow),
    ],
)
def test_verify_sees_an_edit(
    inside: Run, done: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    inside("audit", "--records", "--jobs", "1")
    file = done / "audit" / "twice.json"
    content = json.loads(file.read_text())
    change(content["audits"][-1])
    file.write_text(json.dumps(content))
    checked = inside("verify", "--jobs", "1")
    assert checked.returncode == 1
    assert message in checked.stdout


def test_data_that_are_gone_are_told(inside: Run, done: Path, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").unlink()
    made = inside("audit", "--records", "--jobs", "1")
    assert made.returncode == 3  # a user's own file may be gone, but then nothing was audited
    assert "not audited: twice random (1 record)" in made.stderr
    assert not audits(done)


def test_mistakes(inside: Run, tmp_path: Path) -> None:
    assert "no such folder" in inside("audit", "--records").stderr
    mixed = inside("audit", "--records", "-d", "quick-small")
    assert mixed.returncode == 2
    assert "--records audits every record" in mixed.stderr
