"""On how many test molecules a score rests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from chmr_bench.statistics import effective_sample_size, molecule_counts, multiplicities
from chmr_bench.statistics.effective import variance_factor

NAN = float("nan")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], 0.0),
        ([7], 7.0),
        ([10, 10], 10.0),
        ([1, 100], 4 / 1.01),
        ([1, 1, 1, 200], 16 / 3.005),
        ([50] * 40, 50.0),
        ([3, 0], 0.0),
    ],
)
def test_tasks_are_averaged_and_share_molecules(counts: list[int], expected: float) -> None:
    assert effective_sample_size(counts) == pytest.approx(expected)


def test_the_rarer_class_and_the_labelled_are_counted_in_molecules() -> None:
    y = np.array([[1, NAN, 0], [1, NAN, 0], [0, 1, 0], [0, 0, 0], [1, 0, NAN]])
    alone, together = np.arange(5), np.array([0, 0, 1, 2, 3])
    assert molecule_counts(y, alone, by_class=True) == [2, 1, 0]
    assert molecule_counts(y, together, by_class=True) == [2, 1, 0]
    assert molecule_counts(y, alone, by_class=False) == [5, 3, 4]
    assert molecule_counts(y, together, by_class=False) == [4, 3, 3]
    assert molecule_counts(np.full((5, 1), NAN), alone, by_class=False) == [0]


@pytest.mark.parametrize(("n", "m"), [(40, 40), (200, 2), (200, 3), (30, 4), (200, 12)])
def test_the_variance_over_resamples_is_that_of_a_mean_of_few_values(n: int, m: int) -> None:
    values = np.zeros(n)
    values[:m] = np.random.default_rng(m).normal(size=m)
    (w,) = multiplicities(n, 20_000, 0)
    drawn = w[:m].sum(axis=0)
    means = (values[:m] @ w[:m])[drawn > 0] / drawn[drawn > 0]
    wanted = float(values[:m].var(ddof=1)) / m
    got = float(means.var()) * variance_factor(n, m)
    assert got == pytest.approx(wanted, rel=0.05)
    assert variance_factor(math.inf, m) == pytest.approx(variance_factor(100_000, m), rel=1e-3)


@pytest.mark.parametrize("n", [2, 3, 4, 10, 200, math.inf])
def test_the_laws_are_those_of_scipy(n: float) -> None:
    for m in np.linspace(1.01, min(4.99, n), 9).tolist():
        law = stats.binom(n, m / n) if math.isfinite(n) else stats.poisson(m)
        k = np.arange(1, int(min(n, 60)) + 1)
        wanted = law.pmf(k).sum() / (law.pmf(k) / k).sum() / (m - 1)
        of_drawing = n / (n - 1) if math.isfinite(n) else 1.0
        assert variance_factor(n, m) == pytest.approx(max(of_drawing, wanted), rel=1e-10)


def test_the_variance_of_one_molecule_is_not_mended() -> None:
    assert variance_factor(200, 1.0) == variance_factor(1, 1.0) == 1
    assert variance_factor(200, 5.0) == 200 / 199
