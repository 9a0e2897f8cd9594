"""The bootstrap against plain resampling of copied molecules, alone and in clusters."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from chmr_bench import metrics, statistics
from chmr_bench.errors import DataError, UnknownNameError
from chmr_bench.types import FloatArray, MetricName

NAN = float("nan")


def table(metric: MetricName, n: int = 60, t: int = 4, seed: int = 0) -> tuple[FloatArray, ...]:
    """Return (n, t) labels with gaps and tied predictions."""
    rng = np.random.default_rng(seed)
    if metrics.METRICS[metric].task_type == "classification":
        y = (rng.random((n, t)) < 0.25).astype(np.float64)
        y[:, 0] = 1 - y[:, 0]  # in one task most are positive
    else:
        y = np.round(rng.normal(3.0, 1.0, (n, t)), 1)
    y_pred = np.round(y * 0.3 + rng.random((n, t)), 1)
    y[rng.random((n, t)) < 0.3] = NAN
    return y, y_pred


@pytest.mark.parametrize("metric", list(metrics.METRICS))
def test_weights_give_what_copying_the_molecules_gives(metric: MetricName) -> None:
    y, y_pred = table(metric, n=400)  # so many that percentiles are taken
    got = statistics.bootstrap(metric, y, y_pred, n_replicates=40, seed=3)
    (w,) = statistics.multiplicities(len(y), 40, 3)
    names = [str(j) for j in range(y.shape[1])]
    scores = np.full((40, y.shape[1]), NAN)
    for r in range(40):
        rows = np.repeat(np.arange(len(y)), w[:, r])
        for j, s in enumerate(metrics.score_tasks(metric, names, y[rows], y_pred[rows])):
            scores[r, j] = NAN if s.score is None else s.score
    np.testing.assert_allclose(got.macro, np.nanmean(scores, axis=1), rtol=1e-10)
    np.testing.assert_allclose(got.low, np.nanpercentile(scores, 2.5, axis=0), rtol=1e-10)
    np.testing.assert_allclose(got.high, np.nanpercentile(scores, 97.5, axis=0), rtol=1e-10)


@pytest.mark.parametrize("metric", list(metrics.METRICS))
def test_a_replicate_without_two_classes_is_left_out_of_that_task_only(metric: MetricName) -> None:
    # Column 0 has one odd row, drawn in about 63 % of the replicates; column 1 is always fine.
    y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    y_pred = np.linspace(0.1, 0.9, 12).reshape(6, 2)
    alone = statistics.bootstrap(metric, y[:, :1], y_pred[:, :1], n_replicates=300)
    both = statistics.bootstrap(metric, y, y_pred, n_replicates=300)
    skipped = np.isnan(alone.macro).mean()
    if metric in ("mae", "rmse"):
        assert skipped == 0
    else:
        assert 0.2 < skipped < 0.5
    assert np.isnan(both.macro).mean() < 0.1
    one_odd = metrics.METRICS[metric].task_type == "classification"
    assert np.isnan([both.low[0], both.high[0]]).all() == one_odd
    assert np.isfinite([both.low[1], both.high[1]]).all()


def test_a_task_of_one_class_never_counts() -> None:
    y, y_pred = table("roc_auc")
    with_flat = np.column_stack([y, np.zeros(len(y)), np.full(len(y), NAN)])
    pred = np.column_stack([y_pred, y_pred[:, :2]])
    plain = statistics.bootstrap("roc_auc", y, y_pred, n_replicates=50)
    more = statistics.bootstrap("roc_auc", with_flat, pred, n_replicates=50)
    np.testing.assert_array_equal(plain.macro, more.macro)
    assert np.isnan(more.low[-2:]).all()
    nothing = statistics.bootstrap("roc_auc", with_flat[:, -2:], pred[:, -2:], n_replicates=5)
    assert np.isnan(nothing.macro).all()


@pytest.mark.parametrize("metric", list(metrics.METRICS))
def test_a_task_without_any_label_gives_nan(metric: MetricName) -> None:
    y = np.full((4, 1), NAN)
    got = statistics.bootstrap(metric, y, np.zeros((4, 1)), n_replicates=5)
    assert np.isnan(got.macro).all()
    assert np.isnan(got.low).all()


def test_multiplicities_are_uniform_draws_and_pinned() -> None:
    (w,) = statistics.multiplicities(50, 400, 0)
    assert w.shape == (50, 400)
    assert (w.sum(axis=0) == 50).all()
    # Poisson(1) in the limit: the mean is 1 exactly, the variance 1 - 1/n.
    assert w.var() == pytest.approx(0.98, abs=0.05)
    assert w.mean(axis=1).std() < 0.08
    # Pinned by value: replicates stored by an older release must stay paired with new ones.
    (pinned,) = statistics.multiplicities(6, 3, 0)
    assert pinned.T.tolist() == [[2, 1, 0, 1, 1, 1], [1, 0, 0, 2, 2, 1], [1, 1, 0, 1, 1, 2]]


def test_the_blocks_of_a_large_test_set_are_the_replicates_of_a_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, y_pred = table("roc_auc")
    whole = statistics.bootstrap("roc_auc", y, y_pred, n_replicates=25)
    monkeypatch.setattr(statistics.resampling, "MAX_CELLS", 7 * len(y))
    pieces = statistics.bootstrap("roc_auc", y, y_pred, n_replicates=25)
    np.testing.assert_array_equal(whole.macro, pieces.macro)


def test_molecules_of_one_cluster_are_drawn_together() -> None:
    clusters = np.array([7, 3, 7, 9, 3, 7])
    (w,) = statistics.multiplicities(6, 200, 0, clusters)
    assert (w[0] == w[2]).all()
    assert (w[0] == w[5]).all()
    assert (w[1] == w[4]).all()
    assert (w[[0, 1, 3]].sum(axis=0) == 3).all()
    assert (w[0] != w[1]).any()


def test_clusters_of_one_change_nothing() -> None:
    y, y_pred = table("roc_auc")
    plain = statistics.bootstrap("roc_auc", y, y_pred, n_replicates=30)
    alone = statistics.bootstrap("roc_auc", y, y_pred, n_replicates=30, clusters=np.arange(60))
    np.testing.assert_array_equal(plain.macro, alone.macro)


def test_copies_of_a_molecule_do_not_narrow_the_interval() -> None:
    y, y_pred = table("mae", t=1)
    rows = np.repeat(np.arange(60), 4)
    once = statistics.bootstrap("mae", y, y_pred)
    four = statistics.bootstrap("mae", y[rows], y_pred[rows], clusters=rows)
    blind = statistics.bootstrap("mae", y[rows], y_pred[rows])
    np.testing.assert_allclose(four.macro, once.macro)
    assert blind.macro.std() == pytest.approx(once.macro.std() / 2, rel=0.15)


def test_memory_stays_bounded_on_a_large_test_set() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((60_000, 1)) < 0.5).astype(np.float64)
    tracemalloc.start()
    statistics.bootstrap("roc_auc", y, rng.random((60_000, 1)), n_replicates=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6, f"peak {peak / 1e6:.0f} MB"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # MAE of a known error: |N(0, 1)| has mean sqrt(2 / pi).
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        y = rng.normal(size=(80, 1))
        got = statistics.bootstrap("mae", y, np.zeros((80, 1)), n_replicates=200)
        hits += bool(got.low[0] <= np.sqrt(2 / np.pi) <= got.high[0])
    assert 0.88 <= hits / 200 <= 0.99


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="one shape"):
        statistics.bootstrap("mae", np.zeros((3, 1)), np.zeros((2, 1)))
    with pytest.raises(DataError, match="n > 0"):
        statistics.bootstrap("mae", np.zeros((0, 1)), np.zeros((0, 1)))
    with pytest.raises(UnknownNameError):
        statistics.bootstrap("auc", np.zeros((3, 1)), np.zeros((3, 1)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"clusters have shape \(2,\), expected \(3,\)"):
        statistics.bootstrap("mae", *np.zeros((2, 3, 1)), clusters=np.zeros(2, dtype=np.int64))
