"""``ensemble`` as a user meets it: rows on record weighed, stored, verified, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chmr_bench import load_runs
from tests.integration.conftest import Run

ROWS = ("-m", "quick.noise", "-m", "quick.mean", "-d", "quick-data")


@pytest.fixture
def with_runs(inside: Run) -> Run:
    done = inside("run", *ROWS, "--seeds", "2", "--out", "runs", "-q")
    assert done.returncode == 0, done.stderr
    return inside


def test_it_says_what_it_is_made_of_and_is_verified(with_runs: Run, tmp_path: Path) -> None:
    done = with_runs("ensemble", "--out", "runs", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["ensembles"]
    assert (row["dataset"], row["split"], row["seeds"]) == ("quick-data", "reference", [0, 1])
    assert sum(row["weights"].values()) == pytest.approx(1)
    assert {*row["weights"]} <= {"quick.noise", "quick.mean"}
    identities = {*load_runs(tmp_path / "runs")["identity"]}
    for made_of in row["made_of"]:
        assert set(made_of.values()) <= identities
    assert set(row["runs"]) <= identities
    verified = with_runs("verify", "--out", "runs", "--all")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    page = (tmp_path / "runs" / "tables" / "quick-data.md").read_text()
    assert "| zoo.ensemble |" in page
    assert "weighted mean, by validation rows alone, of: " in page


@pytest.mark.slow
def test_twice_is_once(with_runs: Run) -> None:
    first, again = (json.loads(_done(with_runs)) for _ in range(2))
    assert first == again


def test_the_table_stands_beside_the_best_row(with_runs: Run) -> None:
    done = with_runs("ensemble", "--out", "runs", "-d", "quick-data")
    words = " ".join(done.stdout.split())
    assert "quick-data reference" in words
    assert "chosen by validation rows alone" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "quick.noise"), "needs runs of two rows"),
        pytest.param(("-m", "quick.nois"), "did you mean 'quick.noise'", marks=pytest.mark.slow),
        pytest.param(("-d", "bace"), "needs runs of two rows", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_is_said(with_runs: Run, arguments: tuple[str, ...], words: str) -> None:
    done = with_runs("ensemble", "--out", "runs", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


def _done(run: Run) -> str:
    return run("ensemble", "--out", "runs", "--json").stdout
