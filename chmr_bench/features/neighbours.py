"""Nearest molecules by content: what was found once for these bits is read back from disk.

Every pair of an atlas is compared, which for 200,000 molecules takes minutes. The seeds, controls
and variants of a pretraining all begin with it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from pathlib import Path

import numpy as np

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.features.tanimoto import Bits, Neighbours, Words, nearest, packed
from chmr_bench.paths import write_whole

log = logging.getLogger("chmr_bench.features")

VERSION = 1
"""Changes whenever `nearest` finds others."""


def kept_nearest(
    bits: Bits,
    k: int,
    folder: Path,
    *,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
) -> Neighbours:
    """Return the k nearest of each molecule, as `nearest` does, read from the folder or kept there.

    Parameters
    ----------
    bits : Bits
        The n molecules.
    folder : Path
        Of what was found before; where it cannot be written, that costs time alone.
    n_jobs : int or None
        Threads, None for all cores.

    Raises
    ------
    SettingError
        `k` is below 1.
    """
    words = packed(bits)
    path = folder / f"{_key(words, k)}.npz"
    found = _read(path, (len(words), k))
    if found is None:
        found = nearest(words, k, n_jobs=n_jobs, progress=progress)
        _write(path, found)
    return found


def _key(words: Words, k: int) -> str:
    about = f"{VERSION}, {words.shape}, {k}:".encode()
    return hashlib.sha256(about + np.ascontiguousarray(words).tobytes()).hexdigest()


def _read(path: Path, shape: tuple[int, int]) -> Neighbours | None:
    """Return what is kept there, None where nothing is or it is damaged."""
    try:
        content = io.BytesIO(path.read_bytes())
        with np.load(content, allow_pickle=False) as stored:
            found = Neighbours(stored["rows"], stored["similarity"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = found.rows.shape == found.similarity.shape == shape
    return found if whole else None


def _write(path: Path, found: Neighbours) -> None:
    content = io.BytesIO()
    np.savez(content, rows=found.rows, similarity=found.similarity)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())
    except OSError as error:
        log.warning("the nearest molecules are not kept: %s", error)
