"""The frozen control: a fitted model is given other molecules' profiles in place of their own.

The shuffled control fits the model anew; this one asks whether a fitted model's predictions hang
on whose profile it reads. A profile is replaced by a matched one: of a molecule with the same
modalities and about as strong a phenotype, so that neither who was measured nor how active it was
is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chmr_bench.ablation.missing import MoleculeNames, activity_ranks, uniform
from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import FloatArray, IntArray

DRAWS = 32
"""Replacements of every profile: the smallest p they can give is 1 / 33."""
NEAREST = 5
"""Of the molecules with the same modalities, so many on either side in strength may give."""


def givers(
    seed: int,
    molecules: MoleculeNames,
    blocks: Mapping[str, MatrixBlock],
    n_draws: int = DRAWS,
) -> IntArray:
    """Return whose profile each of n molecules is given in each draw, (n_draws, n).

    -1 where nothing is replaced: the molecule has no profile, or nobody else has the same
    modalities. Strength is as the mechanism ``activity`` has it, the mean over modalities. Nobody
    is given a profile of its own connectivity, and the order of rows is nothing to a draw.

    Parameters
    ----------
    seed : int
        Of the draws.
    molecules : MoleculeNames
        Who the rows are.
    blocks : Mapping[str, MatrixBlock]
        The blocks whose rows are replaced, n rows each.
    """
    names = molecules.names()
    ranks = activity_ranks(names, blocks)
    observed = np.stack([rank < 1 for rank in ranks.values()], axis=1)  # (n, m)
    values = np.stack([*ranks.values()], axis=1)
    strength = np.where(observed, values, 0).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    drawn = np.stack([uniform(seed, names, f"replace {k}") for k in range(n_draws)])
    chosen = np.full((n_draws, len(names)), -1, dtype=np.int64)
    patterns, group = np.unique(observed, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if pattern.any():
            rows = np.flatnonzero(group.ravel() == i)
            _fill(chosen, rows, strength, names, drawn)
    return chosen


def _fill(
    chosen: IntArray, rows: IntArray, strength: FloatArray, names: list[str], drawn: FloatArray
) -> None:
    """Write the givers of the rows of one pattern of modalities into `chosen`."""
    order = sorted(rows.tolist(), key=lambda row: (strength[row], names[row]))
    for place, row in enumerate(order):
        near = [*reversed(order[:place])], order[place + 1 :]
        others = [
            other
            for side in near
            for other in [o for o in side if names[o] != names[row]][:NEAREST]
        ]
        if others:
            choice = (drawn[:, row] * len(others)).astype(np.int64)
            chosen[:, row] = np.array(others, dtype=np.int64)[choice]


def replaced(blocks: Mapping[str, MatrixBlock], giver: IntArray) -> dict[str, MatrixBlock]:
    """Return the blocks with each row that of its giver; its own where that is -1.

    Examples
    --------
    >>> block = MatrixBlock(np.array([[1.0], [2.0], [3.0]]), np.ones(3, dtype=bool))
    >>> replaced({"growth": block}, np.array([1, 0, -1]))["growth"].values.tolist()
    [[2.0], [1.0], [3.0]]
    """
    rows = np.where(giver >= 0, giver, np.arange(len(giver)))
    return {name: block.take(rows) for name, block in blocks.items()}
