"""Open atlases: fetch their files, load them, make one row a molecule, merge."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import paths
from chmr_bench.cells.atlas import Atlas, ProfileTable, modality_of
from chmr_bench.cells.merging import merge, one_row_a_molecule
from chmr_bench.cells.sources.folder import folder_digest, folder_name, load_folder
from chmr_bench.contracts import AtlasSpec, Progress, no_progress
from chmr_bench.errors import DataError, FeatureError, PluginError
from chmr_bench.fetch import FetchOptions, files_of
from chmr_bench.lazy import load_object

OPENING_VERSION = "1"
"""Changes whenever the same files give another atlas, whatever their source."""


@dataclass(frozen=True)
class AtlasFiles:
    """What an atlas's loader calls for its files: mirror path -> verified local file.

    Attributes
    ----------
    options, progress : for a loader that fetches by itself, as from a hub.
    """

    spec: AtlasSpec
    options: FetchOptions
    progress: Progress = no_progress

    def __call__(self, path: str) -> Path:
        """Return the local file; FetchError where it cannot be had."""
        return files_of(self.spec, self.options, self.progress)(path)


def open_atlases(
    specs: Sequence[AtlasSpec | Path], options: FetchOptions, progress: Progress = no_progress
) -> Atlas:
    """Return the atlases, registered ones and folders, merged in this order.

    Raises
    ------
    FetchError : a source file cannot be had, or is not the pinned one.
    DataError : a file or a folder is not what it should be.
    PluginError : a spec's `load` is not to be found, or returns something else.
    """
    return merge([open_atlas(spec, options, progress) for spec in specs])


def open_atlas(
    spec: AtlasSpec | Path, options: FetchOptions, progress: Progress = no_progress
) -> Atlas:
    """Return one atlas, checked against its spec; raises as `open_atlases` does."""
    if isinstance(spec, Path):
        return atlas_of_table(folder_name(spec), load_folder(spec), progress=progress)
    loaded = load_object(spec.load)(spec, AtlasFiles(spec, options, progress))
    if isinstance(loaded, ProfileTable):
        loaded = atlas_of_table(spec.name, loaded, synthetic=spec.synthetic, progress=progress)
    if not isinstance(loaded, Atlas):
        raise PluginError(
            f"atlas {spec.name!r}: {spec.load} returned {type(loaded).__name__}; expected an Atlas "
            "or a ProfileTable of chmr_bench.cells"
        )
    atlas = replace(loaded, name=spec.name)
    check_atlas(spec, atlas)
    return atlas


def digest(specs: Sequence[AtlasSpec | Path]) -> str:
    """Return the sha256 of all that `open_atlases` depends on, opening no registered atlas.

    That is the pins and version of a registered atlas, the hashes of a folder's files, and the
    version of rdkit, which makes the connectivity keys.
    """
    from importlib import metadata

    parts: list[Any] = [OPENING_VERSION, metadata.version("rdkit")]
    parts += [_spec_parts(s) if isinstance(s, AtlasSpec) else folder_digest(s) for s in specs]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_atlas(spec: AtlasSpec, atlas: Atlas) -> None:
    """Raise DataError where the atlas is not what its spec promises."""
    where = f"atlas {spec.name!r}"
    if spec.n_molecules and len(atlas) != spec.n_molecules:
        raise DataError(
            f"{where}: {len(atlas)} molecules were loaded, {spec.n_molecules} are registered; "
            f"of its rows became: {dict(atlas.counts)}"
        )
    if atlas.synthetic != spec.synthetic:
        raise DataError(f"{where}: synthetic is {atlas.synthetic}, registered {spec.synthetic}")
    found, promised = set(atlas.modalities), {modality_of(name) for name in spec.modalities}
    if found != promised:
        raise DataError(
            f"{where}: loaded with the modalities {sorted(found)}, registered {sorted(promised)}"
        )


def atlas_of_table(
    name: str,
    table: ProfileTable,
    *,
    synthetic: bool = False,
    progress: Progress = no_progress,
) -> Atlas:
    """Return the atlas of a table, its keys computed (and cached) unless the table has them.

    Rows whose SMILES is empty, or cannot be read, are counted as such and left out.
    """
    if table.keys:
        return one_row_a_molecule(name, table, table.keys, synthetic)
    rows = [i for i, smiles in enumerate(table.smiles) if smiles.strip()]
    no_smiles = len(table) - len(rows)
    try:
        keys = _keys([table.smiles[i] for i in rows], progress)
    except FeatureError:  # one cannot be read at all: find them, and go on without
        from chmr_bench.features.molecules import is_parsable

        rows = [i for i in rows if is_parsable(table.smiles[i])]
        keys = _keys([table.smiles[i] for i in rows], progress)
    counts = Counter(table.counts)
    counts["no_smiles"] += no_smiles
    counts["unreadable_smiles"] += len(table) - no_smiles - len(rows)
    taken = np.array(rows, dtype=np.int64)
    kept = ProfileTable(
        smiles=tuple(table.smiles[i] for i in rows),
        blocks={name: block.take(taken) for name, block in table.blocks.items()},
        genes=table.genes,
        counts=dict(counts),
    )
    return one_row_a_molecule(name, kept, keys, synthetic)


def _keys(smiles: Sequence[str], progress: Progress) -> tuple[str, ...]:
    from chmr_bench.features.cache import connectivity_keys

    return connectivity_keys(smiles, progress=progress, cache=paths.feature_folder())


def _spec_parts(spec: AtlasSpec) -> list[Any]:
    pins = [[s.path, s.sha256] for s in spec.sources]
    return [spec.name, spec.version, spec.load, pins, spec.synthetic]
