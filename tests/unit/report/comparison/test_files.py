"""What is printed and written, and that it says the same."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.errors import MissingDependencyError, UsageError
from chmr_bench.report.comparison import Comparison, as_dict, grids, write
from chmr_bench.report.comparison.figures import draw_gains, draw_ranks

Compared = Callable[..., Comparison]


@pytest.fixture
def three(results: Any, compared: Compared) -> Comparison:
    rng = np.random.default_rng(2)
    for dataset in ("bace", "bbbp", "hiv", "biogen3k"):
        metric = "mae" if dataset == "biogen3k" else "roc_auc"
        for seed in range(3):
            results.add(
                "base", dataset, 0.7 + float(rng.normal(0, 0.003)), seed=seed, metric=metric
            )
            results.add(
                "good", dataset, 0.8 + float(rng.normal(0, 0.003)), seed=seed, metric=metric
            )
    results.add("none", "bace", 0.7, seed=None)
    results.add("base", "sider", seed=0, error="boom")
    return compared("base", "good", "none")


def test_the_table_says_what_was_found(three: Comparison) -> None:
    good, none, overall = grids(three)
    rows = {row[0]: row for row in good.rows}
    assert rows["bace"][1] == "better"
    assert rows["biogen3k (MAE ↓)"][1] == "worse"
    assert rows["sider"][1] == "missing: base and good"
    assert rows["bace"][4] == f"{100 * three.datasets[2].gains['good'].difference.mean:+.1f}"
    assert rows["bace"][-1] == "3 runs"
    assert "Of 4 datasets compared: 3 better, 1 worse, 0 no difference shown." in good.notes
    assert "sider: 1 failed run of base, in no score." in good.notes
    assert [row[1] for row in none.rows].count("missing: none") == 3
    assert overall.rows[0][1] == "-"
    assert "fewer than two datasets" in overall.notes[0]


def test_a_verdict_on_one_seed_says_so(results: Any, compared: Compared) -> None:
    results.add("a", "bace", 0.7)
    results.add("b", "bace", 0.8)
    first, _ = grids(compared("a", "b"))
    assert first.rows[0][1] == "better (one seed)"
    assert first.rows[0][-1] == "1 run"
    assert "bace: one seed: how much another seed would move it is not in the interval." in (
        first.notes
    )


def test_one_way_to_read_it_in_every_file(three: Comparison, tmp_path: Path) -> None:
    written = write(three, tmp_path / "new" / "folder")
    assert [p.name for p in written] == [
        "comparison.md",
        "comparison.csv",
        "comparison.json",
        "gains.png",
    ]
    folder = written[0].parent
    told = json.loads((folder / "comparison.json").read_text())
    rows = list(csv.DictReader((folder / "comparison.csv").read_text().splitlines()))
    assert len(rows) == 10
    found = {
        (d["dataset"], g["model"]): (g["verdict"], g["difference"])
        for d in told["datasets"]
        for g in d["gains"]
    }
    for row in rows:
        verdict, difference = found[row["dataset"], row["model"]]
        assert row["verdict"] == verdict
        assert row["gain"] == ("" if difference is None else str(difference["mean"]))
    page = (folder / "comparison.md").read_text()
    assert page.startswith("# base compared with good, none")
    assert "![gains](gains.png)" in page
    assert "ranks.png" not in page
    json.dumps(as_dict(three), allow_nan=False)


def test_pictures_are_drawn_where_there_is_something_to_show(
    results: Any, compared: Compared, tmp_path: Path
) -> None:
    for dataset, b in (("bace", 0.8), ("hiv", 0.6)):
        results.add("a", dataset, 0.7, seed=None)
        results.add("b", dataset, b, seed=None)
    found = compared("a", "b")
    for draw in (draw_gains, draw_ranks):
        assert draw(found)[:4] == b"\x89PNG"
    one = compared("a", "b", datasets=("bace",))
    assert not draw_ranks(one)
    none = dataclasses.replace(found, datasets=())
    assert not draw_gains(none)


def test_the_picture_of_ranks_does_not_hang_on_the_order_of_a_set(
    results: Any, compared: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scikit_posthocs

    for dataset in ("bace", "hiv"):
        for i, model in enumerate("abc"):
            results.add(model, dataset, 0.7 + i / 100, seed=None)
    found = compared(*"abc")
    real = scikit_posthocs.critical_difference_diagram

    def drawn(order: list[int]) -> bytes:
        def in_order(*given: Any, **more: Any) -> Any:
            made = real(*given, **more)
            (bar,) = (bar for lines in made["crossbars"] for bar in lines)
            bar.set_xdata([sorted(bar.get_xdata())[i] for i in order])
            return made

        monkeypatch.setattr(scikit_posthocs, "critical_difference_diagram", in_order)
        return draw_ranks(found)

    assert drawn([0, 1, 2]) == drawn([1, 0, 2]) == drawn([2, 0, 1])


@pytest.mark.slow
def test_what_stands_in_the_way_is_named(
    three: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*file"):
        write(three, tmp_path / "file")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        write(three, tmp_path)


@pytest.mark.slow
def test_the_folds_have_a_table_of_their_own(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    rng = np.random.default_rng(1)
    for model in ("a", "b", "c"):
        splits(model, "bace", rng.normal(0.7, 0.02, 25), "cv5x5")
    first, second, pairs, overall = grids(compared("a", "b", "c", protocol="cv5x5"))
    assert [row[0] for row in pairs.rows] == ["a - b", "a - c", "b - c"]
    assert "F(2, 48)" in pairs.notes[0]
    assert first.rows[0][0] == "bace, cv5x5"
    assert second.rows[0][-1] == "25 folds"
    assert any("Tukey" in note for note in overall.notes)


def test_scores_shown_differ_by_the_gain(results: Any, compared: Compared, splits: Any) -> None:
    splits("a", "bace", [0.70, 0.72, 0.74], "strict", seed=None)
    splits("b", "bace", [0.69, 0.70, 0.71, 0.99], "strict", seed=None)
    found = compared("a", "b")
    first, overall = grids(found)
    assert first.rows[0][2:5] == ("72.0", "70.0", "-2.0")
    assert any(note.startswith("Where two models have several splits") for note in overall.notes)
    assert not any("bootstrap" in note or "Tukey" in note for note in overall.notes)
    assert any("not for the models named" in note for note in overall.notes)
    gain = as_dict(found)["datasets"][0]["gains"][0]
    assert gain["score"] - gain["baseline_score"] == pytest.approx(gain["difference"]["mean"])


def test_the_unit_of_the_signed_rank_test_is_said(results: Any, compared: Compared) -> None:
    for dataset in ("bace", "hiv"):
        results.add("a", dataset, 0.7)
        results.add("b", dataset, 0.8)
    notes = grids(compared("a", "b"))[-1].notes
    assert any("each gain in units of its own standard error" in note for note in notes)


def test_one_pretraining_is_said(results: Any, compared: Compared) -> None:
    for dataset in ("bace", "hiv"):
        for seed in (0, 1):
            weights = ("aa" if dataset == "bace" else f"{seed}a") * 32
            each = {"model__params": {"pretrain_seed": "run"}, "model__weights": weights}
            results.add("a", dataset, 0.7, seed=seed, **each)
            results.add("b", dataset, 0.8, seed=seed, model__weights="bb" * 32)
    found = compared("a", "b")
    notes = grids(found)[0].notes
    end = "begin with one pretraining{}, so that the intervals leave out what another would move."
    assert f"a and b: all runs on bace {end.format(' each')}" in notes
    assert f"b: all runs on hiv {end.format('')}" in notes
    told = [d["gains"][0]["one_pretraining"] for d in as_dict(found)["datasets"]]
    assert told == [["a", "b"], ["b"]]
    assert any(
        "all runs begin with one pretraining each" in n
        for n in grids(compared("a", "b", datasets=("bace",)))[0].notes
    )


def test_rows_on_record_are_offered_for_a_missing_model(results: Any, compared: Compared) -> None:
    for dataset in ("bace", "hiv"):
        results.add("a", dataset)
        results.add("b", dataset, model__overrides={"n": 5}, model__params={"n": 5})
        results.add("c", dataset)
    found = compared("a", "b", "c")
    first, second, _ = grids(found)
    assert first.rows[0][1] == "missing: b"
    assert "bace, hiv: missing b; on record: 'b [n=5]'." in first.notes
    assert not any("on record" in note for note in second.notes)
    assert as_dict(found)["datasets"][0]["on_record"] == {"b": ["b [n=5]"]}


def test_small_units_are_distinct(results: Any, compared: Compared) -> None:
    for model, score, half in (("a", 1.21e-6, 2e-8), ("b", 1.32e-6, 5e-8), ("c", 1.21e-6, 9e-8)):
        results.add(model, "mine", score, seed=None, metric="mae", half=half)
    for model in ("b", "c"):
        row = next(g for g in grids(compared("a", model)) if g.title.startswith(model)).rows[0]
        base, score, gain = map(float, row[2:5])
        low, high = map(float, row[5].split(" to "))
        assert score - base == pytest.approx(-gain, abs=1e-12)
        assert low < gain < high


@pytest.mark.parametrize(("half", "around"), [(0.0, "-"), (0.01, "-0.00004 to -0.00004")])
def test_a_gain_without_an_interval_or_with_a_narrow_one_can_be_read(
    results: Any, compared: Compared, half: float, around: str
) -> None:
    for model, score in (("a", 0.52), ("b", 0.52004)):
        results.add(model, "mine", score, seed=None, metric="mae", half=half)
    row = grids(compared("a", "b"))[0].rows[0]
    assert row[2:6] == ("0.52000", "0.52004", "-0.00004", around)
