"""The analysis of 25 folds, on synthetic scores."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench.errors import UsageError
from chmr_bench.report.comparison.overall import N_FOLDS, Folds, check_folds, over_folds
from chmr_bench.report.comparison.tables import folds_grid

SIZES = (80, 20)


def folds(sign: float = 1.0, **models: float) -> Folds:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 0.1, N_FOLDS)
    means = {
        name: dict(enumerate((level + difficulty + rng.normal(0, 0.01, N_FOLDS)).tolist()))
        for name, level in models.items()
    }
    return over_folds(means, sign, SIZES)


def test_every_pair_and_its_difference_both_ways() -> None:
    found = folds(a=0.7, b=0.7, c=0.8)
    assert [(p.a, p.b) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.anova.p < 1e-6
    assert found.pairs[1].tukey.p < 0.001 < 0.05 < found.pairs[0].tukey.p
    up, down = found.difference("c", "a"), found.difference("a", "c")
    assert up.mean == pytest.approx(0.1, abs=0.01)
    assert (down.mean, down.low, down.high, down.p) == (-up.mean, -up.high, -up.low, up.p)
    assert found.sd["a"] == pytest.approx(0.1, rel=0.3)


def test_a_smaller_error_is_better() -> None:
    assert folds(-1.0, a=0.7, b=0.6).difference("b", "a").mean > 0


def test_lacking_folds_are_named() -> None:
    with pytest.raises(UsageError, match=r"b has no score on 3 of the 25 folds .* 0, 1, 2\)"):
        check_folds("bace", {"a": range(25), "b": range(3, 25)}, {})


def test_small_units_are_distinct() -> None:
    rng = np.random.default_rng(1)
    scores = {m: dict(enumerate(rng.normal(7e-7, 2e-8, N_FOLDS).tolist())) for m in "abc"}
    grid = folds_grid("mine", "mae", over_folds(scores, -1.0, SIZES))
    for row in grid.rows:
        low, high = map(float, row[2].split(" to "))
        assert low < float(row[1]) < high
    shown = [float(part.split()[-1].rstrip(".")) for part in grid.notes[1].split(", ")]
    assert len(set(shown)) == 3
