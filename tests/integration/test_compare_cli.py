"""``compare`` as a user meets it: on real runs of fast models, with labels taken from the data."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from tests.integration.conftest import Run

MODELS = ("-m", "mean", "-m", "fingerprint.knn")


@pytest.fixture
def ran(inside: Run, runs_of: Callable[..., None]) -> Run:
    """Records of three models on the planted data; returns the command line."""
    runs_of(
        ("run", *MODELS, "-d", "planted", "-d", "planted-regression", "-j", "1", "-q"),
        ("run", "-m", "quick.noise", "-d", "planted", "--seeds", "3", "-j", "1", "-q"),
    )
    return inside


def compared(inside: Run, *arguments: str) -> dict[str, Any]:
    done = inside("compare", *arguments, "-j", "1", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_real_runs_from_records_to_files(ran: Run, tmp_path: Path) -> None:
    asked = ("compare", "mean", "fingerprint.knn", "quick.noise", "-j", "1", "--to", "here")
    done = ran(*asked)
    assert done.returncode == 0, done.stderr
    assert "fingerprint.knn against mean" in done.stdout
    assert "planted-regression* (MAE ↓)" in done.stdout
    assert "missing: quick.noise" in done.stdout
    assert "simulated labels on real molecules" in done.stdout
    written = {path.name for path in (tmp_path / "here").iterdir()}
    assert written == {"comparison.md", "comparison.csv", "comparison.json", "gains.png"}
    rows = list(csv.DictReader((tmp_path / "here" / "comparison.csv").read_text().splitlines()))
    assert [(row["dataset"], row["model"], row["verdict"]) for row in rows] == [
        ("planted", "fingerprint.knn", "better"),
        ("planted", "quick.noise", "no difference shown"),
        ("planted-regression", "fingerprint.knn", "better"),
        ("planted-regression", "quick.noise", "not compared"),
    ]
    two = ran("compare", "mean", "fingerprint.knn", "-j", "1", "--to", "here")
    assert "it cannot reach 0.05 below 6 datasets" in " ".join(two.stdout.split())
    assert (tmp_path / "here" / "ranks.png").read_bytes()[:4] == b"\x89PNG"


def test_the_gain_is_what_copying_the_molecules_gives(ran: Run, tmp_path: Path) -> None:
    found = compared(ran, "mean", "fingerprint.knn", "-d", "planted-regression")
    (dataset,) = found["datasets"]
    gain = dataset["gains"][0]["difference"]
    scores = dataset["scores"]
    assert gain["mean"] == pytest.approx(scores["mean"] - scores["fingerprint.knn"])
    assert dataset["n_clusters"] <= dataset["n_test"] == 600
    spec = registry().dataset("planted-regression").spec
    y = open_dataset(spec, FetchOptions(offline=True)).y
    store = RecordStore(tmp_path / "leaderboards")
    predictions = {
        r.model.id: store.predictions(r)
        for r in store.records()
        if r.dataset.name == "planted-regression"
    }
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(200):
        rows = rng.integers(600, size=600)
        a, b = (
            macro(
                score_tasks("mae", spec.task_names, y[p.rows[rows]], np.nan_to_num(p.values[rows]))
            )
            for p in (predictions["mean"], predictions["fingerprint.knn"])
        )
        differences.append((a or 0.0) - (b or 0.0))
    assert gain["se_molecules"] == pytest.approx(np.std(differences), rel=0.25)
    assert (gain["n_pairs"], gain["se_seeds"]) == (1, 0)


def test_seeds_are_in_the_interval(ran: Run) -> None:
    found = compared(ran, "mean", "quick.noise", "-d", "planted")
    gain = found["datasets"][0]["gains"][0]["difference"]
    assert gain["n_pairs"] == 3
    assert gain["se_seeds"] > 0
    assert gain["low"] < gain["mean"] < gain["high"]


@pytest.mark.slow
def test_several_splits_are_the_unit(inside: Run) -> None:
    for seed in range(3):
        asked = ("--split", "random", "--split-seed", str(seed), "-j", "1", "-q")
        assert inside("run", *MODELS, "-d", "planted", *asked).returncode == 0
    done = inside("compare", "mean", "fingerprint.knn", "-j", "1")
    assert "planted*, random" in done.stdout
    assert "3 splits" in done.stdout
    assert "Nadeau and Bengio" in done.stdout
    more = ("--split", "random", "--split-seed", "3", "-j", "1", "-q")
    assert inside("run", "-m", "mean", "-d", "planted", *more).returncode == 0
    dataset = compared(inside, "mean", "fingerprint.knn")["datasets"][0]
    gain = dataset["gains"][0]
    assert dataset["n_runs"] == {"mean": 4, "fingerprint.knn": 3}
    assert gain["difference"]["n_pairs"] == 3
    assert gain["score"] - gain["baseline_score"] == pytest.approx(gain["difference"]["mean"])
    assert gain["notes"] == ["splits 3 of mean alone, not compared"]


@pytest.mark.slow
def test_a_row_is_named_by_its_label(inside: Run) -> None:
    for scale in ("0.5", "0.6"):
        asked = ("-d", "quick-small", "--set", f"scale={scale}", "-q")
        assert inside("run", "-m", "quick.noise", *asked).returncode == 0
    assert inside("run", "-m", "quick.mean", "-d", "quick-small", "-q").returncode == 0
    found = compared(inside, "quick.mean", "quick.noise [scale=0.5]")
    assert found["datasets"][0]["n_runs"] == {"quick.mean": 1, "quick.noise [scale=0.5]": 1}
    plain = inside("compare", "quick.mean", "quick.noise", "-j", "1")
    assert plain.returncode == 2
    assert "not 'quick.noise', but 'quick.noise [scale=0.5]' on reference" in plain.stderr
    three = inside("compare", "quick.mean", "quick.noise", "quick.noise [scale=0.5]", "-j", "1")
    assert three.returncode == 0
    told = " ".join(three.stdout.split())
    assert "missing: quick.noise" in told
    assert "on record: 'quick.noise [scale=0.5]', 'quick.noise [scale=0.6]'." in told


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("quick.mean",), 2, "name two models or more"),
        (("quick.mean", "quick.mean"), 2, "each once"),
        (("quick.mean", "quick.nose"), 2, "did you mean 'quick.noise'"),
        (("quick.mean", "quick.noise", "-d", "quick-smal"), 2, "did you mean 'quick-small'"),
        (("quick.mean", "quick.noise", "--suite", "nin"), 2, "no suite is called 'nin'"),
        (("quick.mean", "quick.noise", "--split", "foo"), 2, "no split is called 'foo'"),
        (("quick.mean", "quick.noise", "--split", "random"), 2, "on reference (quick-small)"),
        (("quick.mean", "quick.noise", "--protocol", "cv5x5"), 2, "on split cv5x5"),
        (("quick.mean", "quick.noise", "-d", "planted"), 2, "nothing to compare"),
        (("quick.mean", "quick.noise", "--protocol", "cv5"), 2, "did you mean 'cv5x5'"),
        (
            ("quick.mean", "quick.noise", "--protocol", "cv5x5", "--split", "random"),
            2,
            "not random",
        ),
        (("quick.mean", "quick.noise", "--out", "nowhere"), 2, "no such folder"),
        (("quick.mean", "quick.noise", "--to", "file"), 2, "cannot write to file"),
    ],
)
def test_a_user_mistake_is_told_without_a_traceback(
    inside: Run,
    runs_of: Callable[..., None],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    runs_of(("run", "-m", "quick.mean", "-m", "quick.noise", "-d", "quick-small", "-q"))
    (tmp_path / "file").write_text("")
    done = inside("compare", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_labels_of_another_content_are_refused(inside: Run, tmp_path: Path) -> None:
    inside("run", "-m", "quick.mean", "-m", "quick.noise", "-d", "quick-small", "-q")
    inside("records", "unpack")
    for file in (tmp_path / "leaderboards" / "runs").rglob("result.json"):
        content = json.loads(file.read_text())
        content["dataset"]["digest"] = "0" * 64
        file.write_text(json.dumps(content))
    done = inside("compare", "quick.mean", "quick.noise")
    assert done.returncode == 3
    assert "the labels are not those of the records" in done.stderr


def table_of(n: int, offset: float) -> str:
    """Return a user's table of n chains with a label of every molecule."""
    lines = [f"{'C' * (i + 1)}O,{offset + i * i % 17}" for i in range(n)]
    return "\n".join(["smiles,size", *lines]) + "\n"


