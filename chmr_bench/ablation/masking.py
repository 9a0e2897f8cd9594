"""Blocks of which something is hidden on purpose: an atlas's, or those a dataset comes with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from chmr_bench.ablation.imputation import Holes, fill
from chmr_bench.ablation.missing import Fill, Missing, Molecules, hidden, shuffled, without
from chmr_bench.cells.atlas import modality_of
from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import BoolArray, IntArray

if TYPE_CHECKING:
    from scipy import sparse

Bits: TypeAlias = "Callable[[], sparse.csr_array]"
"""Returns the (n, d) fingerprint bits of the molecules; asked for only where neighbours lend."""
Counts: TypeAlias = dict[str, dict[str, int]]
"""Modality -> ``observed`` before, ``hidden`` of these, ``filled`` of these."""


@dataclass(frozen=True)
class Concealed:
    """n molecules' blocks without what is hidden.

    Attributes
    ----------
    blocks : block name -> n rows. holes : block name -> (n,) True where an entry was hidden.
    """

    blocks: Mapping[str, MatrixBlock]
    holes: Mapping[str, BoolArray]

    def take(self, rows: IntArray) -> Concealed:
        """Return the given rows, in that order."""
        return Concealed(
            {name: block.take(rows) for name, block in self.blocks.items()},
            {name: holes[rows] for name, holes in self.holes.items()},
        )


def plain(blocks: Mapping[str, MatrixBlock]) -> Concealed:
    """Return the blocks as they are: nothing is hidden."""
    return Concealed(
        blocks, {name: np.zeros(len(block), dtype=np.bool_) for name, block in blocks.items()}
    )


def conceal(missing: Missing, molecules: Molecules, blocks: Mapping[str, MatrixBlock]) -> Concealed:
    """Return the blocks without what is hidden; the rest shuffled where `missing` says so."""
    gone = hidden(missing, molecules, blocks)
    nothing = np.zeros(len(molecules.smiles), dtype=np.bool_)
    holes = {name: b.observed & gone.get(modality_of(name), nothing) for name, b in blocks.items()}
    left = without(blocks, gone)
    return Concealed(shuffled(missing, molecules, left) if missing.shuffled else left, holes)


def filled(
    kind: Fill, concealed: Concealed, bits: Bits, lenders: tuple[Concealed, Bits] | None = None
) -> dict[str, MatrixBlock]:
    """Return the blocks with their holes filled.

    Parameters
    ----------
    lenders : the training molecules, who alone may lend; None = the molecules themselves.
    """
    found = {}
    for name, block in concealed.blocks.items():
        giver = None
        if lenders is not None:
            lent, lent_bits = lenders
            giver = Holes(lent.blocks[name], lent.holes[name], lent_bits)
        found[name] = fill(kind, Holes(block, concealed.holes[name], bits), giver)
    return found


def counts(
    before: Mapping[str, MatrixBlock], concealed: Concealed, after: Mapping[str, MatrixBlock]
) -> Counts:
    """Return what became of each modality's entries, for a record."""
    found: Counts = {}
    for name, block in before.items():
        told = found.setdefault(modality_of(name), {"observed": 0, "hidden": 0, "filled": 0})
        holes = concealed.holes[name]
        told["observed"] += int(block.observed.sum())
        told["hidden"] += int(holes.sum())
        told["filled"] += int((holes & after[name].observed).sum())
    return found
