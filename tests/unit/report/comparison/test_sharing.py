"""What several models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chmr_bench.report.comparison.selection import (
    ANY,
    comparable,
    named,
    one_pretraining,
    score,
    shared,
    unshared,
)
from chmr_bench.report.runs import load_runs

if TYPE_CHECKING:
    import pandas as pd

Seeds = dict[int, tuple[int | None, ...]]


def add(results: Any, model: str, seeds: Seeds, **more: Any) -> None:
    """Add runs on splits -> seeds; a run's score is its split and a tenth of its seed."""
    for split, of in seeds.items():
        for seed in of:
            score = split + (seed or 0) / 10
            results.add(model, "bace", score, seed=seed, drawn=("random", split), **more)


def frame(results: Any, **models: Seeds) -> pd.DataFrame:
    for model, seeds in models.items():
        add(results, model, seeds)
    return named(comparable(load_runs(results.store)), [*models])


def seeds_of(runs: pd.DataFrame, model: str) -> dict[int, set[int]]:
    mine = runs[runs["asked"] == model]
    return {split: set(of) for split, of in mine.groupby("split_key")["seed_key"]}


def test_splits_and_seeds_that_all_have(results: Any) -> None:
    runs = frame(
        results,
        a={0: (0, 1, 2), 1: (0, 1), 2: (0,)},
        b={0: (1, 2, 3), 1: (0, 1), 3: (0,)},
        fixed={0: (None,), 1: (None,), 2: (None,)},
    )
    two = shared(runs, ("a", "b"))
    assert seeds_of(two, "a") == seeds_of(two, "b") == {0: {1, 2}, 1: {0, 1}}
    three = shared(runs, ("a", "b", "fixed"))
    assert seeds_of(three, "a") == seeds_of(three, "b") == {0: {1, 2}, 1: {0, 1}}
    assert seeds_of(three, "fixed") == {0: {ANY}, 1: {ANY}}
    assert len(shared(runs, ("fixed",))) == 3
    assert score(two[two["asked"] == "a"]) == pytest.approx((0.15 + 1.05) / 2)
    assert score(two.iloc[:0]) is None


def test_a_split_without_a_common_seed_is_left_out(results: Any) -> None:
    runs = frame(results, a={0: (0,), 1: (0,)}, b={0: (1,), 1: (0,)})
    assert set(shared(runs, ("a", "b"))["split_key"]) == {1}
    assert unshared(runs, ("a", "b")) == [
        "seeds 0 of a alone on split 0, not compared",
        "seeds 1 of b alone on split 0, not compared",
    ]


def test_what_is_not_shared_is_said_by_model(results: Any) -> None:
    some = {0: (0,), 1: (0,), 10: (0,)}
    runs = frame(results, a={0: (0, 1), 1: (0, 1), 2: (0,)}, b=some, c=some)
    assert unshared(runs, ("a", "b")) == [
        "splits 2 of a alone, not compared",
        "splits 10 of b alone, not compared",
        "seeds 1 of a alone on splits 0, 1, not compared",
    ]
    assert "splits 2 of a but not of every model, not compared" in unshared(runs, ("a", "b", "c"))
    assert unshared(runs, ("b", "c")) == []


def test_one_pretraining_is_of_several_runs_with_one_hash(results: Any) -> None:
    same = {"model__weights": "ab" * 32}
    add(results, "same", {0: (0, 1)}, **same)
    add(results, "splits", {0: (0,), 1: (0,)}, **same)
    add(results, "once", {0: (0,)}, **same)
    add(results, "none", {0: (0, 1)})
    runs = comparable(load_runs(results.store))
    found = {m: one_pretraining(of) for m, of in runs.groupby("model")}
    assert found == {"same": True, "splits": True, "once": False, "none": False}
