"""Test molecules that a model was trained on, at five levels of what counts as one molecule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.types import PARTS, BoolArray, IntArray, Part

Level: TypeAlias = Literal["smiles", "parent", "connectivity", "molecule", "scaffold"]
LEVELS: tuple[Level, ...] = ("smiles", "parent", "connectivity", "molecule", "scaffold")
"""Canonical SMILES; SMILES of the parent without salt and charge; first 14 characters of the
InChIKey (canonical SMILES where there is none); the molecule in any salt, charge or tautomer form
(`features.groups`); Bemis-Murcko scaffold without stereo marks."""

Names: TypeAlias = Mapping[Level, Sequence[str]]
"""Level -> n names, equal where two rows are one at that level; "" = the row has none."""


@dataclass(frozen=True)
class Leak:
    """How many test rows have a twin among the rows that a model saw.

    Attributes
    ----------
    unnamed_rows : int
        Test rows without a name at that level (no ring, so no scaffold): never leaked.
    """

    level: Level
    test_rows: int
    leaked_rows: int
    unnamed_rows: int

    @property
    def share(self) -> float:
        """Return leaked rows among all test rows, from 0 to 1."""
        return self.leaked_rows / self.test_rows


@dataclass(frozen=True)
class SplitGroups:
    """Groups of rows that are one at a level and stand in more than one part."""

    level: Level
    groups: int
    straddling_groups: int
    straddling_rows: int


def codes(names: Sequence[str]) -> IntArray:
    """Return a number for each name, (n,) int64, equal where names are; -1 for ""."""
    values = np.asarray(names, dtype=np.str_)
    _, inverse = np.unique(values, return_inverse=True)
    return np.where(values == "", -1, inverse.reshape(-1)).astype(np.int64)


def shared_rows(names: Sequence[str], rows: IntArray, seen: IntArray) -> BoolArray:
    """Return which of `rows` have the name of a row in `seen`, (len(rows),)."""
    numbers = codes(names)
    own = numbers[rows]
    is_shared: BoolArray = np.isin(own, numbers[seen]) & (own >= 0)
    return is_shared


def leaks(names: Names, split: Split, seen: Sequence[Part] = ("train",)) -> tuple[Leak, ...]:
    """Return a leak a level: test rows against the rows of the parts in `seen`."""
    rows = np.concatenate([split.part(part) for part in seen])
    per_level = []
    for level in LEVELS:
        leaked = shared_rows(names[level], split.test, rows)
        unnamed = sum(not names[level][i] for i in split.test.tolist())
        per_level.append(Leak(level, len(split.test), int(leaked.sum()), unnamed))
    return tuple(per_level)


def split_groups(names: Names, split: Split) -> tuple[SplitGroups, ...]:
    """Return, a level, the groups with rows in more than one of train, valid and test."""
    return tuple(_split_groups(level, codes(names[level]), split) for level in LEVELS)


def _split_groups(level: Level, numbers: IntArray, split: Split) -> SplitGroups:
    n_groups = int(numbers.max(initial=-1)) + 1
    counts = np.zeros((len(PARTS), n_groups), dtype=np.int64)  # (3, groups)
    for i, part in enumerate(PARTS):
        named = numbers[split.part(part)]
        counts[i] = np.bincount(named[named >= 0], minlength=n_groups)
    torn = (counts > 0).sum(axis=0) > 1
    return SplitGroups(
        level=level,
        groups=int((counts.sum(axis=0) > 0).sum()),
        straddling_groups=int(torn.sum()),
        straddling_rows=int(counts[:, torn].sum()),
    )
