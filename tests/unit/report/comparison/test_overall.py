"""The models over datasets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from chmr_bench.report.comparison.overall import over_datasets


def table(n: int, *models: str) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(n)
    return {f"d{i}": {m: float(rng.random()) for m in models} for i in range(n)}


def test_tests_are_those_of_scipy() -> None:
    scores = table(9, "a", "b", "c")
    got = over_datasets(("a", "b", "c"), scores)
    assert got is not None
    columns = {m: [row[m] for row in scores.values()] for m in "abc"}
    assert got.friedman.chi2 == pytest.approx(stats.friedmanchisquare(*columns.values()).statistic)
    for model in "bc":
        expected = stats.wilcoxon(columns[model], columns["a"], method="exact")
        assert got.p[model] == pytest.approx(expected.pvalue)
    assert got.warnings == ()
    assert sum(got.average_rank.values()) == pytest.approx(6)


@pytest.mark.parametrize(
    ("n", "models", "said"),
    [
        (5, "ab", "the signed-rank p is 0.0625; it cannot reach 0.05 below 6"),
        (6, "ab", ""),
        (6, "abc", "0.0625 after Holm; it cannot reach 0.05 for 2 tests below 7 datasets"),
        (7, "abc", ""),
    ],
)
def test_too_few_datasets_are_warned_of(n: int, models: str, said: str) -> None:
    got = over_datasets(tuple(models), table(n, *models))
    assert got is not None
    assert bool(got.warnings) == bool(said)
    assert said in "".join(got.warnings)


def test_nothing_below_two_whole_datasets() -> None:
    assert over_datasets(("a", "b"), {"d": {"a": 1.0, "b": 2.0}, "e": {"a": 1.0}}) is None
