"""The second view of every read-out (eq. 1 and 3): what a molecule's neighbours say of it.

Eq. 1 leaves an observed row as it is, so with it alone both views of eq. 3 would be one and the
same. The second view here is one step of eq. 1 without putting the observed rows back: a
molecule's own read-out is compared with the one its structural neighbours predict, each observed
or filled by the steps before. With `as_published` observed rows are put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chmr_bench.cells import propagation
from chmr_bench.features.tanimoto import Neighbours
from chmr_bench.nn.pretraining.seeding import generator
from chmr_bench.nn.pretraining.values import Values
from chmr_bench.types import BoolArray
from chmr_bench_chmr.config import PretrainConfig

NEEDS_NEIGHBOURS = ("propagation", "neighbour")


@dataclass(frozen=True)
class Filled:
    """A second view: `x` (n, d) float32 standardised, NaN where nothing reached.

    `reached` is (n,), or (n, d) of profiles measured in part.
    """

    x: npt.NDArray[np.float32]
    reached: BoolArray


def fill(
    cells: Mapping[str, Values], near: Neighbours, config: PretrainConfig, seed: int
) -> dict[str, Filled]:
    """Return the second view of every cell block; `near` is read by `NEEDS_NEIGHBOURS` alone."""
    if config.fill == "zero":
        return {
            name: _whole(np.zeros(values.x.shape, np.float32)) for name, values in cells.items()
        }
    if config.fill == "random":
        return {name: _noise(values, seed, name) for name, values in cells.items()}
    steps = config.propagation_steps if config.fill == "propagation" else 1
    return {name: _propagated(v, near, steps, config.as_published) for name, v in cells.items()}


def _propagated(values: Values, near: Neighbours, steps: int, put_back: bool) -> Filled:
    """Return what T steps of eq. 1 give; the last of them for what is observed too."""
    x = np.asarray(values.x)
    seen = values.observed if values.entries is None else values.entries
    if put_back:
        filled = propagation.propagate(x, seen, near, steps)
        return Filled(filled.values.astype(np.float32, copy=False), filled.reached)
    before = propagation.propagate(x, seen, near, max(steps - 1, 0))
    last = propagation.borrow(before.values, before.reached, near)
    return Filled(last.values.astype(np.float32, copy=False), last.reached)


def _noise(values: Values, seed: int, name: str) -> Filled:
    """Return standard normal noise; for a binary block, bits as frequent as the observed ones."""
    rng = generator(seed, "fill", name)
    if not values.binary:
        return _whole(rng.standard_normal(values.x.shape, dtype=np.float32))
    frequency = values.x[values.observed].mean(axis=0)  # (d,)
    if values.entries is not None:
        frequency = np.asarray(values.x).sum(axis=0) / np.maximum(values.entries.sum(axis=0), 1)
    return _whole((rng.random(values.x.shape) < frequency).astype(np.float32))


def _whole(x: npt.NDArray[np.float32]) -> Filled:
    return Filled(x, np.ones(len(x), dtype=bool))
