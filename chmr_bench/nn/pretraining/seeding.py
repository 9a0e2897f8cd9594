"""Chance in pretraining: every draw follows from the seed and what it is for, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np

from chmr_bench.types import IntArray

VALID_SHARE = 0.05
"""Share of the molecules held out: a loss on them is logged and chooses the epoch that is kept."""
MIN_VALID = 8
"""Fewer held out say nothing; then none is, and the last epoch is kept."""


def number(seed: int, *names: object) -> int:
    """Return 63 bits that differ for every seed and every purpose."""
    return int.from_bytes(_digest(seed, names)[:8], "little") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return the generator of one purpose."""
    return np.random.default_rng(int.from_bytes(_digest(seed, names), "little"))


def held_out(n: int, seed: int) -> tuple[IntArray, IntArray]:
    """Return rows to learn from, and rows held out, both ascending."""
    n_valid = round(VALID_SHARE * n)
    order = generator(seed, "held out").permutation(n)
    if n_valid < MIN_VALID:
        n_valid = 0
    return np.sort(order[n_valid:]), np.sort(order[:n_valid])


def _digest(seed: int, names: tuple[object, ...]) -> bytes:
    return hashlib.sha256("\0".join([str(seed), *map(str, names)]).encode()).digest()
