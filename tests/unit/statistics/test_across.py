"""Ranks and tests over datasets, against scipy and against Demsar's worked example."""

from __future__ import annotations

import gc
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import DataError
from chmr_bench.statistics import (
    cliques,
    critical_difference,
    dataset_ranks,
    datasets_needed,
    friedman,
    holm,
    signed_rank_p,
    smallest_p,
)

NAN = float("nan")


def test_equal_scores_share_their_mean_rank() -> None:
    ranks = dataset_ranks(np.array([[0.9, 0.7, 0.8], [0.5, 0.5, 0.6]]))
    assert ranks.tolist() == [[1, 3, 2], [2.5, 2.5, 1]]
    with pytest.raises(DataError, match="finite"):
        dataset_ranks(np.array([[0.9, np.nan]]))


@pytest.mark.parametrize("decimals", [6, 1])
def test_friedman_is_that_of_scipy_ties_and_all(decimals: int) -> None:
    shifts = np.array([0, 0.1, 0.2, 0.3])
    scores = np.round(np.random.default_rng(0).random((9, 4)) + shifts, decimals)
    got = friedman(dataset_ranks(scores))
    assert got.chi2 == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)
    f = 8 * got.chi2 / (9 * 3 - got.chi2)  # Iman and Davenport's is near the truth for this many
    assert got.p == pytest.approx(stats.f.sf(f, 3, 24), abs=0.03)


@pytest.mark.parametrize(("n", "k"), [(2, 3), (3, 3), (2, 4), (6, 2)])
def test_friedman_of_few_datasets_counts_every_order(n: int, k: int) -> None:
    """That all agree with the first is one chance in k! for each of the others."""
    assert friedman(np.array([range(k)] * n)).p == pytest.approx(1 / math.factorial(k) ** (n - 1))


def test_friedman_of_tied_ranks_counts_every_order_too() -> None:
    scores = np.array([[1.0, 1.0, 2.0], [1.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    ranks = stats.rankdata(scores, axis=1)
    ways = itertools.product(*(itertools.permutations(row) for row in ranks))
    sums = [np.square(np.sum(way, axis=0)).sum() for way in ways]
    assert friedman(scores).p == np.mean(np.array(sums) >= np.square(ranks.sum(axis=0)).sum())


def test_friedman_of_the_example_of_demsar() -> None:
    # Table 6 of the paper: average ranks 3.143, 2.000, 2.893, 1.964 of 4 methods on 14 datasets.
    chi2 = 12 * 14 / (4 * 5) * (3.143**2 + 2.0**2 + 2.893**2 + 1.964**2 - 4 * 25 / 4)
    assert chi2 == pytest.approx(9.28, abs=0.03)
    # q of the table of Nemenyi: 2.569 for four methods.
    assert critical_difference(4, 14) == pytest.approx(2.569 * math.sqrt(20 / 84), abs=1e-3)


def test_friedman_where_there_is_nothing_to_tell() -> None:
    assert math.isnan(friedman(np.array([[1.0, 2.0]])).p)
    assert math.isnan(friedman(np.full((5, 3), 2.0)).p)


@pytest.mark.parametrize("n", [5, 6, 9, 12])
def test_signed_ranks_are_those_of_scipy(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1.0, n)
    assert signed_rank_p(d.tolist()) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_ties_and_zeros_go_through_every_sign_pattern() -> None:
    d = np.array([0.0, 0.2, 0.2, -0.1, 0.5, 0.2, 0.0])
    ranks = stats.rankdata(np.abs(d))[d != 0]
    signs = np.array(list(itertools.product((-1, 1), repeat=5)))
    seen = abs((ranks * np.sign(d[d != 0])).sum())
    assert signed_rank_p(d.tolist()) == (np.abs(signs @ ranks) >= seen).mean()
    assert math.isnan(signed_rank_p([0.0, 0.0]))


def test_infinite_differences_are_the_largest_and_tied() -> None:
    assert signed_rank_p([math.inf, math.inf, 1.0, -2.0]) == signed_rank_p([5.0, 5.0, 1.0, -2.0])


def test_many_datasets_are_approximated() -> None:
    d = np.random.default_rng(1).normal(0.3, 1.0, 40)
    expected = stats.wilcoxon(d, method="asymptotic", correction=False).pvalue
    assert signed_rank_p(d.tolist()) == pytest.approx(expected, rel=0.05)


def test_cliques_are_the_largest_groups_within_reach() -> None:
    assert cliques([1.0, 3.0, 1.5, 2.4], 1.0) == [(0, 2), (2, 3), (3, 1)]
    assert cliques([1.0, 1.2, 1.4], 5.0) == [(0, 1, 2)]
    assert cliques([1.0, 4.0], 1.0) == []


# --------------------------------------------------------------------------- several tests at once


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.2], [0.04, 0.09, 0.09, 0.2]),
        ([0.5, 0.5, 0.9], [1.0, 1.0, 1.0]),
        ([0.02], [0.02]),
        ([0.001, 0.02, 0.022], [0.003, 0.04, 0.04]),
    ],
)
def test_holm_steps_down_and_never_back(p: list[float], expected: list[float]) -> None:
    assert holm(p) == pytest.approx(expected)


def test_of_true_nulls_any_is_rejected_no_more_often_than_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels collects at every call: 0.2 s
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(4000, 1))  # tests that depend on each other, as datasets may
    p = 2 * stats.norm.sf(np.abs(0.6 * shared + 0.8 * rng.normal(size=(4000, 9))))
    rate = np.mean([min(holm(row.tolist())) <= 0.05 for row in p])
    assert 0.03 < rate < 0.06
    assert (p.min(axis=1) <= 0.05).mean() > 0.25


def test_a_test_that_was_not_made_is_not_counted() -> None:
    assert holm([0.02, NAN, 0.03])[::2] == pytest.approx([0.04, 0.04])
    assert math.isnan(holm([0.02, NAN])[1])
    assert holm([]) == []
    assert holm([0.7]) == [0.7]


def test_holm_collects_none_of_what_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: frozen.append(gc.get_freeze_count()))
    assert holm([0.01, 0.04]) == pytest.approx([0.02, 0.04])
    assert frozen[0] > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("n", range(1, 12))
def test_the_least_p_is_that_of_all_differences_one_way(n: int) -> None:
    exact = stats.wilcoxon(np.arange(1, n + 1), method="exact").pvalue
    assert smallest_p(n) == pytest.approx(exact)


@pytest.mark.parametrize("n_tests", [1, 2, 3, 14])
def test_so_many_datasets_are_needed_and_no_more(n_tests: int) -> None:
    n = datasets_needed(n_tests)
    assert n_tests * smallest_p(n) <= 0.05 < n_tests * smallest_p(n - 1)
