"""One row a molecule: rows of one source, or of several, that are one in any form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chmr_bench.cells.assays import AssayBlock
from chmr_bench.cells.assays import joined as joined_assays
from chmr_bench.cells.atlas import Atlas, Bound, Forms, Genes, ProfileTable
from chmr_bench.contracts import HeldRows, MatrixBlock
from chmr_bench.errors import DataError
from chmr_bench.features.groups import MoleculeKeys, numbered
from chmr_bench.types import IntArray

Piece: TypeAlias = tuple[MatrixBlock, IntArray]
"""A block, and the molecule each of its rows belongs to; -1 = to none."""
AnyBlock = TypeVar("AnyBlock", MatrixBlock, AssayBlock)
MOST_HELD = 0.5
"""Share of the molecules; where fewer have a block measured in full, no row of others is held."""


def one_row_a_molecule(
    name: str,
    table: ProfileTable,
    keys: Sequence[str],
    parents_of: Callable[[Sequence[str]], Sequence[str]],
    synthetic: bool = False,
) -> Atlas:
    """Return the atlas of a table: rows of one molecule are joined, in the order of the table.

    Of several observed rows of one molecule the first stands; of a block measured in part each
    entry is the mean of its measurements, and the block counts as measured in full if then every
    row is. Rows without a key, whose molecule can be matched with nothing, are left out.
    `Atlas.counts` says how many of each there were.

    Parameters
    ----------
    keys : Sequence[str]
        n connectivity keys, "" where there is none.
    parents_of : Callable
        SMILES, the first of each connectivity -> connectivities of the neutral parents, "" = none.
    """
    by_key, targets = first_rows(keys)
    first = np.array([*by_key.values()], dtype=np.int64)
    parents = parents_of(tuple(table.smiles[i] for i in first))
    names = MoleculeKeys(tuple(by_key), tuple(parents))
    forms = Forms(names, names.groups())
    keyed = targets >= 0
    targets[keyed] = forms.rows[targets[keyed]]
    leading = first[np.unique(forms.rows, return_index=True)[1]]
    blocks, conflicts = {}, 0
    for block_name, block in table.blocks.items():
        blocks[block_name], n = join_rows([(block, targets)], len(leading))
        conflicts += n
    assays = {}
    for block_name, measured in table.assays.items():
        assays[block_name], n = joined_assays([(measured, targets)], len(leading))
        conflicts += n
    counts = {
        **table.counts,
        "rows": len(table),
        "without_key": int((~keyed).sum()),
        "repeated": int(keyed.sum()) - len(leading),
        "other_forms": len(first) - len(leading),
        "conflicts": conflicts,
    }
    counts = {what: n for what, n in counts.items() if n or what == "rows"}
    smiles = tuple(table.smiles[i] for i in leading)
    own = tuple(keys[i] for i in leading)
    return Atlas(
        name, smiles, own, blocks, synthetic, table.genes, counts, forms=forms, assays=assays
    )


def merge(atlases: Sequence[Atlas]) -> Atlas:
    """Return all molecules of the atlases in one, a molecule in any form being one.

    A block of the same name and columns in two atlases becomes one block: each molecule takes its
    row from the first atlas that observed it, or, where either is measured in part, the mean of
    each entry. Blocks of one name with different columns are all
    kept, as ``name.source``. A molecule's SMILES is that of the first atlas that has it.
    `counts` are those of the parts as ``source.what``, and how much they share.

    Raises
    ------
    DataError
        There is none to merge, or simulated and real read-outs would be mixed.
    """
    if not atlases:
        raise DataError("no atlas to merge; expected one or more")
    if len(atlases) == 1:
        return atlases[0]
    if len({atlas.synthetic for atlas in atlases}) > 1:
        kinds = ", ".join(f"{a.name} ({'simulated' if a.synthetic else 'real'})" for a in atlases)
        raise DataError(f"simulated and real read-outs cannot be merged: {kinds}; name one kind")
    forms, targets = _joined_forms(atlases)
    first = np.unique(targets, return_index=True)[1].tolist()
    smiles = [text for atlas in atlases for text in atlas.smiles]
    keys = [key for atlas in atlases for key in atlas.keys]
    parts, n = _parts(targets, atlases), len(first)
    blocks, conflicts = merge_blocks([(a.name, a.blocks) for a in atlases], parts, n, join_rows)
    measured = [(a.name, a.assays) for a in atlases]
    assays, more = merge_blocks(measured, parts, n, joined_assays)
    counts = {f"{a.name}.{what}": n for a in atlases for what, n in a.counts.items()}
    counts |= {"shared": len(keys) - len(first), "conflicts": conflicts + more}
    return Atlas(
        name="+".join(atlas.name for atlas in atlases),
        smiles=tuple(smiles[i] for i in first),
        keys=tuple(keys[i] for i in first),
        blocks=blocks,
        assays=assays,
        synthetic=atlases[0].synthetic,
        genes=_merge_genes([(a.name, a.genes) for a in atlases if a.genes is not None]),
        counts=counts,
        forms=forms,
        censored=_merge_bounds(atlases, blocks),
    )


def _merge_bounds(atlases: Sequence[Atlas], blocks: Mapping[str, MatrixBlock]) -> dict[str, Bound]:
    """Return the bounds of the blocks, those distinguished by source too."""
    found = {}
    for atlas in atlases:
        for name, bound in atlas.censored.items():
            found[name if name in blocks else f"{name}.{_suffix(atlas.name)}"] = bound
    return found


def _joined_forms(atlases: Sequence[Atlas]) -> tuple[Forms, IntArray]:
    """Return the forms of all atlases, and the molecule of each of their rows laid end to end."""
    names = MoleculeKeys((), ())
    rows, n = [], 0
    for atlas in atlases:
        names += atlas.known_forms.names
        rows.append(atlas.known_forms.rows + n)
        n += len(atlas)
    row_of_form = np.concatenate(rows)
    group = np.zeros(n, dtype=np.int64)
    group[row_of_form] = names.groups()
    targets = numbered(group.tolist())
    return Forms(names, targets[row_of_form]), targets


def first_rows(keys: Sequence[str]) -> tuple[dict[str, int], IntArray]:
    """Return key -> first row, in order of appearance, and each row's number among them or -1."""
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key:
            first.setdefault(key, row)
    number = {key: i for i, key in enumerate(first)}
    return first, np.array([number.get(key, -1) for key in keys], dtype=np.int64)


