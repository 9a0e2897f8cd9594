"""The paired difference of two models over seeds and test molecules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import DataError
from chmr_bench.statistics import Runs, paired_difference
from chmr_bench.statistics.effective import variance_factor
from chmr_bench.statistics.paired import NO_REPLICATE, NOTHING_VARIED, TOO_FEW, MixedT
from chmr_bench.types import MetricName


def runs(scores: list[float], seeds: tuple[int | None, ...], spread: float = 0.0) -> Runs:
    """Return runs whose replicates lie around their scores."""
    rng = np.random.default_rng(len(seeds))
    noise = spread * rng.normal(size=(len(seeds), 500))
    return Runs(np.array(scores), np.array(scores)[:, None] + noise, seeds, "rmse")


def test_without_noise_of_molecules_it_is_the_paired_t_test() -> None:
    a, b = [0.81, 0.84, 0.80, 0.86], [0.80, 0.80, 0.81, 0.82]
    got = paired_difference(runs(a, (0, 1, 2, 3)), runs(b, (0, 1, 2, 3)))
    expected = stats.ttest_rel(a, b)
    low, high = expected.confidence_interval(0.95)
    assert got.p == pytest.approx(expected.pvalue)
    assert (got.low, got.high) == pytest.approx((low, high))
    assert (got.mean, got.df, got.n_pairs) == pytest.approx((0.02, 3, 4))
    assert got.se_molecules == pytest.approx(0, abs=1e-12)


def test_seeds_are_paired_by_name_not_by_place() -> None:
    a, b = runs([0.8, 0.9], (0, 1)), runs([0.9, 0.8], (1, 0))
    assert paired_difference(a, b).se_seeds == 0


def test_a_model_without_seeds_is_paired_with_every_seed() -> None:
    got = paired_difference(runs([0.8], (None,)), runs([0.7, 0.6, 0.5], (3, 4, 5)))
    assert (got.mean, got.n_pairs) == (pytest.approx(0.2), 3)
    assert got.se_seeds == pytest.approx(0.1 / np.sqrt(3))


def test_one_seed_is_said() -> None:
    a, b, fixed = runs([0.8], (0,), 0.01), runs([0.7], (0,), 0.02), runs([0.7], (None,), 0.03)
    got = paired_difference(a, b)
    assert got.se_seeds == 0
    assert "one seed" in got.note
    assert "one seed" in paired_difference(a, fixed).note
    assert paired_difference(fixed, fixed).note == ""


def test_seeds_of_one_model_alone_are_an_error() -> None:
    with pytest.raises(DataError, match="seeds 0, 1 and 0, 2 are not paired"):
        paired_difference(runs([1, 2], (0, 1)), runs([1, 2], (0, 2)))
    with pytest.raises(DataError, match="do not fit"):
        Runs(np.zeros(2), np.zeros((3, 5)), (0, 1), "mae")
    with pytest.raises(DataError, match="each once"):
        runs([1, 2], (0, 0))


def test_the_quantile_of_two_parts_is_their_weighted_mean() -> None:
    law = MixedT((1.0, 3.0), (20, 4))
    quantile = 0.25 * stats.t.ppf(0.975, 20) + 0.75 * stats.t.ppf(0.975, 4)
    assert law.interval(1.0)[1] == pytest.approx(1.0 + 2.0 * quantile)
    assert stats.t.ppf(0.975, law.df()) == pytest.approx(quantile)
    assert law.interval(2.0 * quantile)[0] == pytest.approx(0, abs=1e-9)
    assert law.p(2.0 * quantile) == pytest.approx(0.05)
    assert law.p(0.0) == 1


@pytest.mark.parametrize("df", [1.0, 7.0, float("inf")])
def test_one_part_is_the_t_test(df: float) -> None:
    law = MixedT((4.0, 0.0), (df, 1))
    known = stats.norm() if df == float("inf") else stats.t(df)
    assert law.p(5.0) == pytest.approx(2 * known.sf(2.5))
    assert law.df() == pytest.approx(df)


def test_no_variance_and_an_unknown_one() -> None:
    unknown = MixedT((0.0, 0.0), (5, 2)), MixedT((0.1, 0.1), (0, 2)), MixedT((np.nan, 0.1), (5, 2))
    for law in unknown:
        assert np.isnan([*law.interval(0.1), law.p(0.1)]).all()
    never_varied = MixedT((0.0,), (5,))
    assert (*never_varied.interval(0.0), never_varied.p(0.0)) == (0.0, 0.0, 1.0)
    assert MixedT((1e-30, 0.0), (5e8, 1)).p(0.5) <= 1e-90


def test_few_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    replicates = rng.normal(size=(1, 4000))
    few, many = (
        paired_difference(
            Runs(np.array([1.0]), replicates, (None,), "mae", n),
            Runs(np.zeros(1), 0 * replicates, (None,), "mae"),
        )
        for n in (5, None)
    )
    assert few.se_molecules == pytest.approx(many.se_molecules * np.sqrt(5 / 4))
    assert (few.df, many.df) == (4, float("inf"))
    assert few.p > many.p


@pytest.mark.parametrize(("n_units", "size"), [(1, 1.0), (50, 1.0), (50, 2.0), (2, 2.0)])
def test_one_or_two_molecules_give_no_interval(n_units: int, size: float) -> None:
    rng = np.random.default_rng(4)
    a = Runs(np.array([1.0]), rng.normal(size=(1, 400)), (None,), "mae", n_units, n_effective=size)
    b = Runs(np.zeros(1), np.zeros((1, 400)), (None,), "mae", n_units)
    got = paired_difference(a, b)
    assert got.mean == 1
    assert np.isnan([got.low, got.high, got.p, got.df, got.in_errors]).all()
    assert got.note == TOO_FEW


def test_the_effective_sample_size_gives_the_degrees_of_freedom() -> None:
    rng = np.random.default_rng(4)
    a = Runs(np.array([1.0]), rng.normal(size=(1, 4000)), (None,), "mae", 200, n_effective=3.0)
    b = Runs(np.zeros(1), np.zeros((1, 4000)), (None,), "mae", 150)
    got = paired_difference(a, b)
    assert got.df == 2
    assert got.high - got.mean == pytest.approx(stats.t.ppf(0.975, 2) * got.se)
    assert got.se == pytest.approx(a.replicates.std(ddof=1) * np.sqrt(variance_factor(150, 3)))


def test_a_difference_that_never_varies_is_not_certain() -> None:
    got = paired_difference(runs([1.0], (None,)), runs([0.5], (None,)))
    assert (got.mean, got.note) == (0.5, NOTHING_VARIED)
    assert np.isnan([got.low, got.high, got.p]).all()
    unknown = Runs(np.array([1.0]), np.full((1, 5), np.nan), (None,), "mae")
    assert paired_difference(unknown, unknown).note == NO_REPLICATE


def test_a_difference_in_units_of_its_error_has_no_unit() -> None:
    a, b = runs([0.8, 0.9], (0, 1), 0.01), runs([0.7, 0.6], (0, 1), 0.02)
    got = paired_difference(a, b)
    assert got.se == pytest.approx(np.hypot(got.se_molecules, got.se_seeds))
    assert got.in_errors == pytest.approx(got.mean / got.se)
    scaled = [Runs(1000 * r.scores, 1000 * r.replicates, r.seeds, "mae") for r in (a, b)]
    assert paired_difference(*scaled).in_errors == pytest.approx(got.in_errors)
    assert got.turned().in_errors == -got.in_errors


@pytest.mark.parametrize(("scores", "known"), [([0.8, 0.8], False), ([0.7, 0.7], True)])
def test_a_difference_without_error_is_nothing_or_not_known(
    scores: list[float], known: bool
) -> None:
    got = paired_difference(runs(scores, (0, 1)), runs([0.7, 0.7], (0, 1)))
    assert (got.in_errors == 0) is known
    assert np.isnan(got.in_errors) is not known


@pytest.mark.parametrize(("metric", "widest"), [("roc_auc", 1.0), ("mae", np.inf)])
def test_a_difference_lies_where_the_metric_can(metric: MetricName, widest: float) -> None:
    replicates = np.random.default_rng(4).normal(0.6, 0.3, size=(1, 400))
    a = Runs(np.array([0.6]), replicates, (0,), metric, 10, n_effective=3.0)
    b = Runs(np.array([0.4]), 0 * replicates + 0.4, (0,), metric, 10, n_effective=3.0)
    got = paired_difference(a, b)
    half = stats.t.ppf(0.975, 2) * got.se
    assert half > 1
    assert got.high == pytest.approx(min(widest, 0.2 + half))
    assert got.low == pytest.approx(max(-widest, 0.2 - half))


def test_two_equal_models_on_two_rows_have_no_interval_either() -> None:
    one = Runs(np.array([0.5]), np.full((1, 50), 0.5), (0,), "roc_auc", 5, n_effective=2.0)
    got = paired_difference(one, one)
    assert (got.mean, got.note) == (0.0, TOO_FEW)
    assert np.isnan([got.low, got.high, got.p]).all()
