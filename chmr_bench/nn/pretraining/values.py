"""Read-outs as numbers to learn from: standardised, or given to other molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chmr_bench import DataError, MatrixBlock
from chmr_bench.cells.atlas import Bound
from chmr_bench.cells.merging import AnyBlock
from chmr_bench.contracts import Block, HeldRows
from chmr_bench.features.profiles import CLIP, column_moments
from chmr_bench.types import BoolArray, FloatArray, IntArray

CALLS = 0.9
"""Share of zeros and ones among numbers from 0 to 1 that are calls; the rest are means of calls."""


@dataclass(frozen=True)
class Values:
    """A modality of numbers, standardised.

    Attributes
    ----------
    x : npt.NDArray[np.float32] | HeldRows
        (n, d) float32; what is not observed is 0 and must not be read.
    observed : BoolArray
        (n,) who has anything of it.
    mean, sd : npt.NDArray[np.float32]
        (d,) float32, what x was scaled with; 0 and 1 where it is calls.
    binary : bool
        From 0 to 1, for a cross-entropy.
    entries : BoolArray | None
        (n, d) which entries were measured; None = all of every row observed.
    bounds : tuple[npt.NDArray[np.float32], bool] | None
        (d,) where x stands if the true number lies beyond, and whether that is below.
    """

    x: npt.NDArray[np.float32] | HeldRows
    observed: BoolArray
    mean: npt.NDArray[np.float32]
    sd: npt.NDArray[np.float32]
    binary: bool = False
    entries: BoolArray | None = None
    bounds: tuple[npt.NDArray[np.float32], bool] | None = None

    def targets(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return x of these rows, which are observed, NaN where an entry was not measured."""
        x = self.x[rows]
        return x if self.entries is None else np.where(self.entries[rows], x, np.float32(np.nan))

    @property
    def profiles(self) -> npt.NDArray[np.float32] | HeldRows:
        """x of all rows, NaN where an entry was not measured; in full it is x itself, no copy."""
        if self.entries is None:
            return self.x
        return np.where(self.entries, np.asarray(self.x), np.float32(np.nan))


def require_readouts(atlas: str, blocks: Mapping[str, MatrixBlock], *, masked: bool) -> None:
    """Raise DataError where the blocks of an atlas hold nothing to learn from.

    Parameters
    ----------
    masked : bool
        Read-outs were masked on purpose, so that there may be none left.
    """
    for name, block in blocks.items():
        seen = block.take(block.observed_rows).entries
        if not block.values.shape[1] or (block.observed.any() and not seen.any()):
            what = "is not finite in any molecule" if block.values.shape[1] else "has no column"
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


def shuffled(block: AnyBlock, rng: np.random.Generator) -> AnyBlock:
    """Return the block with every observed row given to another observed molecule."""
    rows = rng.permutation(np.flatnonzero(block.observed_rows))
    giver = np.arange(len(block))
    giver[rows] = np.roll(rows, 1)
    return block.take(giver)  # which entries were measured goes with them


def standardised(block: Block, censored: Bound | None = None) -> Values:
    """Return the block's columns with mean 0 and spread 1 over what is observed.

    `censored` says where its numbers stand if the true one lies beyond.

    A block of zeros and ones stays as it is. A missing entry of an observed row takes its column's
    mean; a column without spread keeps it. In a block measured in part what is not observed, or
    is no finite number, stays unknown, and a column without any entry says nothing.
    """
    if not isinstance(block, MatrixBlock):
        raise DataError("expected a matrix, got graphs")
    block = block.settled()
    rows, entries = block.observed_rows, block.observed if block.in_part else None
    seen = np.asarray(block.take(rows).dense(), dtype=np.float64)  # (k, d)
    d = seen.shape[1]
    known = np.isfinite(seen) if entries is None else entries[rows]
    binary = _are_calls(seen, known, in_part=block.in_part)
    if binary or not len(seen):
        x = _spread(block, np.where(known, seen, 0))
        zeros, ones = np.zeros(d, np.float32), np.ones(d, np.float32)
        return Values(x, rows, zeros, ones, binary, entries)
    mean, sd = column_moments(seen, known)
    sd = np.where(sd > 1e-6 * np.maximum(np.abs(mean), 1), sd, 1.0)
    x = _spread(block, np.clip(np.where(known, seen - mean, 0) / sd, -CLIP, CLIP))
    scale = mean.astype(np.float32), sd.astype(np.float32)
    bounds = None
    if censored is not None:
        at = np.clip((censored.at - mean) / sd, -CLIP, CLIP).astype(np.float32)
        bounds = at, censored.below
    return Values(x, rows, *scale, entries=entries, bounds=bounds)


def min_max(block: MatrixBlock, censored: Bound | None = None) -> Values:
    """Return the block's columns from 0 to 1 over what is observed: targets of a cross-entropy.

    `censored` says where its numbers stand if the true one lies beyond.

    `mean` is a column's least value and `sd` its range; a column without range is 0. A missing
    entry of an observed row takes its column's mean. In a block measured in part what is not
    observed, or is no finite number, stays unknown.

    Examples
    --------
    >>> import numpy as np
    >>> min_max(MatrixBlock(np.array([[1.0], [3.0], [2.0]]), np.ones(3, bool))).x[:, 0]
    array([0. , 1. , 0.5], dtype=float32)
    """
    block = block.settled()
    rows, entries = block.observed_rows, block.observed if block.in_part else None
    seen = np.asarray(block.take(rows).dense(), dtype=np.float64)  # (k, d)
    known = np.isfinite(seen) if entries is None else entries[rows]
    least = np.where(known, seen, np.inf).min(axis=0, initial=np.inf)
    most = np.where(known, seen, -np.inf).max(axis=0, initial=-np.inf)
    least = np.where(np.isfinite(least), least, 0.0)
    spread = np.where(most > least, most - least, 1.0)
    scaled = np.where(known, (seen - least) / spread, 0.0)
    centre = scaled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    x = _spread(block, np.where(known, scaled, centre if entries is None else 0.0))
    scale = least.astype(np.float32), spread.astype(np.float32)
    bounds = None
    if censored is not None:
        bounds = ((censored.at - least) / spread).astype(np.float32), censored.below
    return Values(x, rows, *scale, binary=True, entries=entries, bounds=bounds)


def _spread(block: MatrixBlock, x: FloatArray) -> npt.NDArray[np.float32] | HeldRows:
    """Return (n, d) of what the (k, d) observed rows became, and 0; held as the block's values."""
    spread = HeldRows(np.flatnonzero(block.observed_rows), x.astype(np.float32), len(block), 0.0)
    return spread if isinstance(block.values, HeldRows) else np.asarray(spread)


def _are_calls(seen: npt.NDArray[np.float64], known: BoolArray, *, in_part: bool) -> bool:
    """Return whether all are 0 or 1; in part, where repeats were averaged, a few may lie between.

    Parameters
    ----------
    seen : npt.NDArray[np.float64]
        (k, d).
    known : BoolArray
        (k, d) bool, what was measured of it.
    """
    if not in_part:
        return bool(len(seen)) and bool(known.all() and ((seen == 0) | (seen == 1)).all())
    numbers = seen[known]
    within = bool(((numbers >= 0) & (numbers <= 1)).all())
    return within and bool(np.mean((numbers == 0) | (numbers == 1)) >= CALLS)
