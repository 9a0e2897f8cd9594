"""Features by content: what was computed once for these molecules is read back from disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from chmr_bench.contracts import Block, FeatureSpec, MatrixBlock, Progress, no_progress
from chmr_bench.errors import (
    DataError,
    MissingDependencyError,
    PluginError,
    SettingError,
    UnknownNameError,
)
from chmr_bench.features.groups import MoleculeKeys, plainly_neutral
from chmr_bench.features.parallel import TICK_SECONDS, compute_block
from chmr_bench.features.plugin import CONNECTIVITY, IDENTITY, LEVELS, NEUTRAL_PARENT
from chmr_bench.features.storage import read_block, write_block
from chmr_bench.paths import locked

log = logging.getLogger("chmr_bench.features")


def featurise(
    spec: FeatureSpec,
    settings: Mapping[str, Any],
    smiles: Sequence[str],
    *,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> Block:
    """Return the feature of the molecules, read from the cache or computed over `n_jobs` cores.

    Parameters
    ----------
    settings : Mapping[str, Any]
        May leave out any of the feature's settings; the defaults hold then.
    n_jobs : int or None
        None for all cores; it never changes the numbers nor the place in the cache.
    cache : Path or None
        Folder of computed features (`chmr_bench.paths.feature_folder()`); None: no cache.

    Raises
    ------
    UnknownNameError
        The feature has no setting of that name.
    SettingError
        A setting's value does not fit.
    FeatureError
        A molecule cannot be featurised; row and SMILES are named.
    """
    resolved = resolve_settings(spec, settings)
    smiles = _as_list(smiles)
    jobs = n_jobs or available_cores()
    if cache is None:
        return compute_block(spec, resolved, smiles, jobs, progress)
    path = _cache_file(cache, spec, resolved, smiles)
    block = _read(path, len(smiles))
    if block is None:
        waiting = partial(progress, 0, len(smiles), "molecules, by another run")
        with _alone(path, waiting):
            block = _read(path, len(smiles))
            if block is None:
                return _keep(path, compute_block(spec, resolved, smiles, jobs, progress), spec.name)
    progress(len(smiles), len(smiles), "molecules")
    return block


@contextlib.contextmanager
def _alone(path: Path, tick: Callable[[], None]) -> Iterator[None]:
    """Let one process at a time compute a file, and `tick` while another does."""
    lock = path.with_suffix(".lock")
    with contextlib.ExitStack() as stack:
        while not _entered(stack, lock, TICK_SECONDS):
            tick()
        yield


def _entered(stack: contextlib.ExitStack, lock: Path, seconds: float) -> bool:
    """Hold the lock as long as the stack lasts, unless another process does for so long."""
    try:
        stack.enter_context(locked(lock, seconds))
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:  # then it is not written, or shared, either
        log.debug("%s cannot be locked: %s", lock, error)
    return True


def _keep(path: Path, block: Block, feature: str) -> Block:
    """Write the block to its file; a cache that cannot be written costs time, never a result."""
    try:
        write_block(path, block)
    except OSError as error:
        log.warning("feature %r is not cached: %s", feature, error)
    return block


def connectivity_keys(
    smiles: Sequence[str],
    *,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> tuple[str, ...]:
    """Return the first 14 characters of each InChIKey; "" where none can be made.

    Examples
    --------
    >>> connectivity_keys(["CCO", "*"])
    ('LFQSCWFLJHTTHZ', '')
    """
    return keys_of(matrix_of(CONNECTIVITY, smiles, n_jobs, progress, cache))


def neutral_parent_keys(
    smiles: Sequence[str],
    known: Sequence[str] = (),
    *,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> tuple[str, ...]:
    """Return the first 14 characters of the InChIKey of each neutral parent; "" where none is.

    Two rows are one molecule where the key as it stands or this one agrees: see `features.groups`.

    Parameters
    ----------
    known : Sequence[str]
        What `connectivity_keys` gives of the same molecules, where that is at hand: then only those
        are computed that may not be their own parents.

    Examples
    --------
    >>> neutral_parent_keys(["CC(=O)[O-].[Na+]", "CC(=O)O"])
    ('QTBSBXVTEAMEQO', 'QTBSBXVTEAMEQO')
    """
    if not known:
        return keys_of(matrix_of(NEUTRAL_PARENT, smiles, n_jobs, progress, cache))
    if len(known) != len(smiles):
        raise DataError(f"{len(known)} connectivities are known of {len(smiles)} molecules")
    parents = list(known)
    rows = [row for row, text in enumerate(smiles) if not plainly_neutral(text)]
    others = [smiles[row] for row in rows]
    computed = matrix_of(NEUTRAL_PARENT, others, n_jobs, progress, cache)
    for row, key in zip(rows, keys_of(computed), strict=True):
        parents[row] = key
    return tuple(parents)


def molecule_keys(
    smiles: Sequence[str], *, n_jobs: int | None = None, cache: Path | None = None
) -> MoleculeKeys:
    """Return what tells n molecules apart in every form: see `features.groups`.

    Examples
    --------
    >>> molecule_keys(["CC(=O)[O-].[Na+]", "CCO", "CC(=O)O"]).groups().tolist()
    [0, 1, 0]
    """
    keys = connectivity_keys(smiles, n_jobs=n_jobs, cache=cache)
    return MoleculeKeys(keys, neutral_parent_keys(smiles, keys, n_jobs=n_jobs, cache=cache))


def identities(
    smiles: Sequence[str],
    *,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return hashes by level (``smiles``, ``parent``, ``scaffold``): equal where rows are one.

    "" where there is none: a molecule without a ring has no scaffold. See `features.identity`.
    """
    values = matrix_of(IDENTITY, smiles, n_jobs, progress, cache).values
    parts = np.split(np.asarray(values), len(LEVELS), axis=1)
    return {level: _as_hex(part) for level, part in zip(LEVELS, parts, strict=True)}


