"""Tanimoto similarity of sets of bits: shared bits over bits in either."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from chmr_bench.types import FloatArray


def similarity(left: sparse.csr_array, right: sparse.csr_array) -> FloatArray:
    """Return the similarity of every molecule of `left` with every one of `right`.

    Parameters
    ----------
    left, right : (n, d) and (m, d) zeros and ones.

    Returns
    -------
    (n, m) float32 in [0, 1]; two molecules without any bit are alike (1).
    """
    shared = np.asarray((left @ right.T).todense(), dtype=np.float32)  # (n, m)
    sizes = np.diff(left.indptr)[:, None] + np.diff(right.indptr)[None, :]
    either = sizes.astype(np.float32) - shared
    found: FloatArray = np.divide(shared, either, out=np.ones_like(shared), where=either > 0)
    return found
