"""Molecules with their blocks and labels, and their split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chmr_bench.contracts.blocks import Block, GraphBlock, MatrixBlock, block_arrays, forbid_changes
from chmr_bench.errors import DataError
from chmr_bench.types import PARTS, FloatArray, IntArray, Part


@dataclass(frozen=True)
class Inputs:
    """What a model may see of n molecules. It has no labels, so leakage does not type-check.

    Attributes
    ----------
    smiles
        n SMILES as the dataset gives them.
    blocks
        Modality or feature name -> block of n rows. The names are those of the model's
        `needs` and, for cell data, of its spec's `reads`.
    keys
        n connectivity keys (first 14 characters of the InChIKey; "" where none can be
        made), or an empty tuple unless the model asks for the feature ``connectivity``.

    Examples
    --------
    In a model's `fit`, whose `needs` names the block ``bits``:

    ```python
    x = train.matrix("bits").values  # (n, d)
    ```
    """

    smiles: tuple[str, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.smiles)

    def take(self, rows: IntArray) -> Inputs:
        """Return the given rows, in that order."""
        return Inputs(
            smiles=_taken(self.smiles, rows),
            blocks={name: block.take(rows) for name, block in self.blocks.items()},
            keys=_taken(self.keys, rows),
        )

    def read_only(self) -> Inputs:
        """Return the inputs after forbidding that their arrays be changed."""
        for block in self.blocks.values():
            forbid_changes(block)
        return self

    def matrix(self, name: str) -> MatrixBlock:
        """Return the matrix block called `name`; DataError where there is none."""
        block = self.blocks.get(name)
        if not isinstance(block, MatrixBlock):
            raise DataError(f"the inputs hold no matrix called {name!r}; they hold {self._held()}")
        return block

    def graph(self, name: str = "graph") -> GraphBlock:
        """Return the graph block called `name`; DataError where there is none."""
        block = self.blocks.get(name)
        if not isinstance(block, GraphBlock):
            raise DataError(f"the inputs hold no graphs called {name!r}; they hold {self._held()}")
        return block

    def _held(self) -> str:
        kinds = {MatrixBlock: "a matrix", GraphBlock: "graphs"}
        held = [f"{n} ({kinds.get(type(b), type(b).__name__)})" for n, b in self.blocks.items()]
        return ", ".join(sorted(held)) or "no block"


@dataclass(frozen=True)
class Dataset:
    """Labelled molecules in source order.

    Attributes
    ----------
    smiles
        n SMILES exactly as in the source.
    y
        (n, t) float64; NaN = not measured.
    task_names
        t names.
    blocks
        Cell modalities that come with the data, n rows each (`observed` says who has them).
    keys
        n connectivity keys, or an empty tuple.
    dropped
        Rows of the source left out on the user's own order, with the reason.
    row_numbers
        n rows of the source, counted as `DroppedRow.row` is; empty where nobody counts.
    ids
        n names of the molecules from a column of the source, or an empty tuple.
    source_sha256
        Hash of the user's file as it was read, or "".
    remarks
        What a reader of scores should know of the labels; tables say it.
    parts
        n times ``train``, ``valid`` or ``test``: the table's own split, or an empty tuple.

    Examples
    --------
    >>> data = Dataset(("CCO", "CCN"), np.array([[1.0], [np.nan]]), ("active",))
    >>> len(data), data
    (2, Dataset(2 molecules, 1 task))
    """

    smiles: tuple[str, ...]
    y: FloatArray
    task_names: tuple[str, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    dropped: tuple[DroppedRow, ...] = ()
    row_numbers: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()
    source_sha256: str = ""
    remarks: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.smiles), len(self.task_names))
        if self.y.shape != expected:
            raise DataError(f"labels have shape {self.y.shape}, expected (n, t) = {expected}")
        for name in ("row_numbers", "ids", "parts"):
            values = getattr(self, name)
            if values and len(values) != len(self.smiles):
                raise DataError(f"{len(values)} {name} for {len(self.smiles)} molecules")

    def __len__(self) -> int:
        return len(self.smiles)

    def __repr__(self) -> str:
        n, t = self.y.shape
        blocks = f", blocks {', '.join(sorted(self.blocks))}" if self.blocks else ""
        return f"Dataset({n} molecule{'s' * (n != 1)}, {t} task{'s' * (t != 1)}{blocks})"

    def take(self, rows: IntArray) -> Dataset:
        """Return the given rows, in that order."""
        return replace(
            self,
            smiles=_taken(self.smiles, rows),
            y=self.y[rows],
            blocks={name: block.take(rows) for name, block in self.blocks.items()},
            keys=_taken(self.keys, rows),
            row_numbers=_taken(self.row_numbers, rows),
            ids=_taken(self.ids, rows),
            parts=_taken(self.parts, rows),
        )

    def digest(self) -> str:
        """Return the sha256 of everything that can change a number: molecules, labels, blocks."""
        h = hashlib.sha256(b"chmr-bench dataset 1\n")
        h.update("\n".join(self.smiles).encode() + b"\0" + "\n".join(self.task_names).encode())
        h.update(np.ascontiguousarray(self.y, dtype="<f8").tobytes())
        for name in sorted(self.blocks):
            h.update(b"\0" + name.encode())
            for array in block_arrays(self.blocks[name]):
                h.update(f"{array.dtype.str}{array.shape}".encode())
                h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()


def _taken(values: tuple[Any, ...], rows: IntArray) -> tuple[Any, ...]:
    """Return the values of the given rows; none where nobody gave any."""
    return tuple(values[row] for row in np.asarray(rows).tolist()) if values else ()


@dataclass(frozen=True)
class DroppedRow:
    """A source row left out: `row` counts from 1, the header being row 1 of a CSV."""

    row: int
    reason: str


@dataclass(frozen=True)
class Split:
    """Which rows are train, valid and test: disjoint ascending 0-based row indices.

    Examples
    --------
    >>> split = Split(np.array([0, 1]), np.array([2]), np.array([3]))
    >>> split.part("test").tolist()
    [3]
    """

    train: IntArray
    valid: IntArray
    test: IntArray

    def part(self, name: Part) -> IntArray:
        """Return the rows of one part."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def digest(self) -> str:
        """Return the sha256 over the three part digests, one a line."""
        text = "\n".join(part_digest(self.part(p)) for p in PARTS)
        return hashlib.sha256(text.encode()).hexdigest()


def part_digest(rows: IntArray) -> str:
    """Return the sha256 of the ascending indices joined by newline."""
    return hashlib.sha256("\n".join(map(str, np.sort(rows).tolist())).encode()).hexdigest()
