"""How strong a molecule's phenotype is among those observed, by its profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import BoolArray, FloatArray, IntArray


def any_observed(parts: Sequence[MatrixBlock]) -> BoolArray:
    """Return (n,) where any block of a modality was observed."""
    return np.asarray(
        np.logical_or.reduce([block.observed_rows for block in parts]), dtype=np.bool_
    )


def phenotype_rank(parts: Sequence[MatrixBlock], drawn: FloatArray) -> FloatArray:
    """Return (n,) the share of observed molecules whose phenotype is weaker; 1 where not observed.

    The strength of a phenotype is the root mean square of its columns (in part: of those that were
    measured), standardised over the observed rows; of the strongest block where a modality has
    several; the mean over the rows of one molecule. Equally strong molecules go by their (n,)
    uniform `drawn` numbers, which tell molecules apart; the order of rows is nothing to it.
    """
    observed = any_observed(parts)
    strength = np.full(len(observed), -np.inf)
    for block in (part.settled() for part in parts):
        seen = block.observed_rows
        strength[seen] = np.maximum(strength[seen], _strength(block))
    rows = np.flatnonzero(observed)
    molecules, who = np.unique(drawn[rows], return_inverse=True)
    place = np.empty(len(molecules))
    place[np.argsort(_means(strength[rows], who), kind="stable")] = np.arange(len(molecules))
    rank = np.ones(len(observed))
    rank[rows] = place[who] / max(len(molecules), 1)
    return rank


def _means(values: FloatArray, who: IntArray) -> FloatArray:
    """Return (m,) the mean value of each of m, the same to the last bit in any order of rows."""
    order = np.lexsort((values, who))
    values, who = values[order], who[order]
    least = values[np.unique(who, return_index=True)[1]]  # equal values have exactly that mean
    above = np.bincount(who, weights=values - least[who], minlength=len(least))
    return np.asarray(least + above / np.bincount(who, minlength=len(least)))


def _strength(block: MatrixBlock) -> FloatArray:
    """Return the strength of each observed row, see `phenotype_rank`."""
    rows = block.observed_rows
    values = np.array(block.dense()[rows], dtype=np.float64, order="C")
    if block.in_part:
        values[~block.entries[rows]] = np.nan
    centre, spread = _moments(values)
    scaled = np.nan_to_num((values - centre) / np.where(spread > 0, spread, 1.0))
    if block.in_part:
        n_entries = np.maximum(np.isfinite(values).sum(axis=1), 1)
        return np.asarray(np.sqrt((scaled**2).sum(axis=1) / n_entries))
    return np.asarray(np.sqrt(np.mean(scaled**2, axis=1)))


def _moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of columns, the same to the last bit in any row order."""
    if not len(values):
        return np.zeros(values.shape[1]), np.ones(values.shape[1])
    ordered = np.sort(values, axis=0)
    centre, spread = np.zeros(values.shape[1]), np.ones(values.shape[1])
    there = ~np.isnan(values).all(axis=0)  # a column without any number has no moments
    centre[there] = np.nanmean(ordered[:, there], axis=0)
    spread[there] = np.nanstd(ordered[:, there], axis=0)
    return centre, spread
