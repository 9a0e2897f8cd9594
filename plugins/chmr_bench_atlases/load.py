"""Read the tables of an atlas into profiles: rows as the files have them, entries as measured.

Rows of one molecule are averaged later, entry by entry (`chmr_bench.cells.merging`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import AtlasSpec, DataError
from chmr_bench.cells import ProfileTable
from chmr_bench.contracts import LoadFiles, MatrixBlock
from chmr_bench.types import FloatArray, IntArray
from chmr_bench_atlases.layouts import Layout, Structures, layouts_of
from chmr_bench_atlases.readers import tables


@dataclass(frozen=True)
class AtlasPart:
    """Read-outs of one table.

    Attributes
    ----------
    block : str
        Name of the block.
    smiles : ndarray
        (m,) SMILES as text.
    names : tuple[str, ...]
        d different names of read-outs.
    values : ndarray
        (m, d) float32, NaN where nothing was measured.
    """

    block: str
    smiles: Any
    names: tuple[str, ...]
    values: FloatArray


def load(spec: AtlasSpec, files: LoadFiles) -> ProfileTable:
    """Return the profiles of an atlas that `atlases.toml`, or another's TOML, describes.

    Raises
    ------
    DataError
        A file is not laid out as the TOML says.
    """
    return load_layouts(layouts_of(spec), files)


def load_layouts(described: Sequence[Layout], files: LoadFiles) -> ProfileTable:
    """Return the profiles of tables; rows without any value are left out and counted."""
    counts: Counter[str] = Counter()
    parts = [part for layout in described for part in _parts(layout, files, counts)]
    fewest = {layout.block: layout.min_values for layout in described}
    columns = {
        block: _names([p for p in parts if p.block == block], n) for block, n in fewest.items()
    }
    smiles, blocks = _stacked(parts, columns)
    observed = {name: ~np.isnan(values) for name, values in blocks.items()}
    rows = np.logical_or.reduce([entries.any(axis=1) for entries in observed.values()])
    counts["no_readout"] += int((~rows).sum())
    return ProfileTable(
        smiles=tuple(smiles[rows].tolist()),
        blocks={
            name: MatrixBlock(values[rows], observed[name][rows], columns[name])
            for name, values in blocks.items()
        },
        counts={what: n for what, n in counts.items() if n},
        strict=True,
    )


def _names(parts: Sequence[AtlasPart], fewest: int) -> tuple[str, ...]:
    """Return the read-outs that have enough values, in the order in which they first appear."""
    n_values: Counter[str] = Counter()
    for part in parts:
        n_values.update(dict(zip(part.names, (~np.isnan(part.values)).sum(axis=0), strict=True)))
    return tuple(name for name, n in n_values.items() if n >= fewest)


def _stacked(
    parts: Sequence[AtlasPart], columns: Mapping[str, tuple[str, ...]]
) -> tuple[Any, dict[str, FloatArray]]:
    """Return the SMILES of all rows, and the values of each block, NaN where there are none."""
    offsets, n = [], 0
    singles = [part for part in parts if len(part.names) == 1]
    row_of, smiles = _shared_rows(singles)
    for part in parts:
        if len(part.names) == 1:
            offsets.append(row_of.pop(0))
        else:
            offsets.append(len(smiles) + n + np.arange(len(part.smiles)))
            n += len(part.smiles)
    wide = [part.smiles for part in parts if len(part.names) > 1]
    every = np.concatenate([smiles, *wide]).astype(object)
    blocks = {
        name: np.full((len(every), len(names)), np.nan, dtype=np.float32)
        for name, names in columns.items()
    }
    for part, rows in zip(parts, offsets, strict=True):
        place = {name: i for i, name in enumerate(columns[part.block])}
        kept = [i for i, name in enumerate(part.names) if name in place]
        targets = np.array([place[part.names[i]] for i in kept], dtype=np.int64)
        blocks[part.block][np.ix_(rows, targets)] = part.values[:, kept]
    return every, blocks


def _shared_rows(singles: Sequence[AtlasPart]) -> tuple[list[IntArray], Any]:
    """Return the row of each value of parts with one read-out, and the SMILES of these rows.

    A SMILES has one row, and a further one for each further value of the same read-out.
    """
    import pandas as pd

    if not singles:
        return [], np.zeros(0, dtype=object)
    table = pd.DataFrame(
        {
            "smiles": np.concatenate([part.smiles for part in singles]),
            "readout": np.repeat(
                [f"{part.block} {part.names[0]}" for part in singles],
                [len(part.smiles) for part in singles],
            ),
        }
    )
    table["repeat"] = table.groupby(["readout", "smiles"]).cumcount()
    grouped = table.groupby(["smiles", "repeat"], sort=False)
    rows = grouped.ngroup().to_numpy()
    smiles = table["smiles"].to_numpy()[np.unique(rows, return_index=True)[1]]
    ends = np.cumsum([len(part.smiles) for part in singles])[:-1]
    return list(np.split(rows, ends)), smiles


# ------------------------------------------------------------------------------------------- parts


def _parts(layout: Layout, files: LoadFiles, counts: Counter[str]) -> Iterator[AtlasPart]:
    """Yield the read-outs of each table; a repeat of a read-out is a part of its own."""
    structures = structure_table(layout.structures, files) if layout.structures else None
    for mirror_path in layout.files:
        path = files(mirror_path)
        for member, table in tables(path, layout):
            where = path if member == path.name.partition(".")[0] else path / member
            smiles = smiles_of(where, table, layout, structures)
            has_structure = smiles != NOT_FOUND
            counts["no_structure"] += int((~has_structure).sum())
            for names, columns in columns_of(where, table, layout, member):
                values = numbers(where, table[columns], layout)
                yield AtlasPart(layout.block, smiles[has_structure], names, values[has_structure])


NOT_FOUND = "?"
"""Stands for the SMILES of a row whose structure is in none of the tables; no SMILES is that."""


def smiles_of(where: Path, table: Any, layout: Layout, structures: Mapping[str, str] | None) -> Any:
    """Return (m,) the SMILES of the rows, without what may follow them."""
    _check_columns(where, table, [layout.molecule])
    texts = table[layout.molecule]
    if structures is not None:
        texts = plain_names(texts).map(structures).fillna(NOT_FOUND)
    return texts.str.strip().str.partition(" ")[0].to_numpy(dtype=object)


def structure_table(described: Structures, files: LoadFiles) -> dict[str, str]:
    """Return key -> SMILES, the first that stands in the tables."""
    by_key: dict[str, str] = {}
    for mirror_path in described.files:
        path = files(mirror_path)
        for _, table in tables(path, Layout("", (), {}, encoding=described.encoding)):
            _check_columns(path, table, [described.matches, described.smiles])
            smiles = table[described.smiles]
            kept = table[~smiles.isin(NO_SMILES)].iloc[::-1]  # the first is to stand
            keys = plain_names(kept[described.matches])
            by_key = {**dict(zip(keys, kept[described.smiles], strict=True)), **by_key}
    return by_key


def _check_columns(where: Path, table: Any, columns: Sequence[str]) -> None:
    """Raise DataError where a table lacks one of these columns."""
    for column in columns:
        if column not in table.columns:
            raise DataError(
                f"{where}: no column {column!r}; it has {', '.join(table.columns[:12])}"
            )


NO_SMILES = ("", "NA", "-666")
"""What tables write where they have no structure."""


def plain_names(names: Any) -> Any:
    """Return names with letters and digits alone, in small letters, as they are looked up by."""
    return names.str.lower().str.replace(r"[^a-z0-9]+", "", regex=True)


def columns_of(
    where: Path, table: Any, layout: Layout, member: str
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield names of read-outs and their columns; columns of one name do not go together."""
    groups: list[dict[str, str]] = []
    for column in table.columns:
        name = "" if column == layout.molecule else _readout(str(column), layout, member)
        if name:
            free = next((group for group in groups if name not in group), None)
            if free is None:
                groups.append({name: column})
            else:
                free[name] = column
    if not groups:
        raise DataError(
            f"{where}: no column {' or '.join(layout.columns)}; it has "
            f"{', '.join(table.columns[:12])}"
        )
    yield from ((tuple(group), list(group.values())) for group in groups)


