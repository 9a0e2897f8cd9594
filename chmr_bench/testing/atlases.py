"""What an atlas promises: the molecules, modalities and numbers that its spec states."""

from __future__ import annotations

import numpy as np

from chmr_bench.cells import AssayBlock, Atlas
from chmr_bench.cells.sources import open_atlas
from chmr_bench.contracts import AtlasSpec, MatrixBlock, modality_of
from chmr_bench.data.fetch import FetchOptions, options_from_env
from chmr_bench.errors import ChmrBenchError, PluginError
from chmr_bench.plugins import registry
from chmr_bench.testing.blocks import check_unmeasured
from chmr_bench.types import FloatArray


def check_atlas(
    atlas: str | AtlasSpec, options: FetchOptions | None = None, *, twice: bool = True
) -> None:
    """Check an atlas against what its spec states. Its files are fetched where need be.

    Parameters
    ----------
    atlas :
        A spec, or the name of a registered atlas.
    options :
        Where its files come from; by default as the environment says.
    twice :
        Open it a second time and compare; False saves that time.

    Raises
    ------
    PluginError
        The atlas breaks a promise; the message says which.
    FetchError
        Its files cannot be had, or are not the pinned ones.
    DataError
        Counts or modalities are not those of the spec, or keys are repeated.
    """
    spec = registry().atlas(atlas).spec if isinstance(atlas, str) else atlas
    options = options or options_from_env()
    where = f"atlas {spec.name!r}"
    opened = _opened(spec, options)
    if opened.genes is None or len(opened) or opened.blocks:  # genes alone: no molecule to check
        _check_molecules(opened, where)
    _check_blocks(opened, where)
    _check_readouts(spec, opened, where)
    if twice and _opened(spec, options).digest() != opened.digest():
        raise PluginError(f"{where}: opened twice, it has two contents; it must be repeatable")


def _opened(spec: AtlasSpec, options: FetchOptions) -> Atlas:
    """Return the atlas; PluginError where its loader raises what is no error of ours."""
    try:
        return open_atlas(spec, options)
    except ChmrBenchError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise PluginError(f"atlas {spec.name!r}: {spec.load} raised {kind}: {error}") from error


def _check_molecules(atlas: Atlas, where: str) -> None:
    """Refuse keys that are not what the harness itself makes of the SMILES (a sample of them)."""
    from chmr_bench.features.cache import connectivity_keys

    if not len(atlas):
        raise PluginError(f"{where}: it holds no molecule")
    sample = np.unique(np.linspace(0, len(atlas) - 1, 200).astype(np.int64))
    expected = connectivity_keys([atlas.smiles[i] for i in sample], n_jobs=1)
    for i, key in zip(sample, expected, strict=True):
        if atlas.keys[i] != key:
            raise PluginError(
                f"{where}: row {i} (from 0), {atlas.smiles[i]!r}: key {atlas.keys[i]!r}, but its "
                f"InChIKey begins with {key!r}; test molecules could not be left out by such keys"
            )


def _check_blocks(atlas: Atlas, where: str) -> None:
    for name, block in atlas.blocks.items():
        values = np.asarray(block.values)
        if not modality_of(name) or values.dtype.kind != "f":
            raise PluginError(f"{where}, block {name!r}: expected floats, and a name")
        if not block.observed.any():
            raise PluginError(f"{where}, block {name!r}: no molecule has this read-out")
        check_unmeasured(block, f"{where}, block {name!r}")
        if block.settled().in_part != block.in_part:
            raise PluginError(
                f"{where}, block {name!r}: measured in full, yet observed is {block.observed.shape}"
            )


def _check_readouts(spec: AtlasSpec, atlas: Atlas, where: str) -> None:
    """Refuse an atlas whose blocks are not what its spec says of them, if it says anything."""
    if not spec.readouts:
        return
    stated = {readouts.block: readouts for readouts in spec.readouts}
    blocks: dict[str, MatrixBlock | AssayBlock] = {**atlas.blocks, **atlas.assays}
    if set(stated) != set(blocks):
        raise PluginError(f"{where}: blocks {sorted(blocks)}, registered {sorted(stated)}")
    for name, block in blocks.items():
        fact, rows, measured = stated[name], block.observed_rows, _measured(block)
        n_molecules = fact.n_molecules or spec.n_molecules or len(atlas)
        d = block.values.shape[1]
        filled = len(measured) / (rows.sum() * d)
        actual = {"n": d, "filled": filled, "n_molecules": rows.sum()}
        expected = {"n": fact.n, "filled": fact.filled, "n_molecules": n_molecules}
        slack = {"n": 0.0, "filled": 0.01, "n_molecules": max(2, n_molecules // 100)}
        if spec.kind == "assays":  # by different SMILES: molecules are fewer, and filled is more
            expected = {"n": fact.n, "filled": max(filled, fact.filled)}
            expected["n_molecules"] = min(int(rows.sum()), n_molecules)
        for what, number in actual.items():
            if abs(number - expected[what]) > slack[what]:
                raise PluginError(
                    f"{where}, block {name!r}: {what} is {number:g}, registered {expected[what]:g}"
                )
        if fact.kind == "calls" and not ((measured >= 0) & (measured <= 1)).all():
            raise PluginError(f"{where}, block {name!r}: registered as calls; expected 0 to 1")


def _measured(block: MatrixBlock | AssayBlock) -> FloatArray:
    """Return the numbers that were measured, one after another."""
    if isinstance(block, AssayBlock):
        return np.asarray(block.values.data)
    values = np.asarray(block.values)[block.observed_rows]
    return np.asarray(values[np.isfinite(values)])
