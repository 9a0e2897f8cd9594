"""How well repeated measurements agree: of pairs alone, calls by equality, numbers by r."""

from __future__ import annotations

import numpy as np

from chmr_bench.cells import ProfileTable
from chmr_bench.cells.replicates import FEWEST, Agreement, agreements
from chmr_bench.contracts import MatrixBlock

KEYS = [f"K{i}" for i in range(40)]


def table(values: object) -> ProfileTable:
    block = np.asarray(values, dtype=np.float64)
    return ProfileTable(("C",) * len(block), {"growth": MatrixBlock(block, np.isfinite(block))})


def test_numbers_agree_by_r_of_the_first_two_of_each_molecule() -> None:
    first = np.linspace(0, 1, 40)
    noise = np.random.default_rng(0).normal(size=40)
    third = np.full(40, 99.0)
    made = table(np.concatenate([first, first + noise, third])[:, None])
    (found,) = agreements(made, KEYS * 3)
    r = np.corrcoef(first, first + noise)[0, 1]
    assert found == Agreement("growth", "numbers", found.median, 1, 40)
    assert np.isclose(found.median, r)


def test_calls_agree_by_the_share_of_equal_pairs_and_the_median_is_over_read_outs() -> None:
    a = np.zeros((40, 3))
    b = a.copy()
    b[:10, 0] = 1  # 75 %
    b[:20, 1] = 1  # 50 %
    (found,) = agreements(table(np.concatenate([a, b])), KEYS * 2)
    assert (found.kind, found.median, found.n_readouts) == ("calls", 0.75, 3)


def test_what_was_measured_once_or_too_rarely_twice_has_no_agreement() -> None:
    assert agreements(table(np.ones((40, 1))), KEYS) == []
    few = [*KEYS, *KEYS[: FEWEST - 1]]
    assert agreements(table(np.ones((len(few), 1))), few) == []
    assert agreements(table(np.ones((80, 1))), [""] * 80) == []
    holes = np.ones((80, 2))
    holes[40:, 1] = np.nan
    (found,) = agreements(table(holes), KEYS * 2)
    assert found.n_readouts == 1
