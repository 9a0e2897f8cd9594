"""``audit`` as a user meets it: known leaks of the real data, files, and mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import connectivity_hash
from tests.integration.conftest import Run

PNG = b"\x89PNG\r\n"


@pytest.fixture
def audited(inside: Run, mirror: Path, known_features: Path) -> Callable[..., dict[str, Any]]:
    """Audit real data in this process; the content of ``--json``."""

    def run(*arguments: str) -> dict[str, Any]:
        done = inside(
            "audit", "--json", "--quiet", "--jobs", "1", "--mirror", str(mirror), *arguments
        )
        assert done.returncode == 0, done.stderr
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    return run


@pytest.mark.slow
def test_the_known_leaks_of_the_reference_splits(audited: Callable[..., dict[str, Any]]) -> None:
    found = audited("-d", "broad6k", "-d", "chembl2k")
    broad, chembl = found["datasets"]
    assert broad["levels"]["connectivity"] == {
        "test_rows": 1642,
        "leaked_rows": 643,
        "share": 643 / 1642,
    }
    assert round(broad["levels"]["connectivity"]["share"], 3) == 0.392
    assert round(broad["levels"]["scaffold"]["share"], 3) == 0.413
    assert broad["levels"]["smiles"]["leaked_rows"] == 0
    assert broad["levels_with_valid"]["connectivity"]["leaked_rows"] > 643
    assert sum(broad["similarity"]["counts"]) == 1642
    assert chembl["levels"]["connectivity"]["leaked_rows"] == 0
    pairs = {(o["test_of"], o["train_of"]): o["shared_rows"] for o in found["across"]}
    assert pairs["broad6k", "broad6k"] == 643
    assert len(pairs) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["broad6k", "bace"])
def test_a_strict_split_leaks_nothing(audited: Callable[..., dict[str, Any]], name: str) -> None:
    (found,) = audited("-d", name, "--split", "strict", "--split-seed", "1")["datasets"]
    assert found["split"]["name"] == "strict"
    assert found["split"]["seed"] == 1
    for levels in (found["levels"], found["levels_with_valid"]):
        assert levels["connectivity"]["leaked_rows"] == levels["scaffold"]["leaked_rows"] == 0
    assert found["straddling"]["connectivity"]["straddling_groups"] == 0


def test_a_table_with_files_beside_it(inside: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    arguments = ("audit", "-d", str(table), "--smiles", "smiles", "--tasks", "active,pIC50")
    done = inside(*arguments, "--task-type", "regression", "--jobs", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    for title in ("Test rows shared with training", "Similarity of test rows", "Labels"):
        assert title in done.stdout
    assert "mine: connectivity" in done.stderr
    assert "whose molecule is in training rows" not in done.stdout  # of one dataset alone
    assert (out / "similarity.png").read_bytes().startswith(PNG)
    assert json.loads((out / "audit.json").read_text())["datasets"][0]["name"] == "mine"
    page = (out / "audit.md").read_text()
    assert "similarity.png" in page
    assert "labels by task" in page


def test_weights_that_saw_test_molecules(inside: Run, table: Path, tmp_path: Path) -> None:
    from chmr_bench.features.cache import connectivity_keys

    smiles = [line.split(",")[0] for line in table.read_text().splitlines()[1:]]
    keys = connectivity_keys(smiles, n_jobs=1)
    np.save(tmp_path / "seen.npy", np.sort(connectivity_hash(keys)))
    (tmp_path / "weights.safetensors").write_bytes(b"")
    arguments = ("-d", str(table), "--smiles", "smiles", "--tasks", "active", "--jobs", "1")
    named = ("--weights", str(tmp_path / "weights.safetensors"))
    (found,) = json.loads(inside("audit", *arguments, *named, "--json").stdout)["pretraining"]
    assert found["seen_rows"] == found["test_rows"] > 0
    assert found["learnt_from"] == 40


@pytest.mark.parametrize(
    ("split", "told"),
    [((), True), (("--split", "random"), False)],
)
def test_a_seed_that_changes_nothing_is_told(
    inside: Run, split: tuple[str, ...], told: bool
) -> None:
    done = inside("audit", "-d", "quick-small", "--split-seed", "3", "--jobs", "1", *split)
    assert done.returncode == 0, done.stderr
    assert ("--split-seed 3 changes nothing" in done.stderr) == told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name data"),
        (("-d", "quick-small", "--split", "strikt"), 2, "did you mean 'strict'"),
        (("-d", "quick-smal"), 2, "did you mean 'quick-small'"),
        (("-d", "mine.csv"), 2, "needs --smiles"),
        (("-d", "hiv", "--offline", "--split", "cv5x5", "--split-seed", "25"), 2, "0 to 24"),
        (("-d", "quick-small", "--split-seed", "-1"), 2, "seeds go from 0"),
        (("-d", "quick-small", "--weights", "nothing"), 2, "no such file"),
        (("-d", "quick-small", "--out", "mine.csv", "--jobs", "1"), 2, "cannot write to"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    inside: Run, table: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = inside("audit", *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
