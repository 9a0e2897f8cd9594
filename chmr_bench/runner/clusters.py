"""Which test rows are one molecule: the bootstrap draws them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chmr_bench.contracts import Progress, no_progress
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.types import IntArray


def connectivity_clusters(
    data: LoadedDataset, rows: IntArray, progress: Progress = no_progress
) -> IntArray:
    """Return (n,) the same number for rows of one connectivity; a row without a key is alone."""
    return clusters_of(data.keys_of(rows, progress))


def clusters_of(keys: Sequence[str]) -> IntArray:
    """Return (n,) the same number for equal keys, counted as they come; "" is equal to none.

    Where no key comes twice, this is 0 .. n - 1: then drawing clusters is drawing rows.
    """
    named = [key or f"row {i}" for i, key in enumerate(keys)]
    places: Mapping[str, int] = {key: i for i, key in enumerate(dict.fromkeys(named))}
    return np.array([places[key] for key in named], dtype=np.int64)
