"""How long weights would take to make, from a quick measurement of this machine."""

from __future__ import annotations

import functools
import time

import numpy as np

from chmr_bench.contracts import AtlasSpec, PendingWeights
from chmr_bench.errors import UsageError
from chmr_bench.runner.pretraining import atlas_specs

REFERENCE = 105.0
"""GFLOP/s of float32 products on one core of the machine that `PendingWeights.core_ms` is of."""
SIZE, BURSTS = 384, 12


def making_seconds(pending: PendingWeights, n_jobs: int) -> float | None:
    """Return how long weights would take here, over `n_jobs` cores; None = not known.

    A rough number: molecules as registered, the speed of this machine in matrix products.
    """
    try:
        specs = atlas_specs(pending.atlases)
    except UsageError:
        return None
    sizes = [spec.n_molecules if isinstance(spec, AtlasSpec) else 0 for spec in specs]
    if not all(sizes) or not pending.core_ms:
        return None
    n, slower = sum(sizes), REFERENCE / gigaflops()
    return min(n, pending.molecules or n) * pending.core_ms / 1000 * slower / max(1, n_jobs)


@functools.cache
def gigaflops() -> float:
    """Return GFLOP/s of float32 matrix products on this machine; takes some 20 ms, once.

    The best of a few bursts counts: other work on the machine bears on the others.
    """
    a = np.ones((SIZE, SIZE), dtype=np.float32)
    best = np.inf
    for _ in range(BURSTS):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return float(2 * SIZE**3 / best / 1e9)
