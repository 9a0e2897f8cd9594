"""Connectivity keys of rows as sources have them, where not every SMILES can be read.

A benchmark may not lose a row, so its features fail on a SMILES that is none. An atlas may: such a
row is marked here, and counted by whoever leaves it out. One pass, cached as any feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chmr_bench import paths
from chmr_bench.contracts import FeatureSpec, MatrixBlock, Progress, no_progress
from chmr_bench.errors import FeatureError, PluginError
from chmr_bench.types import BoolArray

KEYS = FeatureSpec(
    name="connectivity-where-readable",
    title="Connectivity keys as ASCII codes; 1 where the SMILES cannot be read",
    compute="chmr_bench.cells.sources.keys:codes_where_readable",
)
UNREADABLE = 1
RDKIT_REFUSES = (ValueError, RuntimeError)
"""What RDKit raises on a molecule that it parsed and cannot kekulise, or fails on within."""


@dataclass(frozen=True)
class Keys:
    """Keys of n rows, "" where there is none; `unreadable` (n,) says where the SMILES is why."""

    keys: tuple[str, ...]
    unreadable: BoolArray


def keys_where_readable(smiles: Sequence[str], progress: Progress = no_progress) -> Keys:
    """Return the keys, over all cores, from the feature cache where they are there."""
    from chmr_bench.features.cache import featurise, keys_of

    if not smiles:
        return Keys((), np.zeros(0, dtype=bool))
    block = featurise(KEYS, {}, smiles, progress=progress, cache=paths.feature_folder())
    if not isinstance(block, MatrixBlock):
        raise PluginError(f"the feature {KEYS.name!r} is no matrix")
    codes: Any = np.array(block.values, dtype=np.uint8)
    unreadable = codes[:, 0] == UNREADABLE
    codes[unreadable] = 0
    return Keys(keys_of(MatrixBlock(codes, block.observed)), unreadable)


def codes_where_readable(smiles: Sequence[str]) -> MatrixBlock:
    """Return the keys' codes, (n, 14) uint8; a row is 0 without a key, 1 and 0 if unreadable."""
    from chmr_bench.features.identity import KEY_LENGTH, connectivity

    try:
        return connectivity(smiles)
    except (FeatureError, *RDKIT_REFUSES):
        codes: Any = np.zeros((len(smiles), KEY_LENGTH), dtype=np.uint8)
        for row, text in enumerate(smiles):
            try:
                codes[row] = connectivity([text]).values[0]
            except (FeatureError, *RDKIT_REFUSES):
                codes[row, 0] = UNREADABLE
        return MatrixBlock(values=codes, observed=codes[:, 0] > UNREADABLE)
