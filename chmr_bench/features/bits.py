"""Which fingerprints a model reads: settings, requests, and the matrix they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy import sparse

from chmr_bench import DataError, FeatureRequest, Inputs

Fingerprint = Literal["morgan", "fcfp", "maccs", "rdkit", "atom_pair", "torsion", "avalon"]
NO_COUNTS = ("maccs", "avalon")
"""Fingerprints that say of a bit whether it is set, and not how often."""


class FingerprintConfig(BaseModel):
    """The settings every fingerprint model has: what it reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[Fingerprint, ...] = Field(
        ("morgan",),
        min_length=1,
        description="fingerprints, laid side by side; every bit is there (1) or not (0)",
    )
    radius: int = Field(2, ge=0, le=6, description="radius of the Morgan fingerprints, in bonds")
    n_bits: int = Field(
        2048,
        ge=64,
        le=8192,
        description="length of every fingerprint that is folded (all but MACCS)",
    )

    @field_validator("features", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        """Take ``morgan`` or ``morgan,maccs`` for a list, as a command line gives it."""
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("features")
    @classmethod
    def _no_twins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"names a fingerprint twice: {', '.join(value)}")
        return value


def requests(config: FingerprintConfig, counts: bool = False) -> Mapping[str, FeatureRequest]:
    """Return what to compute: one block a fingerprint, called by the fingerprint's name.

    Parameters
    ----------
    counts : bool
        Ask how often a bit is set, where a fingerprint can say so (all but `NO_COUNTS`).
    """
    requested: dict[str, FeatureRequest] = {}
    for name in config.features:
        settings: dict[str, Any] = {} if name == "maccs" else {"n_bits": config.n_bits}
        if name in ("morgan", "fcfp"):
            settings["radius"] = config.radius
        if counts and name not in NO_COUNTS:
            settings["counts"] = True
        requested[name] = FeatureRequest(name, settings)
    return requested


def bits_of(inputs: Inputs, config: FingerprintConfig) -> sparse.csr_array:
    """Return the fingerprints side by side: (n, d) float32 zeros and ones, indices sorted.

    A molecule whose fingerprint is not observed has no bit set there.

    Raises
    ------
    DataError
        A block is not there, or has not one row a molecule.
    """
    joined = _joined(inputs, config.features)
    joined.data = np.ones(joined.nnz, dtype=np.float32)
    return joined


def log_counts_of(inputs: Inputs, names: Sequence[str]) -> sparse.csr_array:
    """Return log(1 + count) of blocks of fingerprints side by side, (n, d) float32.

    Of bits the count is 1: log 2 where one is set. Else as `bits_of`.
    """
    joined = _joined(inputs, names)
    joined.data = np.log1p(joined.data.astype(np.float32))
    return joined


def _joined(inputs: Inputs, names: Sequence[str]) -> sparse.csr_array:
    parts = []
    for name in names:
        block = inputs.matrix(name)
        if len(block) != len(inputs):
            raise DataError(f"block {name!r} has {len(block)} rows, expected {len(inputs)}")
        values = sparse.csr_array(block.values)
        if not block.observed.all():
            values = sparse.csr_array(sparse.diags_array(block.observed.astype(float)) @ values)
        parts.append(values)
    joined = sparse.csr_array(sparse.hstack(parts, format="csr"))
    joined.eliminate_zeros()
    joined.sort_indices()
    return joined