def _readout(column: str, layout: Layout, member: str) -> str:
    """Return the name of the read-out that stands in a column, "" where none does."""
    for pattern, name in layout.columns.items():
        match = re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)"), column)
        if match:
            name = name.replace("*", match[match.lastindex]) if match.lastindex else name
            name = name.replace("{member}", member)
            for ending in layout.repeats:
                name = name.removesuffix(ending)
            return name.upper() if layout.upper else name
    return ""


def numbers(where: Path, table: Any, layout: Layout) -> FloatArray:
    """Return a table of text as (m, d) float32, NaN where nothing was measured.

    Raises
    ------
    DataError
        Something stands there that is neither a number nor a word of the layout.
    """
    import pandas as pd

    codes, texts = pd.factorize(table.to_numpy(dtype=object).ravel())
    words = {**dict.fromkeys(("", *layout.missing), np.nan), **layout.words}
    values = np.full(len(texts), np.nan)
    for i, text in enumerate(texts):
        try:
            values[i] = words[text] if text in words else float(text)
        except ValueError as error:
            row, column = divmod(int(np.flatnonzero(codes == i)[0]), table.shape[1])
            raise DataError(
                f"{where}: row {table.index[row] + 2} (the header being 1), column "
                f"{table.columns[column]!r}: {text!r}; expected a number"
                + (f", or one of {', '.join(map(repr, layout.words))}" if layout.words else "")
            ) from error
    return values[codes].reshape(table.shape).astype(np.float32)
