"""Whose profile a molecule is given in the frozen control: a matched other one's, or nobody's."""

from __future__ import annotations

import numpy as np

from chmr_bench.ablation.missing import MoleculeNames
from chmr_bench.ablation.replacement import NEAREST, givers, replaced
from chmr_bench.contracts import MatrixBlock
from chmr_bench.types import BoolArray

N = 60


def molecules(keys: list[str] | None = None) -> MoleculeNames:
    names = keys or [f"KEY{i:03d}" for i in range(N)]
    return MoleculeNames(["C"] * len(names), names)


def blocks(growth: BoolArray, fitness: BoolArray) -> dict[str, MatrixBlock]:
    """Return two modalities of rising strength: row i is i strong."""
    values = np.arange(len(growth), dtype=np.float64)[:, None] ** 2
    return {
        name: MatrixBlock(np.where(seen[:, None], values, np.nan), seen)
        for name, seen in (("growth", growth), ("fitness.a", fitness))
    }


EVERY = np.ones(N, dtype=bool)
SOME = np.arange(N) % 3 == 0


def test_givers_have_the_same_modalities_and_are_others() -> None:
    found = givers(0, molecules(), blocks(EVERY, SOME), 8)
    assert found.shape == (8, N)
    assert (found >= 0).all()
    assert (SOME[found] == SOME[None, :]).all()
    assert (found != np.arange(N)).all()


def test_givers_are_about_as_strong() -> None:
    alone = {"growth": blocks(EVERY, SOME)["growth"]}
    found = givers(0, molecules(), alone, 32)
    values = np.abs(np.asarray(alone["growth"].values)[:, 0])
    mean = values.mean()
    place = np.argsort(np.argsort(np.abs(values - mean)))
    assert np.abs(place[found] - place[None, :]).max() <= NEAREST
    assert len({tuple(draw) for draw in found}) == 32


def test_who_has_nothing_or_nobody_alike_keeps_what_it_has() -> None:
    growth = np.zeros(4, dtype=bool)
    growth[:3] = True
    fitness = np.array([True, False, False, False])
    found = givers(0, molecules(["A", "B", "C", "D"]), blocks(growth, fitness), 4)
    assert found[:, [0, 3]].tolist() == [[-1, -1]] * 4
    assert found[:, [1, 2]].tolist() == [[2, 1]] * 4


def test_nobody_is_given_a_profile_of_its_own_connectivity() -> None:
    two = np.ones(2, dtype=bool)
    assert (givers(0, molecules(["A", "A"]), blocks(two, two), 4) == -1).all()


def test_the_order_of_rows_is_nothing_to_a_draw() -> None:
    order = np.random.default_rng(0).permutation(N)
    whole = blocks(EVERY, SOME)
    names = molecules()
    shuffled = MoleculeNames(names.smiles, [names.keys[i] for i in order])
    again = givers(0, shuffled, {n: b.take(order) for n, b in whole.items()}, 4)
    np.testing.assert_array_equal(order[again], givers(0, names, whole, 4)[:, order])


def test_rows_are_those_of_their_givers_what_was_measured_too() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan]])
    block = MatrixBlock(values, np.isfinite(values))
    found = replaced({"growth": block}, np.array([1, 0, -1]))["growth"]
    np.testing.assert_array_equal(np.asarray(found.values), values[[1, 0, 2]])
    assert found.observed.tolist() == block.observed[[1, 0, 2]].tolist()
