"""What several models have in common."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench.records import Record
from chmr_bench.report.comparison.sharing import one_pretraining, score, shared, unshared

Runs = dict[int | None, tuple[Record, ...]]


def runs(results: Any, model: str, seeds: dict[int, tuple[int | None, ...]], **more: Any) -> Runs:
    """Add runs on splits -> seeds; a run's score is its split and a tenth of its seed."""
    found: Runs = {}
    for split, of in seeds.items():
        for seed in of:
            changes = {
                "split__name": "random",
                "split__seed": split,
                "split__digest": f"{split:064x}",
            }
            results.add(model, "bace", split + (seed or 0) / 10, seed=seed, **changes, **more)
    for record in results.store.records():
        if record.model.id == model:
            found[record.split.seed] = (*found.get(record.split.seed, ()), record)
    return found


def seeds_of(found: Runs) -> dict[int | None, set[int | None]]:
    return {split: {r.seed for r in records} for split, records in found.items()}


def test_splits_and_seeds_that_all_have(results: Any) -> None:
    a = runs(results, "a", {0: (0, 1, 2), 1: (0, 1), 2: (0,)})
    b = runs(results, "b", {0: (1, 2, 3), 1: (0, 1), 3: (0,)})
    fixed = runs(results, "fixed", {0: (None,), 1: (None,), 2: (None,)})
    mine, theirs = shared([a, b])
    assert seeds_of(mine) == seeds_of(theirs) == {0: {1, 2}, 1: {0, 1}}
    kept = [seeds_of(one) for one in shared([a, b, fixed])]
    assert kept == [{0: {1, 2}, 1: {0, 1}}] * 2 + [{0: {None}, 1: {None}}]
    assert [seeds_of(one) for one in shared([fixed, fixed])] == [seeds_of(fixed)] * 2
    assert score(mine) == pytest.approx((0.15 + 1.05) / 2)
    assert score({}) is None


def test_a_split_without_a_common_seed_is_left_out(results: Any) -> None:
    a = runs(results, "a", {0: (0,), 1: (0,)})
    b = runs(results, "b", {0: (1,), 1: (0,)})
    assert [list(one) for one in shared([a, b])] == [[1], [1]]
    assert unshared({"a": a, "b": b}) == [
        "seeds 0 of a alone on split 0, not compared",
        "seeds 1 of b alone on split 0, not compared",
    ]


def test_what_is_not_shared_is_told_by_model(results: Any) -> None:
    a = runs(results, "a", {0: (0, 1), 1: (0, 1), 2: (0,)})
    b = runs(results, "b", {0: (0,), 1: (0,), 10: (0,)})
    assert unshared({"a": a, "b": b}) == [
        "splits 2 of a alone, not compared",
        "splits 10 of b alone, not compared",
        "seeds 1 of a alone on splits 0, 1, not compared",
    ]
    assert "splits 2 of a but not of every model, not compared" in unshared(
        {"a": a, "b": b, "c": b}
    )
    assert unshared({"a": a, "again": a}) == []


def test_one_pretraining_is_of_several_runs_with_one_hash(results: Any) -> None:
    same = {"model__weights": "ab" * 32}
    assert one_pretraining(runs(results, "same", {0: (0, 1)}, **same))
    assert one_pretraining(runs(results, "splits", {0: (0,), 1: (0,)}, **same))
    assert not one_pretraining(runs(results, "once", {0: (0,)}, **same))
    assert not one_pretraining(runs(results, "none", {0: (0, 1)}))
