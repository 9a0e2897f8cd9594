"""A few descriptors beside a fingerprint: which, and how a network reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from chmr_bench.contracts import FeatureRequest, Inputs, MatrixBlock
from chmr_bench.features.bits import log_counts_of
from chmr_bench.types import FloatArray

PROPERTIES = (
    "MolWt",
    "MolLogP",
    "TPSA",
    "NumHDonors",
    "NumHAcceptors",
    "NumRotatableBonds",
    "RingCount",
    "NumAromaticRings",
    "FractionCSP3",
    "qed",
    "LabuteASA",
    "BertzCT",
    "HallKierAlpha",
    "MaxPartialCharge",
    "NumHeteroatoms",
)
"""Size, polarity, flexibility, rings, complexity and charge: what a fingerprint does not sum up."""
DESCRIPTORS = "descriptors"
"""The block of these, as models ask for it."""
CLIPPED = (1.0, 99.0)
"""Percentiles of the training rows; what lies beyond counts as this."""


def property_request(names: Sequence[str] = PROPERTIES) -> FeatureRequest:
    """Return the request for RDKit descriptors of these names, in this order."""
    return FeatureRequest("descriptors", {"names": ",".join(names)})


@dataclass(frozen=True)
class ClippedScale:
    """Clips and standardises columns as learnt on training rows; what is not observed is 0.

    Attributes
    ----------
    low, high : FloatArray
        (d,) between which values are clipped.
    centre, spread : FloatArray
        (d,) mean and standard deviation of the clipped training values; a constant column has
        spread 1.
    """

    low: FloatArray
    high: FloatArray
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, train: MatrixBlock) -> Self:
        """Return the scale of the training rows of a dense block; an empty column counts as 0.

        Examples
        --------
        >>> values = np.array([[1.0], [3.0], [np.nan]])
        >>> block = MatrixBlock(values, np.isfinite(values))
        >>> ClippedScale.of(block).apply(block).round(2).tolist()
        [[-1.0], [1.0], [0.0]]
        """
        values = _observed(train)
        values[:, np.isnan(values).all(axis=0)] = 0.0
        low, high = np.nanpercentile(values, CLIPPED, axis=0)
        clipped = np.clip(values, low, high)
        spread = np.where(high > low, np.nanstd(clipped, axis=0), 1.0)  # not of rounding alone
        return cls(low, high, np.nanmean(clipped, axis=0), spread)

    def apply(self, block: MatrixBlock) -> FloatArray:
        """Return the rows of a block scaled, (n, d) float32, finite."""
        clipped = np.clip(_observed(block), self.low, self.high)
        scaled = (clipped - self.centre) / self.spread
        return np.asarray(np.nan_to_num(scaled), dtype=np.float32)


@dataclass(frozen=True)
class CountedColumns:
    """Log counts of fingerprints and standardised descriptors, side by side.

    Attributes
    ----------
    fingerprints : tuple[str, ...]
        Their blocks, of counts or of bits.
    scale : ClippedScale | None
        Of the block ``descriptors``, from the training rows; None = none are read.
    """

    fingerprints: tuple[str, ...]
    scale: ClippedScale | None

    @classmethod
    def of(cls, train: Inputs, fingerprints: Sequence[str], descriptors: bool = True) -> Self:
        """Return the columns as the training rows scale them."""
        scale = ClippedScale.of(train.matrix(DESCRIPTORS)) if descriptors else None
        return cls(tuple(fingerprints), scale)

    def read(self, inputs: Inputs) -> sparse.csr_array:
        """Return what a network reads of n molecules, (n, d) float32."""
        counts = log_counts_of(inputs, self.fingerprints)
        if self.scale is None:
            return counts
        scaled = sparse.csr_array(self.scale.apply(inputs.matrix(DESCRIPTORS)))
        return sparse.csr_array(sparse.hstack([counts, scaled], format="csr"))


def _observed(block: MatrixBlock) -> Any:
    """Return the values (n, d) in double precision, NaN where there is none."""
    observed = block.observed if block.observed.ndim == 2 else block.observed[:, None]
    return np.where(observed, np.asarray(block.values, dtype=np.float64), np.nan)