def _parts(targets: IntArray, parts: Sequence[Any]) -> list[IntArray]:
    """Cut the targets of all parts laid end to end into those of each."""
    return np.split(targets, np.cumsum([len(part) for part in parts])[:-1])


def join_rows(pieces: Sequence[Piece], n: int) -> tuple[MatrixBlock, int]:
    """Return one block of n molecules, and the conflicts: by entries where any is in part."""
    if not any(block.in_part for block, _ in pieces):
        return first_observed(pieces, n)
    return mean_observed(pieces, n)


def mean_observed(pieces: Sequence[Piece], n: int) -> tuple[MatrixBlock, int]:
    """Return one block of n molecules, each entry the mean of its measurements; and the conflicts.

    A conflict is an entry with two measurements that differ. Where every molecule has all columns
    or none, `observed` is (n,). The pieces have the same columns.

    Examples
    --------
    >>> calls = MatrixBlock(np.array([[1.0], [0.0]]), np.ones((2, 1), dtype=bool))
    >>> block, conflicts = mean_observed([(calls, np.array([0, 0]))], 1)
    >>> block.values.tolist(), conflicts
    ([[0.5]], 1)
    """
    from scipy import sparse

    targets = np.concatenate([part for _, part in pieces])
    values = np.concatenate([np.asarray(block.values) for block, _ in pieces])
    known = np.concatenate([block.entries for block, _ in pieces])
    rows = np.flatnonzero(targets >= 0)
    ones = np.ones(len(rows), dtype=np.float64)
    join = sparse.csr_array((ones, (targets[rows], np.arange(len(rows)))), shape=(n, len(rows)))
    values, known, targets = values[rows], known[rows], targets[rows]
    counts = join @ known.astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = (join @ np.where(known, values, 0).astype(np.float64)) / counts
    differs = known & ~np.isclose(values, mean[targets], rtol=1e-6, atol=0)
    conflicts = int(((join @ differs.astype(np.float64)) > 0).sum())
    dtype = np.result_type(np.float32, values.dtype)
    observed = counts > 0
    if (observed.all(axis=1) | ~observed.any(axis=1)).all():
        observed = np.asarray(observed.all(axis=1))
    return MatrixBlock(mean.astype(dtype), observed, pieces[0][0].names), conflicts


