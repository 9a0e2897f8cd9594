"""Intervals from replicates, and the mean over runs that share them."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import statistics
from chmr_bench.errors import DataError

NAN = float("nan")


def test_a_paired_interval_is_narrower_than_the_two_it_compares() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(0.0, 0.05, 1000)
    a = 0.80 + shared + rng.normal(0.0, 0.005, 1000)
    b = 0.78 + shared + rng.normal(0.0, 0.005, 1000)
    a[0] = NAN
    mean, low, high = statistics.paired_interval(a, b)
    assert mean == pytest.approx(0.02, abs=0.002)
    assert 0 < low < high < 0.04
    assert statistics.interval(a)[0] < statistics.interval(b)[1]
    assert np.isnan(statistics.paired_interval(a[:1], b[:1])).all()


def test_seeds_average_replicate_by_replicate() -> None:
    mean = statistics.mean_over_seeds([np.array([1.0, 2.0, NAN]), np.array([3.0, 2.0, NAN])])
    np.testing.assert_array_equal(mean, [2.0, 2.0, NAN])


def test_replicates_that_do_not_fit_are_named() -> None:
    with pytest.raises(DataError, match="not paired"):
        statistics.paired_interval(np.zeros(3), np.zeros(4))
    with pytest.raises(DataError, match=r"\[3, 4\]"):
        statistics.mean_over_seeds([np.zeros(3), np.zeros(4)])
