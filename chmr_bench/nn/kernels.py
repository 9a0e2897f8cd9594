"""Compiled inner loops of message passing on a CPU: one pass over memory, no array per bond.

What torch does in five operations, each writing (e, h) numbers, is done here atom by atom, so that
a molecule stays in the processor's first cache. float32 in, float32 out; single-threaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Rows = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

_GOLDEN = np.uint32(0x9E3779B9)
_MIX_1 = np.uint32(0x7FEB352D)
_MIX_2 = np.uint32(0x846CA68B)
_15, _16 = np.uint32(15), np.uint32(16)


@njit(nogil=True, cache=True)
def receive(
    h: Rows,
    bonds: Rows,
    own: float,
    codes: Index,
    source: Index,
    order: Index,
    starts: Index,
    out: Rows,
) -> None:
    """Write own x h plus, for every atom, the sum over its bonds of relu(h_source + bond).

    `order` (e,) lists the bonds by their target, `starts` (v + 1,) where each atom's begin.
    """
    width = h.shape[1]
    for i in range(len(starts) - 1):
        row, atom = out[i], h[i]
        for c in range(width):
            row[c] = np.float32(own) * atom[c]
        for k in range(starts[i], starts[i + 1]):
            neighbour, bond = h[source[order[k]]], bonds[codes[order[k]]]
            for c in range(width):
                s = neighbour[c] + bond[c]
                row[c] += np.float32(0) if s <= 0 else s  # a NaN stays one


@njit(nogil=True, cache=True)
def send_back(
    h: Rows,
    bonds: Rows,
    own: float,
    codes: Index,
    target: Index,
    order: Index,
    starts: Index,
    grad: Rows,
    grad_h: Rows,
    grad_bonds: Rows,
) -> None:
    """Write the gradient of `receive` for h, add that for the bonds; `order` is by source."""
    width = h.shape[1]
    for j in range(len(starts) - 1):
        row, atom, straight = grad_h[j], h[j], grad[j]
        for c in range(width):
            row[c] = np.float32(own) * straight[c]
        for k in range(starts[j], starts[j + 1]):
            bond, into = bonds[codes[order[k]]], grad_bonds[codes[order[k]]]
            came = grad[target[order[k]]]
            for c in range(width):
                g = np.float32(0) if atom[c] + bond[c] <= 0 else came[c]
                row[c] += g
                into[c] += g


@njit(nogil=True, cache=True, inline="always")
def _hash(x: Any) -> Any:
    """Return 32 mixed bits of a counter (Wellons' lowbias32)."""
    x = np.uint32(x ^ np.uint32(x >> _16))
    x = np.uint32(x * _MIX_1)
    x = np.uint32(x ^ np.uint32(x >> _15))
    x = np.uint32(x * _MIX_2)
    return np.uint32(x ^ np.uint32(x >> _16))


@njit(nogil=True, cache=True)
def drop(x: Rows, seed: Any, threshold: Any, relu: bool, out: Rows) -> None:
    """Add x / (1 - rate) to `out` (flat) where x is kept, above 0 alone if `relu`.

    Entry i is dropped where 32 bits that depend on i and `seed` alone lie below `threshold`.
    """
    scale = np.float32(4294967296.0 / (4294967296.0 - threshold))
    limit, start = np.uint32(threshold), np.uint32(seed)
    for i in range(len(x)):
        mixed = _hash(np.uint32(np.uint32(np.uint32(i) * _GOLDEN) ^ start))
        gone = mixed < limit or (relu and x[i] <= 0)
        out[i] += np.float32(0) if gone else scale * x[i]


@njit(nogil=True, cache=True)
def drop_back(x: Rows, seed: Any, threshold: Any, relu: bool, grad: Rows, out: Rows) -> None:
    """Write the gradient of `drop` with respect to x."""
    scale = np.float32(4294967296.0 / (4294967296.0 - threshold))
    limit, start = np.uint32(threshold), np.uint32(seed)
    for i in range(len(x)):
        mixed = _hash(np.uint32(np.uint32(np.uint32(i) * _GOLDEN) ^ start))
        gone = mixed < limit or (relu and x[i] <= 0)
        out[i] = np.float32(0) if gone else scale * grad[i]
