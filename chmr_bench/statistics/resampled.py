"""Differences over several splits of one dataset, whose training sets overlap."""

from __future__ import annotations

import math

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.statistics.intervals import LEVEL
from chmr_bench.statistics.paired import Difference, MixedT
from chmr_bench.types import FloatArray

OVER_SPLITS = "the split is the unit; s.e. corrected for overlapping training sets"


def corrected_resampled(
    differences: FloatArray, n_train: float, n_test: float, level: float = LEVEL
) -> Difference:
    """Return the mean difference over splits, by the corrected resampled t-test.

    Splits of one dataset share most of their training rows, so their differences are no independent
    sample: s^2 / J is too small. Nadeau and Bengio (Machine Learning 52, 2003) put
    (1 / J + n_test / n_train) s^2 in its place.

    Parameters
    ----------
    differences : (j,) one a split, j >= 2.
    n_train, n_test : rows of a split's parts; their means where splits differ a little.

    Raises
    ------
    DataError : fewer than two splits, or an empty part.
    """
    j = len(differences)
    if j < 2 or n_train <= 0 or n_test <= 0:
        raise DataError(
            f"{j} splits of {n_train:g} training and {n_test:g} test rows: expected two splits or "
            "more, with rows"
        )
    mean, spread = float(differences.mean()), float(differences.var(ddof=1))
    if spread < 1e-24 * float(np.square(differences).max()):  # rounding, whatever the unit
        spread = 0.0
    of_seeds = spread / j
    of_molecules = spread * n_test / n_train
    low, high, p = MixedT((of_seeds, of_molecules), (j - 1, j - 1)).test(mean, level)
    return Difference(
        mean, low, high, p, math.sqrt(of_molecules), math.sqrt(of_seeds), j - 1, j, OVER_SPLITS
    )
