"""Imputation: what is put where an entry was masked, for those who want the harness to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench.ablation.missing import Fill
from chmr_bench.cells import propagation
from chmr_bench.contracts import MatrixBlock
from chmr_bench.features.tanimoto import nearest
from chmr_bench.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from scipy import sparse

NEIGHBOURS, STEPS = 10, 5
"""K and T of eq. 1 of CHMR (arXiv 2511.21120), as `chmr` has them by itself."""


@dataclass(frozen=True)
class MaskedRows:
    """n molecules some of whose entries were masked.

    Attributes
    ----------
    block :
        n rows; the masked ones are not observed.
    rows :
        (n,) True where to impute.
    bits :
        Returns the (n, d) fingerprint bits; called only where neighbours donate.
    """

    block: MatrixBlock
    rows: BoolArray
    bits: Callable[[], sparse.csr_array]


def impute(kind: Fill, holes: MaskedRows, donors: MaskedRows | None = None) -> MatrixBlock:
    """Return the block with its holes filled, as far as anyone donates; those count as observed.

    Of profiles measured in part each entry is imputed from the entries that others have, and one
    that nobody has stays open; a molecule that kept any of its own gets nothing put between them.

    Parameters
    ----------
    donors :
        The training molecules, who alone may donate; None = the molecules themselves.
    """
    if kind == "none" or not holes.rows.any():
        return holes.block
    holes = replace(holes, block=holes.block.settled())
    donors = donors and replace(donors, block=donors.block.settled())
    given = _given(kind, holes, donors)  # (number of holes, d), NaN = nobody donates
    if holes.block.in_part or (donors is not None and donors.block.in_part):
        return _with_entries(holes, given)
    reached = np.isfinite(given).all(axis=1)
    rows = np.flatnonzero(holes.rows)[reached]
    values = np.array(_values(holes.block), copy=True)
    values[rows] = given[reached]
    observed = holes.block.observed.copy()
    observed[rows] = True
    return replace(holes.block, values=values, observed=observed)


def _with_entries(holes: MaskedRows, given: FloatArray) -> MatrixBlock:
    """Return a block measured in part with what is given in the holes."""
    values, observed = np.array(_values(holes.block), copy=True), holes.block.entries.copy()
    values[holes.rows], observed[holes.rows] = given, np.isfinite(given)
    return replace(holes.block, values=values, observed=observed)


def _given(kind: Fill, holes: MaskedRows, donors: MaskedRows | None) -> FloatArray:
    giver = donors or holes
    in_part = giver.block.in_part
    observed = giver.block.entries if in_part else giver.block.observed
    known = np.where(observed, _values(giver.block), 0.0) if in_part else _complete(giver.block)
    n, d = int(holes.rows.sum()), known.shape[1]
    if kind == "zero":
        return np.zeros((n, d))
    if not observed.any():
        return np.full((n, d), np.nan)
    if kind == "mean" and in_part:
        counts = observed.sum(axis=0)
        mean = np.where(counts > 0, known.sum(axis=0) / np.maximum(counts, 1), np.nan)
        return np.tile(mean, (n, 1))
    if kind == "mean":
        return np.tile(known[observed].mean(axis=0), (n, 1))
    if kind == "propagation":
        near = nearest(giver.bits(), NEIGHBOURS)
        reached = propagation.propagate(known, observed, near, STEPS)
        if donors is None:
            return np.asarray(reached.values[holes.rows])
        known, observed = reached.values, reached.reached
    rows = np.asarray(observed.any(axis=1)) if in_part else observed
    near = nearest(giver.bits()[rows], NEIGHBOURS, queries=holes.bits()[holes.rows])
    return np.asarray(propagation.borrow(known[rows], observed[rows], near).values)


def _complete(block: MatrixBlock) -> FloatArray:
    """Return (n, d) where a missing entry of an observed row has its column's mean."""
    values = np.array(_values(block), dtype=np.float64, copy=True)
    seen = values[block.observed]
    gaps = ~np.isfinite(seen)
    if gaps.any():
        count = np.maximum((~gaps).sum(axis=0), 1)
        mean = np.where(gaps, 0.0, seen).sum(axis=0) / count
        values[block.observed] = np.where(gaps, mean, seen)
    return values


def _values(block: MatrixBlock) -> FloatArray:
    values = block.dense()
    return values if values.dtype.kind == "f" else values.astype(np.float64)
