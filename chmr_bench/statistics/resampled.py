"""Differences over several splits of one dataset, whose training sets overlap."""

from __future__ import annotations

import math

from chmr_bench.errors import DataError
from chmr_bench.statistics.paired import Difference, MixedT, spread, why_none
from chmr_bench.types import FloatArray


def corrected_resampled(differences: FloatArray, n_train: float, n_test: float) -> Difference:
    """Return the mean difference over splits, by the corrected resampled t-test.

    Splits of one dataset share most of their training rows, so their differences are no independent
    sample: s^2 / J is too small. Nadeau and Bengio (Machine Learning 52, 2003) put
    (1 / J + n_test / n_train) s^2 in its place.

    Parameters
    ----------
    differences :
        (j,) one a split, j >= 2.
    n_train, n_test :
        Rows of a split's parts; their means where splits differ a little.

    Raises
    ------
    DataError
        Fewer than two splits, or an empty part.
    """
    law = _law(differences, n_train, n_test)
    j, mean = len(differences), float(differences.mean())
    (low, high), p = law.interval(mean), law.p(mean)
    note = why_none(law) if math.isnan(p) else ""
    return Difference(mean, low, high, p, law.error, j - 1, j, over_splits=True, note=note)


def resampled_interval(
    differences: FloatArray, n_train: float, n_test: float
) -> tuple[float, float]:
    """Return the interval of `corrected_resampled` alone, in a fraction of the time."""
    return _law(differences, n_train, n_test).interval(float(differences.mean()))


def _law(differences: FloatArray, n_train: float, n_test: float) -> MixedT:
    j = len(differences)
    if j < 2 or n_train <= 0 or n_test <= 0:
        raise DataError(
            f"{j} splits of {n_train:g} training and {n_test:g} test rows: expected two splits or "
            "more, with rows"
        )
    variance = spread(differences)
    return MixedT((variance / j, variance * n_test / n_train), (j - 1, j - 1))
