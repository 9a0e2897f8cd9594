"""The corrected resampled t-test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import DataError
from chmr_bench.statistics import corrected_resampled


def test_the_variance_is_that_of_nadeau_and_bengio() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    got = corrected_resampled(d, 80, 20)
    error = np.sqrt((1 / 5 + 20 / 80) * d.var(ddof=1))
    assert got.p == pytest.approx(2 * stats.t.sf(d.mean() / error, 4))
    assert got.high == pytest.approx(d.mean() + stats.t.ppf(0.975, 4) * error)
    assert np.hypot(got.se_molecules, got.se_seeds) == pytest.approx(error)
    assert (got.n_pairs, got.df) == (5, 4)
    assert "overlapping" in got.note


def test_splits_that_all_say_the_same() -> None:
    assert corrected_resampled(np.full(4, 0.1), 80, 20).p == 0
    assert corrected_resampled(np.zeros(4), 80, 20).p == 1


@pytest.mark.parametrize("unit", [1e-13, 1e6])
def test_the_unit_does_not_matter(unit: float) -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    got, scaled = (corrected_resampled(u * d, 80, 20) for u in (1.0, unit))
    assert (scaled.p, scaled.in_errors) == pytest.approx((got.p, got.in_errors))
    assert corrected_resampled(np.full(4, 0.1 * unit), 80, 20).p == 0


@pytest.mark.parametrize(("n", "train", "test"), [(1, 80, 20), (3, 0, 20), (3, 80, 0)])
def test_what_cannot_be_tested_is_an_error(n: int, train: int, test: int) -> None:
    with pytest.raises(DataError, match="two splits or more"):
        corrected_resampled(np.zeros(n), train, test)
