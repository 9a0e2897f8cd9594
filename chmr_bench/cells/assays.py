"""Labelled assays of many molecules: no cells, but targets to pretrain on.

Most molecules were measured in a few of hundreds of assays. So what was measured is kept as a
sparse matrix all the way to a batch, and never as (n, d) numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True)
class AssayBlock:
    """Assays of n molecules.

    Attributes
    ----------
    values : csr_array
        (n, d) float32, finite. What is stored was measured, a stored 0 too; nothing else was.
    names : tuple[str, ...]
        The d assays.

    Raises
    ------
    DataError
        Names and columns do not fit, or a value is not finite.

    Examples
    --------
    >>> block = assay_block([0, 2], [1, 0], [5.0, 0.0], 3, ("a", "b"))
    >>> block.observed_rows.tolist()
    [True, False, True]
    """

    values: sparse.csr_array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) != self.values.shape[1] or len(set(self.names)) != len(self.names):
            raise DataError(
                f"assays: {len(set(self.names))} different names for {self.values.shape[1]} columns"
            )
        if not np.isfinite(self.values.data).all():
            raise DataError("assays: a measured value is not finite")

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def observed_rows(self) -> BoolArray:
        """(n,) bool, True where the molecule was measured in any assay."""
        return np.asarray(np.diff(self.values.indptr) > 0)

    def take(self, rows: IntArray) -> AssayBlock:
        """Return the block of the given rows, in that order."""
        return replace(self, values=self.values[rows])

    def dense(self, rows: IntArray) -> FloatArray:
        """Return (b, d) float32 of the rows of a batch, NaN where nothing was measured."""
        part = self.values[rows].tocoo()
        out: FloatArray = np.full(part.shape, np.nan, dtype=np.float32)
        out[part.row, part.col] = part.data
        return out


def assay_block(
    rows: Sequence[int] | IntArray,
    columns: Sequence[int] | IntArray,
    values: Sequence[float] | FloatArray,
    n: int,
    names: tuple[str, ...],
) -> AssayBlock:
    """Return the block of n rows with these measurements, one at most of an entry."""
    from scipy import sparse

    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(np.asarray(rows, dtype=int), minlength=n))])
    data = np.asarray(values, dtype=np.float32)[order]
    indices = np.asarray(columns, dtype=np.int32)[order]
    return AssayBlock(sparse.csr_array((data, indices, indptr), shape=(n, len(names))), names)


def joined(pieces: Sequence[tuple[AssayBlock, IntArray]], n: int) -> tuple[AssayBlock, int]:
    """Return one block of n molecules, each entry the mean of its measurements; and the conflicts.

    A conflict is an entry with two measurements that differ. The pieces, each with the molecule of
    every row (-1 = none), have the same assays.

    Examples
    --------
    >>> twice = assay_block([0, 1], [0, 0], [0.0, 1.0], 2, ("a",))
    >>> block, conflicts = joined([(twice, np.array([0, 0]))], 1)
    >>> block.values.data.tolist(), conflicts
    ([0.5], 1)
    """
    names = pieces[0][0].names
    parts = [(block.values.tocoo(), targets) for block, targets in pieces]
    rows = np.concatenate([targets[part.row] for part, targets in parts])
    columns = np.concatenate([part.col for part, _ in parts]).astype(np.int64)
    values = np.concatenate([part.data for part, _ in parts])
    kept = rows >= 0
    entries, place = np.unique(rows[kept] * len(names) + columns[kept], return_inverse=True)
    counts = np.bincount(place, minlength=len(entries))
    mean = np.bincount(place, weights=values[kept], minlength=len(entries)) / np.maximum(counts, 1)
    differs = ~np.isclose(values[kept], mean[place], rtol=1e-6, atol=0)
    conflicts = int((np.bincount(place, weights=differs, minlength=len(entries)) > 0).sum())
    at = np.divmod(entries, len(names))
    return assay_block(*at, mean, n, names), conflicts


def add_assays(h: hashlib._Hash, assays: Mapping[str, AssayBlock]) -> None:
    """Add the blocks in the order of their names; nothing where there are none."""
    for name in sorted(assays):
        block = assays[name]
        h.update(f"{name} {block.values.shape}\0".encode() + "\n".join(block.names).encode())
        for array, kind in (
            (block.values.indptr, "<i8"),
            (block.values.indices, "<i8"),
            (block.values.data, "<f4"),
        ):
            h.update(np.ascontiguousarray(array, dtype=kind).tobytes())
