"""Embeddings of a frozen encoder, computed once for the same molecules and weights.

The encoder is in eval mode: no dropout, batch norms with their stored statistics. So a molecule's
embedding depends on the molecule alone, and is read back from disk whenever it is wanted again. It
is computed in single precision, whatever that of the heads: in bfloat16 the molecules beside one
in its batch would show.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from chmr_bench import DataError, FitContext, Inputs, MatrixBlock
from chmr_bench.contracts.blocks import block_arrays
from chmr_bench.features.storage import read_block, write_block
from chmr_bench.nn.trainer import one_thread, seeded
from chmr_bench.paths import embedding_folder
from chmr_bench.types import FloatArray

MOLECULES_AT_ONCE = 256


def cached(
    path: Path,
    inputs: Inputs,
    d: int,
    context: FitContext,
    encoder: Callable[[], Callable[[Inputs], FloatArray]],
) -> FloatArray:
    """Return (n, d) float32 as `encoded`: from the file of `cache_file`, or stored there.

    Parameters
    ----------
    encoder : Callable[[], Callable[[Inputs], FloatArray]]
        Gives what `encoded` calls; where a file is there, no network needs to be loaded. What it
        draws from torch's generator, as a network that is built does, is drawn from one of its
        own: what a fit draws later does not depend on whether the file was there.
    """
    values = read(path, len(inputs), d)
    if values is None:
        with seeded(0, context.device):
            values = encoded(inputs, d, context, encoder())
        _give_back_memory()
        write(path, values, context)
    return values


def encoded(
    inputs: Inputs, d: int, context: FitContext, encode: Callable[[Inputs], FloatArray]
) -> FloatArray:
    """Return (n, d) float32: `encode` of chunks, side by side, alike whatever the cores.

    Parameters
    ----------
    d : int
        Columns of what `encode` gives.
    encode : Callable[[Inputs], FloatArray]
        Called with up to `MOLECULES_AT_ONCE` molecules, in several threads at once.
    """
    starts = range(0, len(inputs), MOLECULES_AT_ONCE)
    chunks = [np.arange(s, min(s + MOLECULES_AT_ONCE, len(inputs))) for s in starts]
    embedded = np.zeros((len(inputs), d), dtype=np.float32)
    workers = context.n_jobs if context.device == "cpu" else 1
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        parts = pool.map(lambda rows: encode(inputs.take(rows)), chunks)
        for done, (rows, part) in enumerate(zip(chunks, parts, strict=True), start=1):
            embedded[rows] = part
            context.progress(done, len(chunks), "batches embedded")
    return embedded


def _give_back_memory() -> None:
    """Give the system what is free between the pieces still held: a tenth of a fit's peak."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
        if trim is not None:
            trim(0)


def cache_file(
    inputs: Inputs, features: Iterable[str], sha256: str, version: str, context: FitContext
) -> Path:
    """Return the place of these embeddings: named after all that they depend on.

    Parameters
    ----------
    features : Iterable[str]
        The blocks that the encoder reads.
    sha256 : str
        Of the weights.
    version : str
        Changes whenever the same molecules and weights give other embeddings.
    """
    digest = hashlib.sha256()
    for name in sorted(features):
        digest.update(name.encode() + b"\0")
        for array in block_arrays(inputs.blocks[name]):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data if array.size else b"")
    parts = [version, sha256, digest.hexdigest(), context.device]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return embedding_folder() / sha256[:16] / f"{key}.npz"


def read(path: Path, n: int, d: int) -> FloatArray | None:
    """Return the stored (n, d) embeddings; None where there are none, or they are damaged."""
    try:
        block = read_block(path, n)
    except (FileNotFoundError, DataError):
        return None
    if not isinstance(block, MatrixBlock) or block.values.shape != (n, d):
        return None
    return np.asarray(block.values)


def write(path: Path, values: FloatArray, context: FitContext) -> None:
    """Store embeddings (n, d); a cache that cannot be written costs time, never a result."""
    try:
        write_block(path, MatrixBlock(values, np.ones(len(values), dtype=np.bool_)))
    except OSError as error:
        context.log.warning("embeddings are not cached: %s", error)
