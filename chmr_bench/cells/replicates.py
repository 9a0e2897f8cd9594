"""How well repeated measurements of one molecule agree, read-out by read-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chmr_bench.cells.atlas import ProfileTable
from chmr_bench.cells.merging import first_rows
from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import FloatArray, IntArray

FEWEST = 20
"""Molecules measured twice that a read-out needs, so that its agreement is a number at all."""


@dataclass(frozen=True)
class Agreement:
    """How well a block's first and second measurements of a molecule agree.

    Attributes
    ----------
    block : str
        Its name.
    kind : str
        ``calls``: the share of pairs that are equal; ``numbers``: Pearson's r over the pairs.
    median : float
        Over the read-outs that have enough pairs.
    n_readouts : int
        Of these.
    n_molecules : int
        That any of them has twice.
    """

    block: str
    kind: Literal["calls", "numbers"]
    median: float
    n_readouts: int
    n_molecules: int


def agreements(table: ProfileTable, keys: Sequence[str]) -> list[Agreement]:
    """Return the agreement of each block that has molecules measured twice; others are left out.

    Rows of one connectivity are measurements of one molecule, its stereoisomers among them.

    Parameters
    ----------
    table : ProfileTable
        Rows as the source has them.
    keys : Sequence[str]
        n connectivity keys, "" where there is none.

    Examples
    --------
    >>> calls = MatrixBlock(np.tile([[0.0], [1.0]], (40, 1)), np.ones(80, dtype=bool))
    >>> table = ProfileTable(("C",) * 80, {"growth": calls})
    >>> agreements(table, [f"K{i // 2}" for i in range(80)])[0].median
    0.0
    """
    _, molecules = first_rows(keys)
    rows = np.flatnonzero(molecules >= 0)
    rows = rows[np.bincount(molecules[rows], minlength=1)[molecules[rows]] > 1]
    per_block = (
        _agreement(name, block.take(rows), molecules[rows]) for name, block in table.blocks.items()
    )
    return [one for one in per_block if one is not None]


def _agreement(name: str, block: MatrixBlock, molecules: IntArray) -> Agreement | None:
    entries, values = block.entries, np.asarray(block.values, dtype=np.float64)
    is_call = bool(np.isin(values[entries], (0.0, 1.0)).all())
    order = np.argsort(molecules, kind="stable")
    scores, twice = [], np.zeros(0, dtype=np.int64)
    for j in range(values.shape[1]):
        rows = order[entries[order, j]]
        first, second = _pairs(molecules[rows])
        if len(first) < FEWEST:
            continue
        score = _score(values[rows[first], j], values[rows[second], j], is_call)
        if np.isfinite(score):
            scores.append(score)
            twice = np.union1d(twice, molecules[rows[first]])
    if not scores:
        return None
    median = float(np.median(scores))
    return Agreement(name, "calls" if is_call else "numbers", median, len(scores), len(twice))


def _pairs(molecules: IntArray) -> tuple[IntArray, IntArray]:
    """Return the places of the first and second of each run of two or more equal numbers."""
    starts = np.flatnonzero(np.diff(molecules, prepend=-1))
    lengths = np.diff(np.append(starts, len(molecules)))
    first = starts[lengths > 1]
    return first, first + 1


def _score(a: FloatArray, b: FloatArray, is_call: bool) -> float:
    if is_call:
        return float((a == b).mean())
    if a.std() == 0 or b.std() == 0:  # no correlation of what does not vary
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
