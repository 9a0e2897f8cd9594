"""Blocks of which something is masked on purpose: an atlas's, or those a dataset comes with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from chmr_bench.ablation.imputation import MaskedRows, impute
from chmr_bench.ablation.missing import (
    Fill,
    Missing,
    MoleculeNames,
    masked_entries,
    permuted,
    without,
)
from chmr_bench.contracts import MatrixBlock, modality_of
from chmr_bench.types import BoolArray, IntArray

if TYPE_CHECKING:
    from scipy import sparse

Bits: TypeAlias = "Callable[[], sparse.csr_array]"
"""Returns the (n, d) fingerprint bits of the molecules; asked for only where neighbours donate."""
Counts: TypeAlias = dict[str, dict[str, int]]
"""Modality -> ``observed`` before, ``hidden`` of these, ``filled`` of these."""


@dataclass(frozen=True)
class MaskedBlocks:
    """n molecules' blocks without what is masked.

    Attributes
    ----------
    blocks :
        Block name -> n rows.
    holes :
        Block name -> (n,) True where an entry was masked.
    """

    blocks: Mapping[str, MatrixBlock]
    holes: Mapping[str, BoolArray]

    def take(self, rows: IntArray) -> MaskedBlocks:
        """Return the given rows, in that order."""
        return MaskedBlocks(
            {name: block.take(rows) for name, block in self.blocks.items()},
            {name: holes[rows] for name, holes in self.holes.items()},
        )


def unmasked(blocks: Mapping[str, MatrixBlock]) -> MaskedBlocks:
    """Return the blocks as they are: nothing is masked."""
    return MaskedBlocks(
        blocks, {name: np.zeros(len(block), dtype=np.bool_) for name, block in blocks.items()}
    )


def mask(
    missing: Missing, molecules: MoleculeNames, blocks: Mapping[str, MatrixBlock]
) -> MaskedBlocks:
    """Return the blocks without what is masked; the rest permuted where `missing` says so."""
    gone = masked_entries(missing, molecules, blocks)
    nothing = np.zeros(len(molecules.smiles), dtype=np.bool_)
    holes = {
        name: b.observed_rows & gone.get(modality_of(name), nothing) for name, b in blocks.items()
    }
    left = without(blocks, gone)
    return MaskedBlocks(permuted(missing, molecules, left) if missing.shuffled else left, holes)


def imputed(
    kind: Fill, masked: MaskedBlocks, bits: Bits, donors: tuple[MaskedBlocks, Bits] | None = None
) -> dict[str, MatrixBlock]:
    """Return the blocks with their holes filled.

    Parameters
    ----------
    donors :
        The training molecules, who alone may donate; None = the molecules themselves.
    """
    filled = {}
    for name, block in masked.blocks.items():
        giver = None
        if donors is not None:
            donor, donor_bits = donors
            giver = MaskedRows(donor.blocks[name], donor.holes[name], donor_bits)
        filled[name] = impute(kind, MaskedRows(block, masked.holes[name], bits), giver)
    return filled


def counts(
    before: Mapping[str, MatrixBlock], masked: MaskedBlocks, after: Mapping[str, MatrixBlock]
) -> Counts:
    """Return what became of each modality's entries, for a record."""
    by_modality: Counts = {}
    for name, block in before.items():
        entry = by_modality.setdefault(modality_of(name), {"observed": 0, "hidden": 0, "filled": 0})
        holes = masked.holes[name]
        entry["observed"] += int(block.observed_rows.sum())
        entry["hidden"] += int(holes.sum())
        entry["filled"] += int((holes & after[name].observed_rows).sum())
    return by_modality
