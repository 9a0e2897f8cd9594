"""Nearest molecules by content: what was found once for these bits is read back from disk.

Every pair of an atlas is compared, which for 200,000 molecules takes minutes. The seeds, controls
and variants of a pretraining all begin with it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.features.storage import keep_arrays, kept_arrays
from chmr_bench.features.tanimoto import Bits, Neighbours, Words, nearest, packed

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
    kept = kept_arrays(path, "rows", "similarity")
    if kept:
        return Neighbours(**kept)
    found = nearest(words, k, n_jobs=n_jobs, progress=progress)
    keep_arrays(path, rows=found.rows, similarity=found.similarity)
    return found


def _key(words: Words, k: int) -> str:
    about = f"{VERSION}, {words.shape}, {k}:".encode()
    return hashlib.sha256(about + np.ascontiguousarray(words).tobytes()).hexdigest()
