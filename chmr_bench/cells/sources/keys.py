"""Connectivity keys of rows as sources have them, where not every SMILES can be read.

A benchmark may not lose a row, so its features fail on a SMILES that is none. An atlas may: such a
row is marked here, and counted by whoever leaves it out. One pass, cached as any feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from chmr_bench import paths
from chmr_bench.contracts import FeatureSpec, MatrixBlock, Progress, no_progress
from chmr_bench.errors import FeatureError
from chmr_bench.features.groups import numbered
from chmr_bench.features.plugin import KEY_LENGTH
from chmr_bench.types import BoolArray

KEYS = FeatureSpec(
    name="connectivity-where-readable",
    title="Connectivity keys as ASCII codes; 1 where the SMILES cannot be read",
    compute="chmr_bench.cells.sources.keys:codes_where_readable",
)
STRICT_KEYS = FeatureSpec(
    name="connectivity-where-sanitised",
    title="Connectivity keys as ASCII codes; 1 where RDKit does not sanitise the molecule",
    compute="chmr_bench.cells.sources.keys:codes_where_sanitised",
)
UNREADABLE = 1
RDKIT_REFUSES = (ValueError, RuntimeError)
"""What RDKit raises on a molecule that it parsed and cannot kekulise, or fails on within."""


@dataclass(frozen=True)
class Keys:
    """Keys of n rows, "" where there is none; `unreadable` (n,) says where the SMILES is why."""

    keys: tuple[str, ...]
    unreadable: BoolArray


def keys_where_readable(
    smiles: Sequence[str], progress: Progress = no_progress, *, strict: bool = False
) -> Keys:
    """Return the keys, over all cores, from the feature cache where they are there.

    Parameters
    ----------
    strict : bool
        A molecule that RDKit parses and does not sanitise is unreadable too: an indole written
        without its hydrogen, say, which would have another molecule's key.
    """
    from chmr_bench.features.cache import keys_of, matrix_of

    if not smiles:
        return Keys((), np.zeros(0, dtype=bool))
    different = list(dict.fromkeys(smiles))
    spec = STRICT_KEYS if strict else KEYS
    block = matrix_of(spec, different, progress=progress, cache=paths.feature_folder())
    codes: Any = np.array(block.values, dtype=np.uint8)
    unreadable = codes[:, 0] == UNREADABLE
    codes[unreadable] = 0
    keys = keys_of(MatrixBlock(codes, block.observed))
    rows = numbered(smiles)
    return Keys(tuple(keys[i] for i in rows), unreadable[rows])


def neutral_parents(
    smiles: Sequence[str],
    progress: Progress = no_progress,
    *,
    known: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Return the connectivity of each neutral parent, "" where the SMILES cannot be read.

    Over all cores, from the feature cache where they are there.

    Parameters
    ----------
    known : Mapping[str, str]
        SMILES -> connectivity, of all or of none, where `keys_where_readable` has made them.
    """
    from chmr_bench.features.cache import neutral_parent_keys

    def made(texts: Sequence[str]) -> tuple[str, ...]:
        own = [known[text] for text in texts] if known else ()
        return neutral_parent_keys(texts, own, progress=progress, cache=paths.feature_folder())

    if not smiles:
        return ()
    try:
        return made(smiles)
    except (FeatureError, *RDKIT_REFUSES):  # a table that brings its keys may bring such SMILES
        readable = ~keys_where_readable(smiles, progress).unreadable
        parents = iter(made([smiles[i] for i in np.flatnonzero(readable).tolist()]))
        return tuple(next(parents) if read else "" for read in readable)


def codes_where_sanitised(smiles: Sequence[str]) -> MatrixBlock:
    """Return what `codes_where_readable` does; unreadable is what RDKit does not sanitise, too."""
    from chmr_bench.features.molecules import strictly_parsable

    refused = np.array([strictly_parsable(text) is not None for text in smiles], dtype=bool)
    kept = [text for text, refuse in zip(smiles, refused, strict=True) if not refuse]
    codes: Any = np.zeros((len(smiles), KEY_LENGTH), dtype=np.uint8)
    codes[refused, 0] = UNREADABLE
    if kept:
        codes[~refused] = codes_where_readable(kept).values
    return MatrixBlock(values=codes, observed=codes[:, 0] > UNREADABLE)


def codes_where_readable(smiles: Sequence[str]) -> MatrixBlock:
    """Return the keys' codes, (n, 14) uint8; a row is 0 without a key, 1 and 0 if unreadable."""
    from chmr_bench.features.identity import connectivity

    try:
        return connectivity(smiles)
    except (FeatureError, *RDKIT_REFUSES):
        codes: Any = np.zeros((len(smiles), KEY_LENGTH), dtype=np.uint8)
        for row, text in enumerate(smiles):
            try:
                codes[row] = connectivity([text]).dense()[0]
            except (FeatureError, *RDKIT_REFUSES):
                codes[row, 0] = UNREADABLE
        return MatrixBlock(values=codes, observed=codes[:, 0] > UNREADABLE)
