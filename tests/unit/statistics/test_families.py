"""Holm's correction, and how much a few datasets can show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from chmr_bench.statistics import datasets_needed, holm, smallest_p

NAN = float("nan")


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


def test_of_true_nulls_any_is_rejected_no_more_often_than_stated() -> None:
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


@pytest.mark.parametrize("n", range(1, 12))
def test_the_least_p_is_that_of_all_differences_one_way(n: int) -> None:
    exact = stats.wilcoxon(np.arange(1, n + 1), method="exact").pvalue
    assert smallest_p(n) == pytest.approx(exact)


@pytest.mark.parametrize("n_tests", [1, 2, 3, 14])
def test_so_many_datasets_are_needed_and_no_more(n_tests: int) -> None:
    n = datasets_needed(n_tests)
    assert n_tests * smallest_p(n) <= 0.05 < n_tests * smallest_p(n - 1)
