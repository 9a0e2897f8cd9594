"""The models over datasets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from chmr_bench.report.comparison.overall import Entry, over_datasets
from chmr_bench.report.comparison.tables import overall_notes


def table(n: int, *models: str) -> dict[str, Entry]:
    rng = np.random.default_rng(n)
    return {
        f"d{i}": Entry(
            {m: float(rng.random()) for m in models}, {m: float(rng.normal()) for m in models[1:]}
        )
        for i in range(n)
    }


def test_tests_are_those_of_scipy() -> None:
    found = table(9, "a", "b", "c")
    got = over_datasets(("a", "b", "c"), found)
    columns = [[entry.scores[m] for entry in found.values()] for m in "abc"]
    assert got.friedman.chi2 == pytest.approx(stats.friedmanchisquare(*columns).statistic)
    for model in "bc":
        gains = [entry.gains[model] for entry in found.values()]
        assert got.p[model] == pytest.approx(stats.wilcoxon(gains, method="exact").pvalue)
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
    assert bool(got.warnings) == bool(said)
    assert said in "".join(got.warnings)


@pytest.mark.parametrize(("n", "how"), [(20, "exact"), (21, "by the normal approximation")])
def test_the_notes_say_how_p_was_found(n: int, how: str) -> None:
    got = over_datasets(("a", "b"), table(n, "a", "b"))
    (note,) = [line for line in overall_notes(got, "a", n) if line.startswith("p: Wilcoxon")]
    assert f"on these datasets, {how}, each gain" in note
    gains = [entry.gains["b"] for entry in table(n, "a", "b").values()]
    method = "exact" if how == "exact" else "asymptotic"
    assert got.p["b"] == pytest.approx(stats.wilcoxon(gains, method=method).pvalue, rel=1e-6)


def test_why_a_dataset_is_not_used() -> None:
    found = table(2, "a", "b") | {
        "absent": Entry({}, {}, ("b",)),
        "other seeds": Entry({}, {"b": 1.0}),
        "unknown error": Entry({"a": 0.1, "b": 0.2}, {"b": math.nan}),
    }
    got = over_datasets(("a", "b"), found)
    assert got.datasets == ("d0", "d1")
    assert got.left_out == {
        "absent": "b missing",
        "other seeds": "no split and seed that every model has",
        "unknown error": "standard error of b not known",
    }


def test_nothing_below_two_whole_datasets() -> None:
    found = table(1, "a", "b") | {"e": Entry({}, {}, ("b",))}
    assert over_datasets(("a", "b"), found) is None
