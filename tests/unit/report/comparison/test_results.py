"""Gains, verdicts and what is left out, on made-up records."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import UsageError
from chmr_bench.report.comparison import Comparison, as_dict, grids
from chmr_bench.report.comparison.figures import _title
from chmr_bench.statistics import corrected_resampled, holm, signed_rank_p

Compared = Callable[..., Comparison]


def test_above_zero_is_better_whatever_the_metric(results: Any, compared: Compared) -> None:
    for seed, shift in enumerate((0.0, 0.01, 0.02)):
        results.add("a", "bace", 0.70 + shift, seed=seed)
        results.add("b", "bace", 0.80 + shift, seed=seed)
        results.add("a", "biogen3k", 0.60 + shift, seed=seed, metric="mae")
        results.add("b", "biogen3k", 0.75 + shift, seed=seed, metric="mae")
    biogen, bace = compared("a", "b").datasets
    assert bace.gains["b"].difference.mean == pytest.approx(0.1)
    assert biogen.gains["b"].difference.mean == pytest.approx(-0.15)
    assert (bace.gains["b"].verdict, biogen.gains["b"].verdict) == ("better", "worse")
    assert biogen.scores["a"] == pytest.approx(0.61)


def test_nothing_is_better_whose_interval_covers_zero(results: Any, compared: Compared) -> None:
    for seed, (a, b) in enumerate([(0.70, 0.74), (0.72, 0.71), (0.71, 0.75)]):
        results.add("a", "bace", a, seed=seed)
        results.add("b", "bace", b, seed=seed)
    (bace,) = compared("a", "b").datasets
    gain = bace.gains["b"]
    assert gain.difference.low < 0 < gain.difference.mean
    assert gain.verdict == "no difference shown"


def test_the_correction_is_over_the_datasets_of_a_model(results: Any, compared: Compared) -> None:
    rng = np.random.default_rng(0)
    names = ("bace", "bbbp", "hiv", "sider", "clintox")
    for name in names:
        for seed in range(4):
            results.add("a", name, 0.7, seed=seed)
            results.add("b", name, 0.7 + float(rng.normal(0.015, 0.012)), seed=seed)
    found = compared("a", "b").datasets
    p = [d.gains["b"].difference.p for d in found]
    assert [d.gains["b"].p_holm for d in found] == pytest.approx(holm(p))
    alone = [d for d in found if d.gains["b"].difference.p < 0.05 < d.gains["b"].p_holm]
    assert alone
    assert {d.gains["b"].verdict for d in alone} == {"no difference shown"}


def test_seeds_of_one_model_alone_are_left_out_and_said(results: Any, compared: Compared) -> None:
    for seed in (0, 1, 10, 2):
        results.add("a", "bace", 0.7, seed=seed)
    for seed, score in ((0, 0.8), (1, 0.9), (7, 0.1)):
        results.add("b", "bace", score, seed=seed)
    gain = compared("a", "b").datasets[0].gains["b"]
    assert (gain.difference.mean, gain.difference.n_pairs) == (pytest.approx(0.15), 2)
    assert gain.notes == (
        "seeds 7 of b alone, not compared",
        "seeds 2, 10 of a alone, not compared",
    )


def test_no_common_seed_is_not_compared(results: Any, compared: Compared) -> None:
    results.add("a", "bace", seed=0)
    results.add("b", "bace", seed=1)
    results.add("c", "bace", seed=0)
    (bace,) = compared("a", "b", "c").datasets
    gain = bace.gains["b"]
    assert (gain.difference, gain.verdict) == (None, "not compared")
    assert (gain.baseline_score, gain.score) == (None, None)
    assert math.isnan(gain.p_holm)
    assert bace.shared_scores == {}


def test_a_model_without_seeds_meets_every_seed_and_one_seed_is_said(
    results: Any, compared: Compared
) -> None:
    results.add("mean", "bace", 0.5, seed=None)
    for seed in (0, 1):
        results.add("b", "bace", 0.7 + 0.1 * seed, seed=seed)
    results.add("c", "bace", 0.7, seed=0)
    gains = compared("mean", "b", "c").datasets[0].gains
    assert gains["b"].difference.n_pairs == 2
    assert gains["b"].notes == ()
    assert "one seed" in gains["c"].notes[0]


def test_several_splits_are_the_unit(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    a, b = [0.70, 0.72, 0.69, 0.75], [0.73, 0.76, 0.71, 0.80, 0.9]
    splits("a", "bace", a, "random")
    splits("a", "bace", [s + 0.02 for s in a], "random", seed=1)
    splits("b", "bace", b, "random")
    (bace,) = compared("a", "b").datasets
    gain = bace.gains["b"]
    d = np.array(b[:4]) - np.array(a)
    assert gain.difference.mean == pytest.approx(0.035)
    assert gain.score - gain.baseline_score == pytest.approx(0.035)
    assert gain.difference.p == pytest.approx(corrected_resampled(d, 32, 4).p)
    assert gain.notes == (
        "splits 4 of b alone, not compared",
        "seeds 1 of a alone on splits 0, 1, 2, 3, not compared",
    )
    assert (bace.n_splits, bace.n_test, bace.n_runs) == (5, None, {"a": 8, "b": 5})


def test_scores_and_ranks_are_of_what_is_compared(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    # On its own splits b is far better, on those of a it is worse; c has splits 2 and 3 of them.
    for dataset in ("bace", "hiv"):
        splits("a", dataset, [0.70, 0.72, 0.74, 0.76], "random")
        splits("b", dataset, [0.69, 0.70, 0.73, 0.75, 0.99, 0.99], "random")
        for seed in (2, 3):
            results.add("c", dataset, 0.80, seed=None, drawn=("random", seed))
    found = compared("a", "b", "c")
    bace, _ = found.datasets
    b, c = bace.gains["b"], bace.gains["c"]
    assert bace.scores["b"] > bace.scores["c"] > bace.scores["a"]
    assert (b.baseline_score, b.score) == pytest.approx((0.73, 0.7175))
    assert (c.baseline_score, c.score) == pytest.approx((0.75, 0.80))
    for gain in (b, c):
        assert gain.score - gain.baseline_score == pytest.approx(gain.difference.mean)
    assert bace.shared_scores == pytest.approx({"a": 0.75, "b": 0.74, "c": 0.80})
    assert found.overall.average_rank == pytest.approx({"c": 1, "a": 2, "b": 3})


def test_ranks_are_of_the_seeds_that_all_models_have(results: Any, compared: Compared) -> None:
    for dataset in ("bace", "hiv"):
        for seed in (0, 1):
            results.add("a", dataset, 0.7, seed=seed)
        for seed, score in ((0, 0.6), (1, 0.6), (2, 0.99)):
            results.add("b", dataset, score, seed=seed)
        results.add("fixed", dataset, 0.65, seed=None)
    for seed, model in enumerate("ab"):
        results.add(model, "sider", seed=seed)
    results.add("fixed", "sider", seed=None)
    found = compared("a", "b", "fixed")
    assert found.overall.average_rank == {"a": 1, "fixed": 2, "b": 3}
    assert found.overall.datasets == ("bace", "hiv")
    assert found.overall.left_out == {"sider": "no split and seed that every model has"}
    assert found.datasets[1].gains["fixed"].difference is not None


@pytest.mark.slow
def test_no_unit_moves_the_test_over_datasets(
    results_in: Any, tmp_path: Path, compared_in: Any
) -> None:
    rng = np.random.default_rng(3)
    names = ("bace", "bbbp", "clintox", "hiv", "sider", "biogen3k")
    shift = {"a": 0.0, "b": 0.02}
    scores = {
        (m, d, seed): float(rng.normal(0.7 + shift[m], 0.02))
        for m in "ab"
        for d in names
        for seed in range(4)
    }
    p, raw = [], []
    for unit in (1.0, 1000.0, 1e-3):
        store = results_in(tmp_path / f"{unit}")
        for (model, dataset, seed), score in scores.items():
            mae = {"metric": "mae"} if dataset == "biogen3k" else {}
            store.add(model, dataset, score * (unit if mae else 1.0), seed=seed, **mae)
        found = compared_in(store, "a", "b")
        p.append(found.overall.p["b"])
        raw.append(signed_rank_p([d.gains["b"].difference.mean for d in found.datasets]))
    assert len(set(p)) == 1
    assert len(set(raw)) > 1  # in the metrics' own units p is another in each


def test_nothing_compared_says_what_is_on_record(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    splits("a", "bace", [0.7, 0.8], "random")
    changed = {"model__overrides": {"n": 5}, "model__params": {"n": 5}}
    splits("b", "bace", [0.7], "strict", **changed)
    splits("c", "hiv", [0.7], "random")
    with pytest.raises(UsageError, match="nothing to compare: 'a' has no dataset") as raised:
        compared("a", "b", "c")
    for said in (
        "'a' on random (bace)",
        "not 'b', but 'b [n=5]' on strict (bace)",
        "'c' on random (hiv)",
    ):
        assert said in str(raised.value)
    with pytest.raises(UsageError, match="nothing to compare on split scaffold"):
        compared("a", "c", split="scaffold")
    splits("mean", "hiv", [0.5], "random")
    with pytest.raises(UsageError, match=r"'a' on random \(bace\); no run of 'mean' there"):
        compared("a", "mean", datasets=("bace",))
    results.add("d", "bbbp", seed=0)
    results.add("e", "bbbp", seed=1)
    with pytest.raises(UsageError, match="bbbp: seeds 1 of e alone, not compared"):
        compared("d", "e")
    with pytest.raises(UsageError, match="nothing to compare on split cv5x5"):
        compared("d", "e", protocol="cv5x5")


def test_runs_that_share_one_pretraining_are_named(results: Any, compared: Compared) -> None:
    for seed in (0, 1):
        results.add("a", "bace", 0.7, seed=seed, model__weights="ab" * 32)
        each = {"model__params": {"pretrain_seed": "run"}, "model__weights": f"{seed}a" * 32}
        results.add("b", "bace", 0.7, seed=seed, **each)
        results.add("c", "bace", 0.7, seed=seed)
    results.add("d", "bace", 0.7, seed=0, model__weights="cd" * 32)
    gains = compared("c", "a", "b", "d").datasets[0].gains
    assert [gains[m].one_pretraining for m in "abd"] == [("a",), (), ()]
    assert compared("a", "c").datasets[0].gains["c"].one_pretraining == ("a",)


@pytest.mark.slow
def test_folds_are_of_the_seeds_that_all_models_have(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.7, 0.02, 25), rng.normal(0.7, 0.02, 25)
    splits("a", "bace", a, "cv5x5", seed=0)
    splits("a", "bace", a + 0.2, "cv5x5", seed=1)
    splits("b", "bace", b, "cv5x5", seed=0)
    (bace,) = compared("a", "b", protocol="cv5x5").datasets
    gain = bace.gains["b"]
    assert gain.difference.mean == pytest.approx(float((b - a).mean()))
    assert gain.baseline_score == pytest.approx(float(a.mean()))
    assert bace.notes[0].startswith("seeds 1 of a alone on splits 0, 1, 2")
    splits("c", "bace", b, "cv5x5", seed=7)
    with pytest.raises(UsageError, match="a, c have no seed in common on the folds 0, 1"):
        compared("a", "c", protocol="cv5x5")


def test_missing_models_are_shown_and_left_out_of_the_ranks(
    results: Any, compared: Compared
) -> None:
    for dataset, b in (("bace", 0.8), ("hiv", 0.8), ("sider", 0.6)):
        results.add("a", dataset, 0.7, seed=None)
        results.add("b", dataset, b, seed=None)
    results.add("a", "bbbp", 0.7, seed=None)
    results.add("b", "clintox", 0.7, seed=None)
    found = compared("a", "b")
    lacking = {d.name: d.missing(found.models) for d in found.datasets if d.missing(found.models)}
    assert lacking == {"bbbp": ["b"], "clintox": ["a"]}
    assert found.overall is not None
    assert found.overall.datasets == ("bace", "sider", "hiv")
    assert found.overall.left_out == {"bbbp": "b missing", "clintox": "a missing"}
    assert found.overall.average_rank == pytest.approx({"a": 5 / 3, "b": 4 / 3})


@pytest.mark.slow
def test_folds_of_the_protocol(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    rng = np.random.default_rng(1)
    fold = rng.normal(0, 0.05, 25)
    scores = {m: 0.7 + s + fold + rng.normal(0, 0.01, 25) for m, s in (("a", 0), ("b", 0.05))}
    for model, values in scores.items():
        splits(model, "bace", values, "cv5x5")
    (bace,) = compared("a", "b", protocol="cv5x5").datasets
    assert bace.folds is not None
    expected = stats.ttest_rel(scores["b"], scores["a"])
    assert bace.folds.anova.f == pytest.approx(expected.statistic**2)
    gain = bace.gains["b"]
    assert gain.difference.mean == pytest.approx(float((scores["b"] - scores["a"]).mean()))
    assert gain.difference.p == pytest.approx(
        corrected_resampled(scores["b"] - scores["a"], 32, 4).p
    )
    assert gain.difference.p > bace.folds.pairs[0].tukey.p
    assert gain.verdict == "better"


def test_what_never_varies_gets_no_verdict(results: Any, compared: Compared) -> None:
    results.add("a", "bace", 0.5, seed=None, half=0.0)
    results.add("b", "bace", 1.0, seed=None, half=0.0)
    results.add("c", "bace", 0.5, seed=None, half=0.0)
    found = compared("a", "b", "c")
    gain, alike = (found.datasets[0].gains[m] for m in "bc")
    assert (gain.verdict, alike.verdict) == ("no interval", "no difference shown")
    assert math.isnan(gain.p_holm)
    assert gain.notes[-1].startswith("no interval: the difference is the same in every resample")
    assert _title(found).endswith("; no line: no interval")
    assert "no line" not in _title(compared("a", "c"))
    (grid, _, overall) = grids(found)
    assert grid.rows[0][:6] == ("bace", "no interval", "50.0", "100.0", "+50.0", "-")
    assert "1 no interval" in grid.notes[0]
    assert overall.rows[1][2:5] == ("0", "0", "0")


def test_runs_without_a_score_and_damaged_ones_are_counted(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    scores = [0.70, 0.72, 0.69, None, None]
    splits("a", "bace", scores, "random")
    splits("b", "bace", [None if s is None else s * s for s in scores], "random")
    hurt = results.add("b", "bace", 0.9, seed=1, split__name="random", split__seed=0)
    (results.store.path_of(hurt) / "predictions.parquet").unlink()
    found = compared("a", "b")
    notes = "\n".join(grids(found)[0].notes)
    assert "bace: 2 runs of a without a score" in notes
    assert "bace: 2 runs of b without a score" in notes
    assert "bace: 1 damaged record of the models left out; chmr-bench verify" in notes
    told = as_dict(found)["datasets"][0]
    assert (told["n_unscored"], told["n_damaged"]) == ({"a": 2, "b": 2}, 1)


@pytest.mark.slow
def test_folds_that_can_never_be_scored_are_not_asked_for(
    results: Any, compared: Compared, splits: Callable[..., None]
) -> None:
    scores = [None if fold in (3, 8) else 0.7 for fold in range(25)]
    splits("a", "bace", scores, "cv5x5")
    splits("b", "bace", scores, "cv5x5")
    with pytest.raises(UsageError, match=r"2 of the 25 folds .*split seeds 3, 8.* leave out --pro"):
        compared("a", "b", protocol="cv5x5")
