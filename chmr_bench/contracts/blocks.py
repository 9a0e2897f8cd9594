"""One modality of n molecules: a matrix, or graphs laid end to end.

Dimension letters: `n` molecules, `d` features, `v` atoms, `e` directed bonds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True)
class HeldRows:
    """A dense (n, d) matrix of which some rows alone are held; the others hold one number.

    What merged atlases measured of a few of many molecules would not fit into memory otherwise.
    `matrix[rows]` is an array of these rows, and `np.asarray(matrix)` one of all.

    Attributes
    ----------
    rows
        (m,) int64 ascending, which are held.
    held
        (m, d) float, their values.
    n
        Number of rows.
    fill
        What the others hold.

    Examples
    --------
    >>> matrix = HeldRows(np.array([1]), np.array([[0.5, 2.0]]), n=3)
    >>> matrix.shape, matrix[np.array([1, 0])].tolist()
    ((3, 2), [[0.5, 2.0], [nan, nan]])
    """

    rows: IntArray
    held: FloatArray
    n: int
    fill: float = np.nan

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self.n, self.held.shape[1]

    @property
    def ndim(self) -> int:
        """2, as of any matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers held."""
        return self.held.dtype

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: int | IntArray | BoolArray | slice) -> FloatArray:
        """Return the (k, d) array of these rows; of one its (d,) numbers."""
        chosen = np.arange(self.n)[rows]
        values = np.asarray(self.take(np.atleast_1d(chosen)))
        return values if np.ndim(chosen) else values[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        values = np.full(self.shape, self.fill, dtype=dtype or self.dtype)
        values[self.rows] = self.held
        return values

    def take(self, rows: IntArray | BoolArray) -> HeldRows:
        """Return the matrix of the given rows, in that order."""
        place = np.full(self.n, -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        found = place[rows]
        there = np.flatnonzero(found >= 0)
        return replace(self, rows=there, held=self.held[found[there]], n=len(found))

    def without(self, gone: BoolArray) -> HeldRows:
        """Return the matrix of which these rows, (n,) bool, are not held."""
        kept = ~gone[self.rows]
        return replace(self, rows=self.rows[kept], held=self.held[kept])


@dataclass(frozen=True)
class MatrixBlock:
    """One modality as a matrix.

    Attributes
    ----------
    values
        (n, d) float or integer array, a scipy CSR matrix, or, in a merged atlas, `HeldRows`. Rows
        and entries that are not observed hold NaN (dense) or nothing (sparse) and must not be read.
    observed
        (n,) bool, True where the molecule has this modality; or (n, d), where it may have a
        part of it.
    names
        The d column names, or empty.

    Examples
    --------
    >>> block = MatrixBlock(np.array([[0.5], [np.nan]]), observed=np.array([True, False]))
    >>> len(block), block.take(np.array([0])).values.tolist()
    (2, [[0.5]])
    """

    values: FloatArray | sparse.csr_array | HeldRows
    observed: BoolArray
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.observed.shape[0])

    @property
    def in_part(self) -> bool:
        """Whether a row may be measured in part: `observed` is (n, d)."""
        return self.observed.ndim == 2

    @property
    def observed_rows(self) -> BoolArray:
        """(n,) bool, True where the molecule has anything of this modality."""
        return np.asarray(self.observed.any(axis=1) if self.in_part else self.observed)

    @property
    def entries(self) -> BoolArray:
        """(n, d) bool, True where a number was measured: observed, and finite where dense."""
        rows = self.observed if self.in_part else self.observed[:, None]
        dense = isinstance(self.values, np.ndarray | HeldRows)
        finite = np.isfinite(np.asarray(self.values)) if dense else True
        return np.asarray(np.broadcast_to(rows & finite, self.values.shape))

    def settled(self) -> MatrixBlock:
        """Return the one way to write a block measured in part; another block as it is.

        Entries that are no finite number are not observed. Where then every molecule has all
        columns or none, `observed` is (n,).

        Examples
        --------
        >>> values = np.array([[1.0, 2.0], [np.nan, np.nan]])
        >>> MatrixBlock(values, np.isfinite(values)).settled().observed.tolist()
        [True, False]
        """
        if not self.in_part:
            return self
        entries = self.entries
        rows = np.asarray(entries.any(axis=1))
        return replace(self, observed=rows if (entries == rows[:, None]).all() else entries)

    def complete_rows(self, name: str, reader: str) -> BoolArray:
        """Return (n,) bool, which molecules have a profile, for a reader of full profiles alone.

        Parameters
        ----------
        name : str
            Of the block, for the message.
        reader : str
            What reads it, for the message.

        Raises
        ------
        DataError
            The block is measured in part.
        """
        if self.in_part:
            rows = self.observed_rows
            share = self.observed[rows].mean() if rows.any() else 0.0
            raise DataError(
                f"block {name!r} is measured in part ({share:.0%} of the entries of its molecules) "
                f"and {reader} reads full profiles alone; take one that reads entry by entry, "
                "or read-outs that are measured in full"
            )
        return self.observed

    def dense(self) -> FloatArray:
        """Return the values as an array, (n, d); what is sparse has 0 where nothing stands."""
        if isinstance(self.values, np.ndarray | HeldRows):
            return np.asarray(self.values)
        return self.values.toarray()

    def take(self, rows: IntArray | BoolArray) -> MatrixBlock:
        """Return the block of the given rows, in that order."""
        values = self.values
        values = values.take(rows) if isinstance(values, HeldRows) else values[rows]
        return replace(self, values=values, observed=self.observed[rows])


@dataclass(frozen=True)
class GraphBlock:
    """Molecular graphs of n molecules, laid end to end.

    Attributes
    ----------
    atoms
        (v, 9) int64, OGB's atom features.
    bonds
        (e, 3) int64, OGB's bond features; each bond stands twice, once a direction.
    edges
        (2, e) int64, atom indices within the molecule.
    atom_offsets
        (n + 1,) int64, where each molecule's atoms and bonds begin.
    bond_offsets
        (n + 1,) int64, where each molecule's atoms and bonds begin.
    observed
        (n,) bool.

    Examples
    --------
    Atoms of the first molecule:

    ```python
    block.atoms[block.atom_offsets[0] : block.atom_offsets[1]]
    ```
    """

    atoms: IntArray
    bonds: IntArray
    edges: IntArray
    atom_offsets: IntArray
    bond_offsets: IntArray
    observed: BoolArray

    def __len__(self) -> int:
        return int(self.observed.shape[0])

    def take(self, rows: IntArray) -> GraphBlock:
        """Return the graphs of the given rows, in that order."""
        atom_rows, atom_offsets = _gather(self.atom_offsets, rows)
        bond_rows, bond_offsets = _gather(self.bond_offsets, rows)
        return GraphBlock(
            atoms=self.atoms[atom_rows],
            bonds=self.bonds[bond_rows],
            edges=self.edges[:, bond_rows],
            atom_offsets=atom_offsets,
            bond_offsets=bond_offsets,
            observed=self.observed[rows],
        )


def _gather(offsets: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the item indices of ragged `rows`, and the offsets of the gathered items."""
    lengths = offsets[1:][rows] - offsets[:-1][rows]
    new_offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    starts = np.repeat(offsets[:-1][rows] - new_offsets[:-1], lengths)
    return starts + np.arange(new_offsets[-1], dtype=np.int64), new_offsets


Block: TypeAlias = MatrixBlock | GraphBlock


def modality_of(block: str) -> str:
    """Return the modality of a block's name: the part before the first dot."""
    return block.partition(".")[0]


def block_arrays(block: Block) -> list[Any]:
    """Return the arrays that make up the content of a block, for hashing."""
    if isinstance(block, GraphBlock):
        return list(vars(block).values())
    values = block.values
    if isinstance(values, np.ndarray | HeldRows):
        return [np.asarray(values, dtype="<f8"), block.observed]
    return [values.data, values.indices, values.indptr, block.observed]


def forbid_changes(block: Block) -> None:
    """Make every array of a block read-only."""
    for value in vars(block).values():
        names = ("data", "indices", "indptr", "rows", "held")
        parts = [value, *(getattr(value, name, None) for name in names)]
        for part in parts:
            if isinstance(part, np.ndarray):
                part.setflags(write=False)
