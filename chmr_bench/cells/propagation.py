"""Feature propagation: a molecule without a read-out borrows from its structural neighbours.

Equation 1 of CHMR (arXiv 2511.21120), after Rossi et al. (2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chmr_bench.errors import DataError, SettingError
from chmr_bench.features.tanimoto import Neighbours
from chmr_bench.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from scipy import sparse

COLUMNS = 64
"""Columns that are propagated at a time."""


@dataclass(frozen=True)
class Propagated:
    """Read-outs with holes imputed as far as neighbours reach.

    Attributes
    ----------
    values : ndarray
        (n, d) floats; what is observed is bit for bit what it was, what is not reached NaN.
    reached : ndarray
        (n,) bool, or (n, d) where profiles are measured in part: True where there are values,
        observed ones included.
    """

    values: npt.NDArray[Any]
    reached: BoolArray


def propagate(
    values: FloatArray, observed: BoolArray, neighbours: Neighbours, steps: int
) -> Propagated:
    """Fill unobserved rows by the weighted mean of their neighbours, `steps` times over.

    ``x_i <- sum_j W_ij x_j`` for every unobserved i at once, W the Tanimoto similarity to the K
    nearest, normalised over those that have a value by then; observed rows are put back each step.
    Of profiles measured in part every column is propagated for itself: a molecule's own entries
    stay, and each other entry is the mean over those neighbours that have it.

    Parameters
    ----------
    values : ndarray
        (n, d); what is not observed is not read. Floats keep their precision, what is computed has
        it too.
    observed : ndarray
        (n,), or (n, d) of profiles measured in part.
    neighbours : Neighbours
        Of the same n molecules.
    steps : int
        T; 1 = the mean of observed neighbours; 0 = nothing is imputed.

    Raises
    ------
    SettingError
        `steps` is negative.
    DataError
        The shapes do not fit, or an observed row is not finite.
    """
    if steps < 0:
        raise SettingError(f"the number of propagation steps is {steps}; expected 0 or more")
    _check(values, observed, neighbours)
    if len(neighbours) != len(values):
        raise DataError(
            f"there are neighbours of {len(neighbours)} molecules and values of {len(values)}; "
            "expected the same molecules (for others see `borrow`)"
        )
    if observed.ndim == 2:
        rows = np.asarray(observed.any(axis=1))
        if (observed == rows[:, None]).all():  # the same numbers to the last bit
            return _as_entries(propagate(values, rows, neighbours, steps))
        return _propagated_entries(values, observed, neighbours.matrix(len(values)), steps)
    weights = neighbours.matrix(len(values))[~observed]
    there, plan = observed, []
    for _ in range(steps):
        shares, has_mean = _shares(weights, there)
        plan.append(shares)
        there = observed.copy()
        there[~observed] = has_mean
    imputed = np.array(values, dtype=np.result_type(values.dtype, np.float32), copy=True)
    for columns in _column_blocks(imputed):
        part = np.where(observed[:, None], imputed[:, columns], 0)  # (n, COLUMNS)
        for shares in plan:
            part[~observed] = shares @ part
        imputed[~observed, columns] = part[~observed]
    imputed[~there] = np.nan
    return Propagated(imputed, there)


def borrow(values: FloatArray, observed: BoolArray, neighbours: Neighbours) -> Propagated:
    """Return what q other molecules get from their neighbours among n, in one step.

    Parameters
    ----------
    values : ndarray
        (n, d).
    observed : ndarray
        (n,), rows that have values (the observed, or the reached); or (n, d), entries that have.
    neighbours : Neighbours
        Of the q molecules, `rows` among the n.

    Returns
    -------
    Propagated
        (q, d).

    Raises
    ------
    DataError
        The shapes do not fit, or an observed row is not finite.
    """
    _check(values, observed, neighbours)
    if observed.ndim == 2:
        rows = np.asarray(observed.any(axis=1))
        if (observed == rows[:, None]).all():
            return _as_entries(borrow(values, rows, neighbours))
        return _borrowed_entries(values, observed, neighbours.matrix(len(values)))
    shares, has_mean = _shares(neighbours.matrix(len(values)), observed)
    floats = np.asarray(values, dtype=np.result_type(values.dtype, np.float32))
    means = np.full((len(neighbours), values.shape[1]), np.nan, dtype=floats.dtype)
    for columns in _column_blocks(floats):
        part = shares @ np.where(observed[:, None], floats[:, columns], 0)
        means[has_mean, columns] = part[has_mean]
    return Propagated(means, has_mean)


def _as_entries(propagated: Propagated) -> Propagated:
    """Return what was propagated by rows as (n, d) entries."""
    reached = np.repeat(propagated.reached[:, None], propagated.values.shape[1], 1)
    return Propagated(propagated.values, reached)


def _propagated_entries(
    values: FloatArray, observed: BoolArray, weights: sparse.csr_array, steps: int
) -> Propagated:
    """Return `propagate` of profiles measured in part, column by column."""
    imputed = np.array(values, dtype=np.result_type(values.dtype, np.float32), copy=True)
    reached = observed.copy()
    for columns in _column_blocks(imputed):
        seen = observed[:, columns]
        part, there = np.where(seen, imputed[:, columns], 0), seen
        for _ in range(steps):
            mean, has_mean = _means(part, there, weights)
            part, there = np.where(seen, part, mean), seen | has_mean
        imputed[:, columns] = np.where(there, part, np.nan)
        reached[:, columns] = there
    return Propagated(imputed, reached)


def _borrowed_entries(
    values: FloatArray, observed: BoolArray, weights: sparse.csr_array
) -> Propagated:
    """Return `borrow` of profiles measured in part, column by column."""
    q, d = weights.shape[0], values.shape[1]
    means = np.full((q, d), np.nan, dtype=np.result_type(values.dtype, np.float32))
    reached = np.zeros((q, d), dtype=np.bool_)
    for columns in _column_blocks(means):
        seen = observed[:, columns]
        mean, has_mean = _means(np.where(seen, values[:, columns], 0), seen, weights)
        means[:, columns] = np.where(has_mean, mean, np.nan)
        reached[:, columns] = has_mean
    return Propagated(means, reached)


def _means(
    values: FloatArray, there: BoolArray, weights: sparse.csr_array
) -> tuple[FloatArray, BoolArray]:
    """Return the neighbours' mean of each entry, 0 where none has it, and where one has.

    Parameters
    ----------
    values : ndarray
        (n, c), 0 where nothing is `there`.
    there : ndarray
        (n, c).
    weights : csr_array
        (q, n), not negative.
    """
    totals = np.asarray(weights @ there.astype(values.dtype))  # (q, c)
    has_mean = totals > 0
    mean = np.asarray(weights @ values) / np.where(has_mean, totals, 1)
    return np.asarray(mean.astype(values.dtype)), has_mean


def _check(values: FloatArray, observed: BoolArray, neighbours: Neighbours) -> None:
    """Raise where the parts do not belong together."""
    if values.ndim != 2 or observed.shape not in (values.shape[:1], values.shape):
        raise DataError(
            f"values have the shape {values.shape}, observed {observed.shape}; "
            "expected (n, d) and (n,), or (n, d) twice"
        )
    if neighbours.rows.max(initial=-1) >= len(values):
        raise DataError(
            f"a neighbour is row {neighbours.rows.max()} of {len(values)}; "
            "compute the neighbours among these molecules"
        )
    if not np.isfinite(values[observed]).all():
        seen = observed if observed.ndim == 2 else observed[:, None]
        row = int(np.flatnonzero((seen & ~np.isfinite(values)).any(axis=1))[0])
        raise DataError(f"row {row} (0-based) counts as observed and has a value that is no number")


def _shares(weights: sparse.csr_array, there: BoolArray) -> tuple[sparse.csr_array, BoolArray]:
    """Return each row's weights over the neighbours that are there, of sum 1 or, if none is, empty.

    Parameters
    ----------
    weights : csr_array
        (q, n), not negative.
    there : ndarray
        (n,), rows with values.

    Returns
    -------
    tuple
        (q, n) shares, and (q,) bool where they sum to 1.
    """
    shares = weights.copy()
    shares.data = np.where(there[weights.indices], weights.data, 0)
    shares.eliminate_zeros()
    totals = np.asarray(shares.sum(axis=1))
    shares.data /= np.repeat(totals, np.diff(shares.indptr))
    return shares, totals > 0


def _column_blocks(values: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield the columns a few at a time: what is in the making then needs little memory."""
    for start in range(0, values.shape[1], COLUMNS):
        yield slice(start, min(start + COLUMNS, values.shape[1]))
