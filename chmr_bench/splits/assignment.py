"""From groups of molecules that stay together to the rows of train, valid and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.types import IntArray

FRACTIONS = (0.8, 0.1, 0.1)
"""Of train, valid and test."""


def group_by_scaffold(scaffolds: Sequence[str]) -> list[list[int]]:
    """Return the rows of each scaffold: groups in first-seen order, rows ascending."""
    groups: dict[str, list[int]] = {}
    for row, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(row)
    return list(groups.values())


def pour_balanced(groups: Sequence[Sequence[int]]) -> Split:
    """Place whole groups, the largest first, in train, else valid, else test: OGB's rule.

    Groups of equal size go by their first row, descending. A group goes to train while train stays
    within its share, else to valid while train and valid stay within theirs, else to test; the
    limits are floats, as in the published code.
    """
    n = sum(map(len, groups))
    train_limit, valid_limit = FRACTIONS[0] * n, (FRACTIONS[0] + FRACTIONS[1]) * n
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for group in sorted(groups, key=lambda g: (len(g), g[0]), reverse=True):
        if len(train) + len(group) <= train_limit:
            train.extend(group)
        elif len(train) + len(valid) + len(group) <= valid_limit:
            valid.extend(group)
        else:
            test.extend(group)
    return Split(train=ascending(train), valid=ascending(valid), test=ascending(test))


def ascending(rows: Sequence[int] | IntArray) -> IntArray:
    """Return row indices as an ascending int64 array."""
    return np.sort(np.asarray(rows, dtype=np.int64))
