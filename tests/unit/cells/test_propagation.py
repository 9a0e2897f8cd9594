"""Equation 1, against loops over molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chmr_bench.cells import propagation
from chmr_bench.cells.propagation import borrow, propagate
from chmr_bench.errors import DataError, SettingError
from chmr_bench.features.tanimoto import Neighbours, nearest

N, D = 120, 5


@pytest.fixture(scope="module")
def bits() -> Any:
    rng = np.random.default_rng(0)
    bits = rng.random((N, 90)) < 0.1
    bits[7] = False
    return bits


@pytest.fixture(scope="module")
def found(bits: Any) -> Neighbours:
    return nearest(bits, 4)


@pytest.fixture
def world() -> Any:
    rng = np.random.default_rng(1)
    observed = rng.random(N) < 0.15
    observed[7] = False
    values = rng.normal(size=(N, D)).astype(np.float32)
    values[~observed] = np.nan
    return values, observed


def by_hand(values: Any, observed: Any, found: Neighbours, steps: int) -> Any:
    now = {i: values[i].astype(float) for i in np.flatnonzero(observed)}
    for _ in range(steps):
        after = {}
        for i in range(N):
            pairs = [
                (weight, now[j])
                for j, weight in zip(found.rows[i], found.similarity[i].astype(float), strict=True)
                if j in now
            ]
            if observed[i]:
                after[i] = values[i].astype(float)
            elif pairs:
                after[i] = sum(w * x for w, x in pairs) / sum(w for w, _ in pairs)
        now = after
    return now


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_holes_are_filled_as_equation_1_says(world: Any, found: Neighbours, steps: int) -> None:
    values, observed = world
    filled = propagate(values, observed, found, steps)
    expected = by_hand(values, observed, found, steps)
    assert np.flatnonzero(filled.reached).tolist() == sorted(expected)
    for i, row in expected.items():
        np.testing.assert_allclose(filled.values[i], row, rtol=1e-4, atol=1e-6)


def test_columns_go_in_blocks(
    world: Any, found: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = propagate(*world, found, 3)
    monkeypatch.setattr(propagation, "COLUMNS", 2)
    np.testing.assert_array_equal(whole.values, propagate(*world, found, 3).values)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_observed_rows_stay_bit_for_bit(world: Any, found: Neighbours, kind: Any) -> None:
    values, observed = world[0].astype(kind) / 3, world[1]
    before = values.copy()
    filled = propagate(values, observed, found, 5)
    assert filled.values.dtype == kind
    assert filled.values[observed].tobytes() == before[observed].tobytes()
    assert values.tobytes() == before.tobytes()


def test_what_no_neighbour_reaches_is_reported_and_no_number(world: Any, found: Neighbours) -> None:
    filled = propagate(*world, found, 5)
    assert not filled.reached[7]
    assert np.isnan(filled.values[~filled.reached]).all()
    assert np.isfinite(filled.values[filled.reached]).all()


def test_more_steps_reach_further(world: Any, found: Neighbours) -> None:
    reached = [int(propagate(*world, found, steps).reached.sum()) for steps in range(6)]
    assert reached[0] == world[1].sum()
    assert reached[0] < reached[1] < reached[2] <= reached[5]


def test_weights_sum_to_one(world: Any, found: Neighbours) -> None:
    _, observed = world
    filled = propagate(np.full((N, 1), 2.5, dtype=np.float32), observed, found, 5)
    np.testing.assert_allclose(filled.values[filled.reached], 2.5, rtol=1e-6)
    low, high = world[0][observed].min(axis=0), world[0][observed].max(axis=0)
    mixed = propagate(*world, found, 5)
    assert (mixed.values[mixed.reached] >= low - 1e-6).all()
    assert (mixed.values[mixed.reached] <= high + 1e-6).all()


def test_what_stands_in_unobserved_rows_is_never_read(world: Any, found: Neighbours) -> None:
    values, observed = world
    junk = np.where(observed[:, None], values, 1e30).astype(np.float32)
    np.testing.assert_array_equal(
        propagate(values, observed, found, 3).values, propagate(junk, observed, found, 3).values
    )


def test_other_molecules_borrow_in_one_step(world: Any, bits: Any) -> None:
    values, observed = world
    mine = np.flatnonzero(~observed)
    asked = nearest(bits, 4, queries=bits[mine])
    got = borrow(values, observed, asked)
    i = int(np.flatnonzero(got.reached)[0])
    there = np.isin(asked.rows[i], np.flatnonzero(observed))
    weights = asked.similarity[i][there]
    expected = weights @ values[asked.rows[i][there]] / weights.sum()
    np.testing.assert_allclose(got.values[i], expected, rtol=1e-5)
    assert np.isnan(got.values[~got.reached]).all()


def test_nothing_observed_fills_nothing(found: Neighbours) -> None:
    filled = propagate(np.zeros((N, D)), np.zeros(N, dtype=bool), found, 3)
    assert not filled.reached.any()
    assert np.isnan(filled.values).all()


def test_what_does_not_fit_is_named(world: Any, found: Neighbours) -> None:
    values, observed = world
    with pytest.raises(SettingError, match="steps is -1"):
        propagate(values, observed, found, -1)
    with pytest.raises(DataError, match=r"observed \(3,\); expected"):
        propagate(values, observed[:3], found, 1)
    with pytest.raises(DataError, match=r"a neighbour is row .* of 50"):
        propagate(values[:50], observed[:50], found, 1)
    short = Neighbours(found.rows[:5], found.similarity[:5])
    with pytest.raises(DataError, match="neighbours of 5 molecules"):
        propagate(values, observed, short, 1)
    broken = values.copy()
    row = int(np.flatnonzero(observed)[2])
    broken[row, 1] = np.nan
    with pytest.raises(DataError, match=rf"row {row} .* is no number"):
        propagate(broken, observed, found, 1)
