"""Attach to any dataset its molecules' own profiles, from atlases that the user names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from chmr_bench import foreign
from chmr_bench.cells import Atlas, sources
from chmr_bench.cells.linking import OwnProfiles, link, together
from chmr_bench.contracts import AtlasSpec, ModelSpec, Progress, modality_of, no_progress
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import UsageError, nearest
from chmr_bench.plugins import registry
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.pretraining import atlas_specs, public_name
from chmr_bench.streams import stdout_to_stderr

MOST_KEPT = 8
"""Atlases of pinned files that stay open for the next dataset that asks for them."""

_KEPT: dict[tuple[AtlasSpec, FetchOptions], Atlas] = {}


def attached(
    data: LoadedDataset,
    atlases: Sequence[str],
    options: FetchOptions,
    progress: Progress = no_progress,
) -> LoadedDataset:
    """Return the dataset with the profiles that the atlases have of its molecules.

    Atlases go by name, so that their order is nothing to a result.

    Raises
    ------
    UnknownNameError
        No such atlas.
    UsageError
        Simulated profiles for real data, or the other way round.
    DataError
        An atlas cannot be had, or is not what it should be.

    Examples
    --------
    >>> attached(data, ["wong2024"], FetchOptions()).dataset.blocks  # doctest: +SKIP
    """
    names = sorted(dict.fromkeys(atlases))
    for name, n in Counter(map(public_name, names)).items():
        if n > 1:
            raise UsageError(
                f"--cells names {name!r} {n} times; records tell folders apart by the last part of "
                "their paths, so rename all but one, or name it once"
            )
    return data.with_profiles([profiles(data, name, options, progress) for name in names])


def profiles(
    data: LoadedDataset, atlas: str, options: FetchOptions, progress: Progress = no_progress
) -> OwnProfiles:
    """Return what one atlas has of a dataset's molecules; raises as `attached` does."""
    (spec,) = atlas_specs([atlas])
    if isinstance(spec, AtlasSpec) and spec.kind == "assays":
        raise no_cells(f"--cells {atlas}")
    synthetic = isinstance(spec, AtlasSpec) and spec.synthetic
    if synthetic != data.spec.synthetic:
        kinds = ("simulated", "real")
        theirs, ours = kinds if synthetic else kinds[::-1]
        raise UsageError(
            f"atlas {atlas}: its profiles are {theirs}, and the labels of {data.spec.name} are "
            f"{ours}; name an atlas of the same kind, see 'chmr-bench list atlases'"
        )
    opened = opened_atlas(spec, options, progress)
    linked = link(opened, data.molecules(progress))
    return OwnProfiles(public_name(atlas), linked.blocks, linked.rows, linked.n, linked.conflicts)


def no_cells(what: str) -> UsageError:
    """Return the error of naming labelled assays where profiles of cells are wanted."""
    specs = [registered.spec for registered in registry().atlases.values()]
    cells = sorted(s.name for s in specs if s.kind == "cells" and s.modalities)
    name = what.rpartition(" ")[2]
    return UsageError(
        f"{what}: {name!r} holds labelled assays, not cells; expected an atlas of cell profiles, "
        f"such as {', '.join(nearest(name, cells) or cells)}"
    )


def opened_atlas(
    spec: AtlasSpec | Path, options: FetchOptions, progress: Progress = no_progress
) -> Atlas:
    """Return an atlas; the loader of another's plugin runs in a process of its own."""
    if isinstance(spec, AtlasSpec) and foreign.is_foreign(spec.load):
        by, seconds = f"{sources.__name__}:open_atlas", options.load_limit
        atlas: Atlas = foreign.call(spec.load, spec, options, by=by, seconds=seconds)
        return atlas
    with stdout_to_stderr():
        if isinstance(spec, Path):  # a user may change its files
            return sources.open_atlas(spec, options, progress)
        if (spec, options) in _KEPT:
            atlas = _KEPT.pop((spec, options))
        else:
            atlas = sources.open_atlas(spec, options, progress)
        if len(_KEPT) == MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]  # which was asked for longest ago
        _KEPT[spec, options] = atlas
        return atlas


def unread_notes(data: LoadedDataset, models: Sequence[ModelSpec]) -> Iterator[str]:
    """Yield which atlases were attached that none of the models reads."""
    for part in data.own_profiles:
        modalities = sorted({modality_of(name) for name in part.blocks})
        if modalities and not any(set(modalities) & set(spec.reads) for spec in models):
            yield (
                f"--cells {part.atlas}: none of {', '.join(spec.name for spec in models)} reads "
                f"{' or '.join(modalities)}; it changes nothing"
            )


def join_notes(data: LoadedDataset) -> Iterator[str]:
    """Yield how many molecules have profiles of each atlas that was attached."""
    n, name = len(data.dataset), data.spec.name
    if data.part_of:
        whole, _ = data.part_of
        measured = (f"{part.atlas} ({part.observed.sum():,})" for part in whole.own_profiles)
        yield (
            f"{name}: the {n:,} of {len(whole.dataset):,} molecules of {whole.spec.name} that are "
            f"measured in {' or '.join(measured)}"
        )
    for part in data.own_profiles:
        n_rows = int(part.observed.sum())
        if not n_rows:
            yield f"--cells {part.atlas}: no molecule of {name} is in it; nothing is attached"
            continue
        several = "s differ" if part.conflicts > 1 else " differs"
        differ = f"; {part.conflicts:,} measurement{several}" if part.conflicts else ""
        yield (
            f"--cells {part.atlas}: {n_rows:,} of {n:,} molecules of {name} have profiles of their "
            f"own{differ}"
        )
    between = together(data.own_profiles)[1] if len(data.own_profiles) > 1 else 0
    if between:
        yield f"{name}: {between:,} molecules have profiles that differ between these atlases"