def keys_of(block: MatrixBlock) -> tuple[str, ...]:
    """Return connectivity keys as text, "" where there is none, of their ASCII codes (n, 14)."""
    codes = np.ascontiguousarray(block.values, dtype=np.uint8)
    return tuple(bytes(row).rstrip(b"\0").decode("ascii") for row in codes)


def _as_hex(codes: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """Return each row of bytes as text, "" where all are 0."""
    width = 2 * codes.shape[1]
    digits, nothing = codes.tobytes().hex(), "0" * width
    rows = (digits[start : start + width] for start in range(0, len(digits), width))
    return tuple("" if row == nothing else row for row in rows)


def matrix_of(
    spec: FeatureSpec,
    smiles: Sequence[str],
    n_jobs: int | None = None,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> MatrixBlock:
    """Return a feature without settings that is a matrix; see `featurise`."""
    block = featurise(spec, {}, smiles, n_jobs=n_jobs, progress=progress, cache=cache)
    if not isinstance(block, MatrixBlock):
        raise PluginError(f"the feature {spec.name!r} is no matrix")
    return block


def available_cores() -> int:
    """Return the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_settings(spec: FeatureSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of the feature: its defaults, overridden by those given.

    Raises
    ------
    UnknownNameError
        The feature has no such setting.
    SettingError
        The value is of another type than the default's.
    """
    resolved = dict(spec.settings)
    for name, value in settings.items():
        if name not in resolved:
            hint = f"(settings of feature {spec.name!r}: {', '.join(resolved) or 'none'})"
            raise UnknownNameError("setting", name, resolved, hint)
        resolved[name] = _as_type_of(spec, name, resolved[name], value)
    return resolved


def _as_type_of(spec: FeatureSpec, name: str, default: Any, value: Any) -> Any:
    """Return the value, an integer made a float where the default is one."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and type(value) is not type(default):
        raise SettingError(
            f"feature {spec.name!r}: setting {name!r} is {value!r} ({type(value).__name__}); "
            f"expected {type(default).__name__}, such as {default!r}"
        )
    return value


def _as_list(smiles: Sequence[str]) -> list[str]:
    if isinstance(smiles, str):
        raise DataError(f"expected a list of SMILES, got the one text {smiles!r}")
    return list(smiles)


def _cache_file(
    folder: Path, spec: FeatureSpec, settings: Mapping[str, Any], smiles: Sequence[str]
) -> Path:
    """Return the place of these numbers: named after all that they depend on."""
    parts = {
        "feature": spec.name,
        "version": spec.version,
        "compute": spec.compute,
        "settings": dict(settings),
        "depends": {package: _version(spec, package) for package in sorted(spec.depends)},
        "smiles": list(smiles),
    }
    try:
        text = json.dumps(parts, sort_keys=True)
    except TypeError as error:
        raise PluginError(
            f"feature {spec.name!r}: settings must be plain values: {error}"
        ) from None
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", spec.name)
    return folder / readable / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"


def _version(spec: FeatureSpec, package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise MissingDependencyError(
            f"feature {spec.name!r} needs the package {package!r}, which is not installed"
        ) from None


def _read(path: Path, n: int) -> Block | None:
    """Return the stored block; None where there is none, or where it is damaged."""
    try:
        return read_block(path, n)
    except FileNotFoundError:
        return None
    except DataError as error:
        log.warning("cached feature will be computed again: %s", error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None
