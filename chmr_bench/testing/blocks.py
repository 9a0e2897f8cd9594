"""What every block promises, whoever made it, and whether two are the same."""

from __future__ import annotations

import numpy as np

from chmr_bench.contracts import Block, MatrixBlock
from chmr_bench.contracts.blocks import block_arrays
from chmr_bench.errors import PluginError


def check_unmeasured(block: MatrixBlock, where: str) -> None:
    """Refuse numbers that were not measured, and a column that was measured in no molecule."""
    if not np.isnan(np.asarray(block.values)[~block.observed]).all():
        what = "entries" if block.in_part else "rows"
        raise PluginError(f"{where}: {what} that are not observed hold numbers; expected NaN")
    if block.in_part and not block.observed.any(axis=0).all():
        column = int(np.flatnonzero(~block.observed.any(axis=0))[0])
        raise PluginError(f"{where}: column {column} (from 0) was measured in no molecule")


def equal_blocks(first: Block, second: Block) -> bool:
    """Return whether two blocks have the same content."""
    if type(first) is not type(second):
        return False
    pairs = zip(block_arrays(first), block_arrays(second), strict=False)
    return all(a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in pairs)
