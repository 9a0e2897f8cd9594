"""Which rows are one molecule: groups of rows that share a name at any of several levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chmr_bench.types import IntArray


def molecule_groups(levels: Sequence[Sequence[str]]) -> IntArray:
    """Return the group of each row, (n,): equal where a chain of shared names leads.

    Groups are numbered in the order first met. The name "" is none, and joins nothing.

    Parameters
    ----------
    levels : Sequence[Sequence[str]]
        n names each. Two rows are one molecule where ``connectivity_keys`` or
        ``neutral_parent_keys`` of `features.cache` agree: these two levels.

    Examples
    --------
    >>> own = ["ACETATE", "ACETIC", "ACETIC", ""]
    >>> parents = ["ACETIC", "ACETIC", "", ""]
    >>> molecule_groups([own, parents]).tolist()
    [0, 0, 0, 1]
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n = size = len(levels[0])
    sources, targets = [], []
    for names in levels:
        named = np.flatnonzero(np.array([bool(name) for name in names], dtype=bool))
        sources.append(named)
        targets.append(size + numbered(names)[named])
        size += len(set(names))
    rows, columns = np.concatenate(sources), np.concatenate(targets)
    links = sparse.coo_array((np.ones(len(rows), np.int8), (rows, columns)), (size, size))
    _, labels = connected_components(links, directed=False)
    return numbered(labels[:n].tolist())


def numbered(values: Sequence[object]) -> IntArray:
    """Return a number for each distinct value, (n,), in the order first met."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(v, len(known)) for v in values], dtype=np.int64)
