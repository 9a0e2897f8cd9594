"""The Python door gives what the command line gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chmr_bench
from chmr_bench import DataError, UsageError, compare, evaluate, load_dataset, load_runs, run

COLUMNS: dict[str, Any] = {"smiles": "smiles", "tasks": ["pIC50"], "quiet": True}
DATA: dict[str, Any] = {"smiles": "smiles", "tasks": "pIC50"}


@pytest.fixture
def here(table: Path, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(table.parent)
    return table.parent


def test_the_front_door_stays_light() -> None:
    code = "import sys, chmr_bench; assert 'pandas' not in sys.modules; chmr_bench.run"
    code += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError):
        chmr_bench.runs  # noqa: B018


def test_a_run_gives_the_rows_of_its_table(here: Path) -> None:
    frame = run(["mean", "fingerprint.knn"], "mine.csv", out="out", split="random", **COLUMNS)
    assert list(frame["model"]) == ["mean", "fingerprint.knn"]
    assert (frame["n_runs"] == 1).all()
    assert (frame["low"] < frame["mean"]).all()
    assert (here / "out" / "README.md").is_file()
    page = frame[["model", "mean"]].to_markdown(index=False)  # tabulate comes with it
    assert page.splitlines()[1].startswith("|:")
    runs = load_runs("out")
    assert sorted(runs["score"]) == pytest.approx(sorted(frame["mean"]))


def test_an_option_that_there_is_not_offers_the_nearest(here: Path) -> None:
    with pytest.raises(UsageError, match="split_seeds"):
        run("mean", "mine.csv", split_seedz=3, **COLUMNS)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="'mean'"):
        run("meen", "mine.csv", **COLUMNS)


def test_predictions_made_anywhere_score_as_the_harness_scores_them(here: Path) -> None:
    ours = run("mean", "mine.csv", out="out", split="scaffold", **COLUMNS).iloc[0]
    data, parts = load_dataset("mine.csv", split="scaffold", **DATA)
    y_pred = np.full(len(parts.test), np.nanmean(data.y[parts.train]))
    scores = evaluate(y_pred, "mine.csv", split="scaffold", **DATA)
    assert list(scores["task"]) == ["mean of tasks", "pIC50"]
    assert scores["score"][0] == pytest.approx(ours["mean"], rel=1e-6)
    assert (scores["low"][0], scores["high"][0]) == pytest.approx((ours["low"], ours["high"]))
    everyone = np.full((len(data), 1), y_pred[0])
    pd.testing.assert_frame_equal(evaluate(everyone, "mine.csv", "scaffold", **DATA), scores)
    named = pd.DataFrame({"other": 0.0, "pIC50": y_pred})
    pd.testing.assert_frame_equal(evaluate(named, "mine.csv", "scaffold", **DATA), scores)


def test_predictions_that_do_not_fit_are_refused(here: Path) -> None:
    _, parts = load_dataset("mine.csv", **DATA)
    with pytest.raises(DataError, match="expected a column a task: pIC50"):
        evaluate(pd.DataFrame({"y": [0.0]}), "mine.csv", **DATA)
    with pytest.raises(DataError, match=r"shape \(3, 1\); expected"):
        evaluate([0.1, 0.2, 0.3], "mine.csv", **DATA)
    with pytest.raises(chmr_bench.ChmrBenchError, match="not finite"):
        evaluate([np.nan] * len(parts.test), "mine.csv", **DATA)


def test_a_comparison_is_a_frame(here: Path) -> None:
    run(["mean", "fingerprint.knn"], "mine.csv", out="out", **COLUMNS)
    frame = compare("mean", "fingerprint.knn", out="out")
    assert list(frame["model"]) == ["fingerprint.knn"]
    assert {"gain", "low", "high", "p", "p_holm", "verdict"} <= set(frame.columns)


def test_masked_modalities_give_the_change(here: Path) -> None:
    frame = chmr_bench.ablate(
        [0.5, 1], model="quick.reader", dataset="quick-cells", out="out", seeds=1, quiet=True
    )
    assert list(frame["rate"]) == [0, 0.5, 1]
    assert frame["change"].notna().all()
    assert frame["change"][0] == 0
