"""Open atlases: fetch their files, load them, make one row a molecule, merge."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.cells.atlas import Atlas, Bound, Forms, ProfileTable
from chmr_bench.cells.merging import merge, one_row_a_molecule
from chmr_bench.cells.sources.folder import folder_digest, folder_name, load_folder
from chmr_bench.cells.sources.keys import keys_where_readable, neutral_parents
from chmr_bench.contracts import AtlasSpec, MatrixBlock, Progress, modality_of, no_progress
from chmr_bench.data.fetch import FetchOptions, SourceFiles
from chmr_bench.errors import DataError, PluginError
from chmr_bench.features.groups import MOLECULE_VERSION, MoleculeKeys
from chmr_bench.lazy import load_object

OPENING_VERSION = "1"
"""Changes whenever the same files give another atlas, whatever their source."""


def open_atlases(
    specs: Sequence[AtlasSpec | Path], options: FetchOptions, progress: Progress = no_progress
) -> Atlas:
    """Return the atlases, registered ones and folders, merged in this order.

    Raises
    ------
    FetchError
        A source file cannot be had, or is not the pinned one.
    DataError
        A file or a folder is not what it should be.
    PluginError
        A spec's `load` is not to be found, or returns something else.
    """
    return merge([open_atlas(spec, options, progress) for spec in specs])


def open_atlas(
    spec: AtlasSpec | Path, options: FetchOptions, progress: Progress = no_progress
) -> Atlas:
    """Return one atlas, checked against its spec; raises as `open_atlases` does."""
    if isinstance(spec, Path):
        return atlas_of_table(folder_name(spec), load_folder(spec), progress=progress)
    loaded = load_object(spec.load)(spec, SourceFiles(spec, options, progress))
    if isinstance(loaded, ProfileTable):
        loaded = atlas_of_table(spec.name, loaded, synthetic=spec.synthetic, progress=progress)
    if not isinstance(loaded, Atlas):
        raise PluginError(
            f"atlas {spec.name!r}: {spec.load} returned {type(loaded).__name__}; expected an Atlas "
            "or a ProfileTable of chmr_bench.cells"
        )
    if loaded.forms is None:
        parents = neutral_parents(loaded.smiles, progress)
        forms = Forms(MoleculeKeys(loaded.keys, parents), np.arange(len(loaded)))
        loaded = replace(loaded, forms=forms)
    censored = {
        r.block: Bound(r.censored_at, r.beyond == "below")
        for r in spec.readouts
        if r.censored_at is not None and r.block in loaded.blocks
    }
    atlas = replace(loaded, name=spec.name, censored={**loaded.censored, **censored})
    check_atlas(spec, atlas)
    return atlas


def digest(specs: Sequence[AtlasSpec | Path], packages: bool = True) -> str:
    """Return the sha256 of all that `open_atlases` depends on, opening no registered atlas.

    That is the pins and version of a registered atlas, the hashes of a folder's files, the version
    of what is one molecule and, with `packages`, that of rdkit, which makes connectivity keys.
    """
    from importlib import metadata

    parts: list[Any] = [OPENING_VERSION, MOLECULE_VERSION]
    parts += [metadata.version("rdkit")] if packages else []
    parts += [_spec_parts(s) if isinstance(s, AtlasSpec) else folder_digest(s) for s in specs]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_atlas(spec: AtlasSpec, atlas: Atlas) -> None:
    """Raise DataError where the atlas is not what its spec promises."""
    where = f"atlas {spec.name!r}"
    # Versions of rdkit differ in the odd molecule that they can read, or have the same key.
    if spec.n_molecules and abs(len(atlas) - spec.n_molecules) > max(2, spec.n_molecules // 100):
        raise DataError(
            f"{where}: {len(atlas)} molecules were loaded, {spec.n_molecules} are registered; "
            f"of its rows became: {dict(atlas.counts)}"
        )
    if atlas.synthetic != spec.synthetic:
        raise DataError(f"{where}: synthetic is {atlas.synthetic}, registered {spec.synthetic}")
    if spec.kind != ("assays" if atlas.assays and not atlas.blocks else "cells"):
        raise DataError(
            f"{where}: registered as {spec.kind}, loaded with the cell blocks "
            f"{sorted(atlas.blocks)} and the assays {sorted(atlas.assays)}; assays are not cells"
        )
    loaded = {modality_of(name) for name in (*atlas.blocks, *atlas.assays)}
    promised = {modality_of(name) for name in spec.modalities}
    if loaded != promised and (promised or spec.readouts):  # of a file not seen it says nothing
        raise DataError(
            f"{where}: loaded with the modalities {sorted(loaded)}, registered {sorted(promised)}"
        )
    for name, block in atlas.blocks.items():
        _check_profiles(f"{where}, block {name!r}", block)
        if not np.isfinite(np.asarray(block.values)[block.observed]).all():
            what = "entry" if block.in_part else "row"
            raise DataError(f"{where}, block {name!r}: an observed {what} holds NaN or infinity")


def atlas_of_table(
    name: str,
    table: ProfileTable,
    *,
    synthetic: bool = False,
    progress: Progress = no_progress,
) -> Atlas:
    """Return the atlas of a table, its keys computed (and cached) unless the table has them.

    `Atlas.counts` says how many rows had no SMILES, one that cannot be read, or no key; how many
    forms of a molecule were joined with another (``other_forms``); and how
    many numbers a read-out lacked and got from the median of its column (``filled_values``), or
    were infinite in a profile measured in part, where they count as missing (``infinite_values``).
    """
    counts = Counter(table.counts)
    keys, known = table.keys, {}
    if not keys:
        computed = keys_where_readable(table.smiles, progress, strict=table.strict)
        keys = computed.keys
        known = dict(zip(table.smiles, keys, strict=True))
        empty = np.array([not text.strip() for text in table.smiles], dtype=bool)
        counts["no_smiles"] += int(empty.sum())
        counts["unreadable_smiles"] += int((computed.unreadable & ~empty).sum())
    blocks = {}
    for block_name, block in table.blocks.items():
        _check_profiles(f"atlas {name!r}, block {block_name!r}", block)
        if block.in_part:
            counts["infinite_values"] += int(np.isinf(np.asarray(block.values)).sum())
            blocks[block_name] = measured(block)
            continue
        blocks[block_name], n_imputed = complete(block)
        counts["filled_values"] += n_imputed
    complete_table = replace(table, blocks=blocks, counts=dict(counts))
    parents = partial(neutral_parents, known=known, progress=progress)
    atlas = one_row_a_molecule(name, complete_table, keys, parents, synthetic)
    for block_name, block in atlas.blocks.items():  # of the molecules that can be read
        where = f"atlas {name!r}, of whose rows became {dict(atlas.counts)}, block {block_name!r}"
        _check_profiles(where, block)
    return atlas


def complete(block: MatrixBlock) -> tuple[MatrixBlock, int]:
    """Return a block whose observed rows are finite throughout, and how many numbers were imputed.

    A row without any number is not observed; a column without any is dropped; what is left is
    imputed by the median of the observed rows of its column.
    """
    values = np.asarray(block.values)
    finite = np.isfinite(values)
    observed = block.observed & finite.any(axis=1)
    if finite[observed].all():
        return replace(block, observed=observed), 0
    known = finite[observed].any(axis=0)
    names = tuple(np.array(block.names)[known].tolist()) if block.names else ()
    values = np.where(finite, values, np.nan)[:, known]
    values[~observed] = np.nan
    holes = np.isnan(values) & observed[:, None]
    medians = np.nanmedian(values[observed], axis=0)
    values[holes] = np.broadcast_to(medians, values.shape)[holes]
    return MatrixBlock(values, observed, names), int(holes.sum())


def measured(block: MatrixBlock) -> MatrixBlock:
    """Return a block measured in part whose observed entries are finite, and the others NaN.

    A column without any number is dropped.
    """
    values = np.asarray(block.values)
    observed = block.observed & np.isfinite(values)
    known = observed.any(axis=0)
    names = tuple(np.array(block.names)[known].tolist()) if block.names else ()
    values = np.where(observed, values, np.nan)
    return MatrixBlock(values[:, known], observed[:, known], names)


def _check_profiles(where: str, block: MatrixBlock) -> None:
    """Raise DataError where no molecule has a profile: all NaN, all infinite, or no column."""
    if not np.isfinite(np.asarray(block.values)[block.observed]).any():
        raise DataError(
            f"{where}: no molecule has a finite number in the {np.asarray(block.values).shape[1]} "
            "columns; expected the profile of at least one"
        )


def _spec_parts(spec: AtlasSpec) -> list[Any]:
    pins = [[s.path, s.sha256] for s in spec.sources]
    return [spec.name, spec.version, spec.load, pins, spec.synthetic]
