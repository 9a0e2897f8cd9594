"""Tanimoto similarity of bits, shared over either: the nearest molecules, exact, or all pairs.

Bits are packed 64 to a word; pairs are compared by popcount, over threads, and whole blocks of
candidates are left out where their number of bits alone says that they are too far.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.errors import DataError, SettingError
from chmr_bench.features.cache import available_cores
from chmr_bench.types import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy import sparse

Words: TypeAlias = npt.NDArray[np.uint64]
Bits: TypeAlias = "sparse.csr_array | npt.NDArray[Any]"
"""(n, d) of anything that is zero or not, or (n, w) `Words` as `packed` returns them."""

BLOCK = 256
"""Candidates a block: with 1,024 bits 32 KB."""
CHUNK = 1024
"""Queries a thread takes at a time."""
_PACK_ROWS = 4096


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of each molecule, the nearest first, ties by the lower row.

    Attributes
    ----------
    rows : ndarray
        (n, k) int32; -1 where there are no more.
    similarity : ndarray
        (n, k) float32 Tanimoto similarity, above 0; 0 where there are no more.
    """

    rows: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def matrix(self, n_columns: int) -> sparse.csr_array:
        """Return the similarities as a CSR matrix (n, n_columns), float32."""
        from scipy import sparse

        there = self.rows >= 0
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        entries = (self.similarity[there], self.rows[there], indptr)
        matrix = sparse.csr_array(entries, shape=(len(self), n_columns))
        matrix.sort_indices()
        return matrix


def packed(bits: Bits) -> Words:
    """Return the bits 64 to a word, (n, w) uint64; words stay what they are."""
    if isinstance(bits, np.ndarray) and bits.dtype == np.uint64:
        return bits
    n, d = bits.shape
    width = -(-d // 64) * 8
    out = np.zeros((n, width), dtype=np.uint8)
    for start in range(0, n, _PACK_ROWS):
        part = bits[start : start + _PACK_ROWS]
        dense = part if isinstance(part, np.ndarray) else part.toarray()
        out[start : start + len(dense), : -(-d // 8)] = np.packbits(
            dense != 0, axis=1, bitorder="little"
        )
    return out.view("<u8").astype(np.uint64, copy=False)


def nearest(
    bits: Bits,
    k: int,
    *,
    queries: Bits | None = None,
    n_jobs: int | None = None,
    progress: Progress = no_progress,
) -> Neighbours:
    """Return the k rows of `bits` nearest to each query, by exact Tanimoto similarity.

    Rows that share no bit are nobody's neighbours, an empty fingerprint has none at all.

    Parameters
    ----------
    bits : Bits
        The n molecules to choose from.
    queries : Bits or None
        Bits of other molecules; None = the n molecules themselves, none its own neighbour.
    n_jobs : int or None
        Threads, None for all cores; the result does not depend on it.

    Raises
    ------
    SettingError
        `k` is below 1.
    DataError
        `queries` have another number of bits.
    """
    if k < 1:
        raise SettingError(f"the number of neighbours is {k}; expected 1 or more")
    words = packed(bits)
    wanted = words if queries is None else packed(queries)
    if wanted.shape[1] != words.shape[1]:
        raise DataError(
            f"the queries have {wanted.shape[1]} words of 64 bits, the molecules to choose from "
            f"{words.shape[1]}; compute both with the same fingerprint settings"
        )
    if not len(words) or not len(wanted):
        nobody = np.full((len(wanted), k), -1, np.int32)
        return Neighbours(nobody, np.zeros(nobody.shape, np.float32))
    from chmr_bench.features import tanimoto_kernel

    own = np.arange(len(wanted)) if queries is None else np.full(len(wanted), -1)
    rows = np.full((len(wanted), k), -1, dtype=np.int64)
    similarity = np.full((len(wanted), k), np.finfo(np.float64).tiny)
    blocks, counts = _blocks(words), bit_counts(wanted)
    order = np.argsort(counts, kind="stable")
    chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
    kernel: Any = tanimoto_kernel.search

    def search(chunk: IntArray) -> None:
        near, values = rows[chunk], similarity[chunk]
        kernel(wanted[chunk], counts[chunk], own[chunk], *blocks, near, values)
        rows[chunk], similarity[chunk] = near, values

    with ThreadPoolExecutor(min(n_jobs or available_cores(), len(chunks))) as pool:
        for done, _ in enumerate(pool.map(search, chunks), start=1):
            progress(min(done * CHUNK, len(order)), len(order), "molecules")
    similarity[rows < 0] = 0
    return Neighbours(rows.astype(np.int32), similarity.astype(np.float32))


def bit_counts(words: Words) -> IntArray:
    """Return the number of set bits of each row, (n,) int64."""
    table = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)
    counts: IntArray = table[words.view(np.uint8).reshape(len(words), -1)].sum(1, dtype=np.int64)
    return counts


def _blocks(words: Words) -> tuple[npt.NDArray[Any], ...]:
    """Return the candidates by rising bit count as `tanimoto_kernel.search` wants them."""
    counts = bit_counts(words)
    order = np.argsort(counts, kind="stable")
    n_blocks = -(-len(words) // BLOCK)
    rows = np.full(n_blocks * BLOCK, -1, dtype=np.int64)
    rows[: len(words)] = order
    sorted_counts = np.full(n_blocks * BLOCK, counts.max(), dtype=np.int64)
    sorted_counts[: len(words)] = counts[order]
    columns = words[np.maximum(rows, 0)].reshape(n_blocks, BLOCK, -1).transpose(0, 2, 1)
    table = sorted_counts.reshape(n_blocks, BLOCK)
    return (
        np.ascontiguousarray(columns),
        table,
        rows.reshape(n_blocks, BLOCK),
        np.ascontiguousarray(table[:, 0]),
        np.ascontiguousarray(table[:, -1]),
    )


def similarity_matrix(left: sparse.csr_array, right: sparse.csr_array) -> FloatArray:
    """Return the similarity of every molecule of `left` with every one of `right`.

    Parameters
    ----------
    left, right : csr_array
        (n, d) and (m, d) zeros and ones.

    Returns
    -------
    ndarray
        (n, m) float32 in [0, 1]; two molecules without any bit are alike (1).
    """
    shared = np.asarray((left @ right.T).todense(), dtype=np.float32)  # (n, m)
    sizes = np.diff(left.indptr)[:, None] + np.diff(right.indptr)[None, :]
    either = sizes.astype(np.float32) - shared
    similarity: FloatArray = np.divide(shared, either, out=np.ones_like(shared), where=either > 0)
    return similarity
