"""Read labelled assays: tables of mostly empty columns, a few thousand rows at a time.

What was measured is kept as rows, columns and values; the tables are never numbers as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chmr_bench import AtlasSpec
from chmr_bench.cells import AssayBlock, ProfileTable, assay_block
from chmr_bench.contracts import LoadFiles
from chmr_bench_atlases.layouts import Layout, layouts_of
from chmr_bench_atlases.load import columns_of, numbers, smiles_of
from chmr_bench_atlases.readers import chunks

AT_ONCE = 4096
"""Rows that are numbers at a time."""


@dataclass
class _Measured:
    """What was measured in the assays of one block, piece by piece."""

    columns: dict[str, int] = field(default_factory=dict)
    pieces: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def add(self, names: Sequence[str], rows: Any, columns: Any, values: Any) -> None:
        """Add a piece: rows, places among the names, values."""
        places = [self.columns.setdefault(name, len(self.columns)) for name in names]
        self.pieces.append((rows, np.array(places, dtype=np.int32)[columns], values))

    def block(self, n: int) -> AssayBlock:
        """Return all of it, as a block of n rows."""
        rows, columns, values = (np.concatenate(part) for part in zip(*self.pieces, strict=True))
        return assay_block(rows, columns, values, n, tuple(self.columns))


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return the assays of an atlas that `atlases.toml`, or another's TOML, describes.

    Raises
    ------
    DataError
        A file is not laid out as the TOML says.
    """
    return load_assays(layouts_of(spec), files)


def load_assays(described: Sequence[Layout], files: LoadFiles) -> ProfileTable:
    """Return the assays of tables; rows without any value are left out and counted."""
    measured: dict[str, _Measured] = {}
    smiles: list[str] = []
    empty = 0
    for layout, part_smiles, names, values in _parts(described, files):
        known = ~np.isnan(values)
        kept = np.flatnonzero(known.any(axis=1))
        rows, columns = np.nonzero(known[kept])
        found = measured.setdefault(layout.block, _Measured())
        found.add(names, rows + len(smiles), columns, values[kept][rows, columns])
        smiles += part_smiles[kept].tolist()
        empty += len(values) - len(kept)
    return ProfileTable(
        smiles=tuple(smiles),
        blocks={},
        assays={name: found.block(len(smiles)) for name, found in measured.items()},
        counts={"no_readout": empty} if empty else {},
        strict=True,
    )


def _parts(
    described: Sequence[Layout], files: LoadFiles
) -> Iterator[tuple[Layout, Any, Sequence[str], Any]]:
    """Yield the layout, the SMILES (m,), the names (d) and the values (m, d) of a few rows."""
    for layout in described:
        for path in map(files, layout.files):
            for table in chunks(path, layout, AT_ONCE):
                smiles = smiles_of(path, table, layout, None)
                for names, columns in columns_of(path, table, layout, path.name.partition(".")[0]):
                    yield layout, smiles, names, numbers(path, table[columns], layout)
