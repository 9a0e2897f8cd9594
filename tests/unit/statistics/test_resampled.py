"""The corrected resampled t-test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chmr_bench.errors import DataError
from chmr_bench.statistics import corrected_resampled
from chmr_bench.statistics.paired import NOTHING_VARIED


def test_the_variance_is_that_of_nadeau_and_bengio() -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    got = corrected_resampled(d, 80, 20)
    error = np.sqrt((1 / 5 + 20 / 80) * d.var(ddof=1))
    assert got.p == pytest.approx(2 * stats.t.sf(d.mean() / error, 4))
    assert got.high == pytest.approx(d.mean() + stats.t.ppf(0.975, 4) * error)
    assert got.se == pytest.approx(error)
    assert np.isnan([got.se_molecules, got.se_seeds]).all()
    assert (got.n_pairs, got.df, got.over_splits, got.note) == (5, 4, True, "")


def test_splits_that_all_say_the_same_prove_nothing() -> None:
    got = corrected_resampled(np.full(4, 0.1), 80, 20)
    assert got.mean == pytest.approx(0.1)
    assert np.isnan([got.low, got.high, got.p, got.in_errors]).all()
    assert got.note == NOTHING_VARIED
    alike = corrected_resampled(np.zeros(4), 80, 20)
    assert (alike.low, alike.high, alike.p, alike.note) == (0, 0, 1, "")


@pytest.mark.parametrize("unit", [1e-13, 1e6])
def test_the_unit_does_not_matter(unit: float) -> None:
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    got, scaled = (corrected_resampled(u * d, 80, 20) for u in (1.0, unit))
    assert (scaled.p, scaled.in_errors) == pytest.approx((got.p, got.in_errors))
    assert np.isnan(corrected_resampled(np.full(4, 0.1 * unit), 80, 20).p)


@pytest.mark.parametrize(("n", "train", "test"), [(1, 80, 20), (3, 0, 20), (3, 80, 0)])
def test_what_cannot_be_tested_is_an_error(n: int, train: int, test: int) -> None:
    with pytest.raises(DataError, match="two splits or more"):
        corrected_resampled(np.zeros(n), train, test)