def runs_on(
    inside: Run, tmp_path: Path, n: int, offset: float, *, code: int = 0
) -> list[dict[str, Any]]:
    """Run two models on a table; return their scores as they are on record."""
    (tmp_path / "mine.csv").write_text(table_of(n, offset))
    asked = ("--smiles", "smiles", "--tasks", "size", "--split", "random", "-j", "1", "-q")
    done = inside("run", *MODELS, "-d", "mine.csv", *asked)
    assert done.returncode == code, done.stderr
    records = RecordStore(tmp_path / "leaderboards").records()
    return [r.metrics.model_dump() for r in records if r.metrics is not None]


@pytest.mark.slow
def test_two_test_rows_make_no_interval_anywhere(inside: Run, tmp_path: Path) -> None:
    for metrics in runs_on(inside, tmp_path, 20, 0.0):
        assert metrics["n_effective"] <= 2
        scores = [metrics, *metrics["per_task"]]
        assert [(s["low"], s["high"]) for s in scores] == [(None, None)] * 2
    gain = compared(inside, "mean", "fingerprint.knn")["datasets"][0]["gains"][0]
    assert gain["verdict"] == "no interval"
    assert [gain["difference"][name] for name in ("low", "high", "p")] == [None] * 3
    assert "one or two test molecules" in gain["notes"][-1]


@pytest.mark.parametrize(
    "offset", [0.0, *(pytest.param(far, marks=pytest.mark.slow) for far in (1e6, 1e12))]
)
def test_a_small_score_lies_inside_its_own_interval(
    inside: Run, tmp_path: Path, offset: float
) -> None:
    for metrics in runs_on(inside, tmp_path, 60, offset):
        assert 2 < metrics["n_effective"] <= 6
        assert 0 < metrics["low"] < metrics["macro"] < metrics["high"]
    gain = compared(inside, "mean", "fingerprint.knn")["datasets"][0]["gains"][0]["difference"]
    assert gain["low"] <= gain["mean"] <= gain["high"]


def test_labels_that_float64_cannot_tell_apart_are_named(inside: Run, tmp_path: Path) -> None:
    for metrics in runs_on(inside, tmp_path, 60, 1e17, code=1):
        assert (metrics["macro"], metrics["low"]) == (None, None)
        assert "held in steps of 16; subtract what they share" in metrics["per_task"][0]["reason"]
