"""Read-outs as numbers to learn from: standardised, or given to other molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from chmr_bench import DataError, MatrixBlock
from chmr_bench.contracts import Block
from chmr_bench.types import BoolArray

CLIP = 10.0
"""Standard deviations; a read-out farther out counts as this far while learning."""


@dataclass(frozen=True)
class Values:
    """A modality of numbers, standardised.

    Attributes
    ----------
    x : npt.NDArray[np.float32]
        (n, d) float32; rows not observed are 0 and must not be read.
    mean, sd : npt.NDArray[np.float32]
        (d,) float32, what x was standardised with; 0 and 1 where it is binary.
    """

    x: npt.NDArray[np.float32]
    observed: BoolArray
    mean: npt.NDArray[np.float32]
    sd: npt.NDArray[np.float32]
    binary: bool = False


def require_readouts(atlas: str, blocks: Mapping[str, MatrixBlock], *, masked: bool) -> None:
    """Raise DataError where the blocks of an atlas hold nothing to learn from, or are in part.

    Parameters
    ----------
    masked : bool
        Read-outs were masked on purpose, so that there may be none left.
    """
    for name, block in blocks.items():
        block.complete_rows(name, "this pretraining")
        values = block.values if isinstance(block.values, np.ndarray) else block.values.toarray()
        if not values.shape[1] or (block.observed.any() and not _any_finite(values, block)):
            what = "is not finite in any molecule" if values.shape[1] else "has no column"
            raise DataError(
                f"atlas {atlas!r}: the cell read-out {name!r} {what}, so there is nothing to learn "
                "from; mend the atlas, name others with --set cells=..., or pretrain on molecules "
                "alone with --set cells="
            )
    if not masked and not any(block.observed.any() for block in blocks.values()):
        raise DataError(
            f"atlas {atlas!r} has no cell read-outs to learn from (blocks: {sorted(blocks)}): name "
            "another --atlas, or pretrain on molecules alone with --set cells="
        )


def _any_finite(values: npt.NDArray[Any], block: MatrixBlock) -> bool:
    return bool(np.isfinite(values[block.observed]).any())


def shuffled(block: MatrixBlock, rng: np.random.Generator) -> MatrixBlock:
    """Return the block with every observed row given to another observed molecule."""
    rows = rng.permutation(np.flatnonzero(block.observed))
    values = np.array(block.values, copy=True)
    values[rows] = values[np.roll(rows, 1)]
    return replace(block, values=values)


def standardised(block: Block) -> Values:
    """Return the block's columns with mean 0 and spread 1 over the observed rows.

    A block of zeros and ones stays as it is. A missing entry of an observed row takes its column's
    mean; a column without spread keeps it.
    """
    if not isinstance(block, MatrixBlock):
        raise DataError("expected a matrix, got graphs")
    values = block.values if isinstance(block.values, np.ndarray) else block.values.toarray()
    seen = np.asarray(values[block.observed], dtype=np.float64)  # (k, d)
    d = values.shape[1]
    x = np.zeros((len(block), d), dtype=np.float32)
    known = np.isfinite(seen)
    binary = bool(len(seen)) and bool(known.all() and ((seen == 0) | (seen == 1)).all())
    if binary or not len(seen):
        x[block.observed] = seen
        return Values(x, block.observed, np.zeros(d, np.float32), np.ones(d, np.float32), binary)
    n_known = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, seen, 0).sum(axis=0) / n_known
    centred = np.where(known, seen - mean, 0)
    sd = np.sqrt((centred**2).sum(axis=0) / n_known)
    sd = np.where(sd > 1e-6 * np.maximum(np.abs(mean), 1), sd, 1.0)
    x[block.observed] = np.clip(centred / sd, -CLIP, CLIP)
    return Values(x, block.observed, mean.astype(np.float32), sd.astype(np.float32))
