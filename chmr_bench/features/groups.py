"""Which rows are one molecule: groups of rows that share a name at any of several levels.

Two rows are one molecule where their connectivity or that of their neutral parent agrees, or where
a chain of such rows leads from one to the other: so a salt, a charge or a tautomer is the molecule
itself. Atlases, splits, audits and links all ask here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.types import BoolArray, IntArray

MOLECULE_VERSION = "1"
"""Changes whenever other rows are one molecule; part of what an atlas and weights depend on."""

_ATOM = r"Cl|Br|[CNOPSFIcnops]"
_PLAIN = re.compile(rf"(?:{_ATOM}|\[\d*(?:{_ATOM}|H)@{{0,2}}(?:H\d?)?(?::\d+)?\]|[-=#:/\\()%\d])+")
"""SMILES of one fragment of non-metals (`identity.NON_METALS`), written without a charge."""


@dataclass(frozen=True)
class MoleculeKeys:
    """The two names of n molecules, "" where there is none; see `cache.molecule_keys`.

    Attributes
    ----------
    keys : tuple[str, ...]
        Connectivities.
    parents : tuple[str, ...]
        Connectivities of the neutral parents.

    Examples
    --------
    >>> acid, salt = MoleculeKeys(("ACID",), ("ACID",)), MoleculeKeys(("SALT",), ("ACID",))
    >>> salt.among(acid).tolist()
    [True]
    """

    keys: tuple[str, ...]
    parents: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def __add__(self, other: MoleculeKeys) -> MoleculeKeys:
        return MoleculeKeys(self.keys + other.keys, self.parents + other.parents)

    def take(self, rows: IntArray) -> MoleculeKeys:
        """Return the names of these rows."""
        chosen = rows.tolist()
        return MoleculeKeys(
            tuple(self.keys[i] for i in chosen), tuple(self.parents[i] for i in chosen)
        )

    def groups(self) -> IntArray:
        """Return the molecule of each row, (n,), in the order first met."""
        return molecule_groups([self.keys, self.parents])

    def among(self, others: MoleculeKeys) -> BoolArray:
        """Return which rows, (n,), are a molecule of the others."""
        groups = (self + others).groups()
        return np.isin(groups[: len(self)], groups[len(self) :])


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


def plainly_neutral(smiles: str) -> bool:
    """Return whether the text alone shows one fragment without metals, written without a charge.

    Such a molecule has the connectivity of its neutral parent, which need not be computed twice.

    Examples
    --------
    >>> [plainly_neutral(s) for s in ("C[C@H](N)c1c[nH]cc1", "CC(=O)[O-]", "CCO.Cl", "C[Na]", "*C")]
    [True, False, False, False, False]
    """
    return _PLAIN.fullmatch(smiles) is not None


def numbered(values: Sequence[object]) -> IntArray:
    """Return a number for each distinct value, (n,), in the order first met."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(v, len(known)) for v in values], dtype=np.int64)
