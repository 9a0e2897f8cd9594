"""What every split promises, checked."""

from __future__ import annotations

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.errors import DataError
from chmr_bench.types import PARTS


def check_split(split: Split, n: int, *, complete: bool = True) -> None:
    """Raise DataError unless the parts are non-empty, disjoint, ascending and within n rows.

    Parameters
    ----------
    complete : bool
        Every row must be in a part; the message names how many are left out.
    """
    if not isinstance(split, Split):
        raise DataError(f"expected a Split, got {type(split).__name__}")
    for name in PARTS:
        rows = split.part(name)
        if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.kind not in "iu":
            kind = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else repr(rows)[:60]
            raise DataError(f"{name}: expected an array of row numbers, got {kind}")
        if not rows.size:
            raise DataError(f"{name} is empty; use another split or more molecules")
        if rows.min() < 0 or rows.max() >= n:
            wrong = rows[(rows < 0) | (rows >= n)]
            raise DataError(f"{name} holds row {wrong[0]}, expected 0 to {n - 1}")
        if (np.diff(rows) <= 0).any():
            raise DataError(f"{name}: rows are not ascending, or one stands twice")
    seen = np.concatenate([split.part(name) for name in PARTS])
    counts = np.bincount(seen, minlength=n)
    if counts.max() > 1:
        shared = np.flatnonzero(counts > 1)
        raise DataError(f"{shared.size} rows are in two parts, the first is row {shared[0]}")
    if complete and seen.size < n:
        left = np.flatnonzero(counts == 0)
        raise DataError(f"{left.size} of {n} rows are in no part, the first is row {left[0]}")