def first_observed(pieces: Sequence[Piece], n: int) -> tuple[MatrixBlock, int]:
    """Return one block of n molecules, the first observed row of each, and the conflicts.

    A conflict is an observed row that was not taken and differs from the one that was.
    The pieces have the same columns.
    """
    dtype = np.result_type(np.float32, *(block.values.dtype for block, _ in pieces))
    names = pieces[0][0].names
    places = np.unique(np.concatenate([part[block.observed] for block, part in pieces]))
    places = places[places >= 0]
    held = np.full((len(places), pieces[0][0].values.shape[1]), np.nan, dtype=dtype)
    taken = np.zeros(len(places), dtype=bool)
    conflicts = 0
    for block, targets in pieces:
        rows = np.flatnonzero(block.observed & (targets >= 0))
        values, place = block.take(rows).dense(), np.searchsorted(places, targets[rows])
        leading = np.sort(np.unique(place, return_index=True)[1])
        new = leading[~taken[place[leading]]]
        held[place[new]] = values[new]
        taken[place[new]] = True
        others = np.setdiff1d(np.arange(len(rows)), new, assume_unique=True)
        same = (held[place[others]] == values[others]) | np.isnan(values[others])
        conflicts += int((~same.all(axis=1)).sum())
    observed = np.zeros(n, dtype=bool)
    observed[places] = True
    matrix = HeldRows(places, held, n)
    few = len(places) < n * MOST_HELD
    return MatrixBlock(matrix if few else np.asarray(matrix), observed, names), conflicts


def merge_blocks(
    parts: Sequence[tuple[str, Mapping[str, AnyBlock]]],
    targets: Sequence[IntArray],
    n: int,
    join: Callable[[Sequence[tuple[AnyBlock, IntArray]], int], tuple[AnyBlock, int]],
) -> tuple[dict[str, AnyBlock], int]:
    """Join blocks of one name and columns; tell apart, by source, those of one name only."""
    groups: dict[str, dict[Any, tuple[str, list[tuple[AnyBlock, IntArray]]]]] = {}
    for (source, blocks), part_targets in zip(parts, targets, strict=True):
        for name, block in blocks.items():
            columns = block.names or block.values.shape[1]
            _, pieces = groups.setdefault(name, {}).setdefault(columns, (source, []))
            pieces.append((block, part_targets))
    merged: dict[str, AnyBlock] = {}
    conflicts = 0
    for name, by_columns in groups.items():
        for source, pieces in by_columns.values():
            full = name
            if len(by_columns) > 1:
                full = free_name(f"{name}.{_suffix(source)}", "-", merged)
            merged[full], more = join(pieces, n)
            conflicts += more
    return merged, conflicts


def _suffix(source: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", source.lower()).strip("-") or "source"


def free_name(name: str, mark: str, taken: Mapping[str, Any]) -> str:
    """Return the name, numbered after a mark where it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{mark}{number}"
    return free


def _merge_genes(parts: Sequence[tuple[str, Genes]]) -> Genes | None:
    if len(parts) < 2:
        return parts[0][1] if parts else None
    genes = [part for _, part in parts]
    first, targets = first_rows([name for part in genes for name in part.names])
    cut = _parts(targets, genes)
    blocks, _ = merge_blocks([(s, g.blocks) for s, g in parts], cut, len(first), join_rows)
    columns: dict[str, int] = {}
    for part, numbers in zip(genes, cut, strict=True):
        for column, gene in part.columns.items():
            columns.setdefault(column, int(numbers[gene]))
    edges = np.concatenate([t[g.edges] for g, t in zip(genes, cut, strict=True)], axis=1)
    weights = np.concatenate([part.weights for part in genes])
    _, once = np.unique(np.sort(edges, axis=0), axis=1, return_index=True)
    once = np.sort(once)
    return Genes(tuple(first), blocks, edges[:, once], weights[once], columns)
