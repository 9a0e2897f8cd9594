"""Which records a name stands for, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.report.comparison.selection import ANY, Query, Selection, choose
from chmr_bench.report.runs import load_runs


def only(results: Any, *models: str, **more: Any) -> Selection:
    (chosen,), _ = choose(load_runs(results.store), Query(models, **more))
    return chosen


def test_runs_by_model_split_and_seed(results: Any) -> None:
    for seed in (0, 1):
        results.add("a", "bace", seed=seed)
    results.add("b", "bace", seed=None)
    chosen = only(results, "a", "b")
    assert set(chosen.of("a")["seed_key"]) == {0, 1}
    assert [*chosen.of("b")["seed_key"]] == [*chosen.of("b")["split_key"]] == [ANY]
    assert (chosen.split, chosen.metric) == ("reference", "roc_auc")


def test_a_plain_name_is_the_model_as_it_comes(results: Any) -> None:
    results.add("a", "bace", 0.7)
    results.add("a", "bace", 0.9, model__overrides={"n": 5}, model__params={"n": 5})
    results.add("a", "bace", 0.9, missing={"rate": 0.5})
    results.add("b", "bace")
    assert [*only(results, "a", "b").of("a")["score"]] == [0.7]
    label = "a [n=5]"
    assert [*only(results, label, "b").of(label)["score"]] == [0.9]
    with pytest.raises(UnknownNameError, match=r"there are: a, a \[n=5\], b among"):
        only(results, "a {rate=0.5}", "b")  # runs with something hidden are for ablate to pair


def test_a_name_of_several_rows_lists_them(results: Any) -> None:
    results.add("a", "bace", precision="float32")
    results.add("a", "bace", precision="bfloat16")
    results.add("b", "bace")
    with pytest.raises(UsageError, match=r"several rows of a: 'a \(bfloat16\)', 'a \(float32\)'"):
        only(results, "a", "b")
    assert len(only(results, "a (bfloat16)", "b").of("a (bfloat16)")) == 1


def test_a_name_that_grew_on_another_dataset_still_stands_for_its_row(results: Any) -> None:
    results.add("a", "bace", model__version="1")
    results.add("a", "hiv", model__version="2")
    results.add("b", "bace")
    chosen, _ = choose(load_runs(results.store), Query(("a", "b")))
    assert [c.name for c in chosen if len(c.of("a"))] == ["bace", "hiv"]


def test_unknown_names(results: Any) -> None:
    with pytest.raises(UsageError, match="board: no such folder"):
        only(results, "a", "b")
    results.root.mkdir()
    with pytest.raises(UsageError, match="there are no records in it"):
        only(results, "a", "b")
    results.add("forest", "bace")
    with pytest.raises(UnknownNameError, match="did you mean 'forest'"):
        only(results, "forest", "forst")
    results.add("gp", "bace")
    with pytest.raises(UnknownNameError, match="no dataset is called 'bacee'"):
        only(results, "forest", "gp", datasets=("bacee",))
    with pytest.raises(UnknownNameError, match="no split is called 'scafold'; did you mean 'scaff"):
        only(results, "forest", "gp", split="scafold")


@pytest.mark.parametrize("models", [(), ("a",), ("a", "a")])
def test_two_models_are_needed(results: Any, models: tuple[str, ...]) -> None:
    results.add("a", "bace")
    with pytest.raises(UsageError, match="two models or more"):
        only(results, *models)


def test_datasets_in_the_order_registered_and_simulated_ones_apart(results: Any) -> None:
    for dataset in ("zzz", "hiv", "bace"):
        results.add("a", dataset)
        results.add("b", dataset)
    results.add("a", "planted", dataset__synthetic=True)
    chosen, left_out = choose(load_runs(results.store), Query(("a", "b")))
    assert [c.name for c in chosen] == ["bace", "hiv", "zzz"]
    assert left_out == ["planted"]
    chosen, left_out = choose(load_runs(results.store), Query(("a", "b"), ("planted", "sider")))
    assert [(c.name, c.runs.empty) for c in chosen] == [("planted", False), ("sider", True)]
    assert left_out == []


def test_the_split_is_the_reference_or_the_only_one_or_asked_for(results: Any) -> None:
    for model in ("a", "b"):
        results.add(model, "bace", 0.9, drawn=("random", 3))
    assert only(results, "a", "b").split == "random"
    scaffold = {"split__name": "scaffold", "split__digest": "33" * 32}
    results.add("a", "bace", 0.6, **scaffold)
    with pytest.raises(UsageError, match="splits random, scaffold; choose one"):
        only(results, "a", "b")
    results.add("a", "bace", 0.7)
    assert only(results, "a", "b").split == "reference"
    assert set(only(results, "a", "b", split="random").of("a")["split_key"]) == {3}
    empty = only(results, "a", "b", split="strict")
    assert (len(empty.runs), empty.notes) == (0, ("no record on split strict",))


def test_other_content_of_the_same_name_is_left_out_and_said(results: Any) -> None:
    results.add("a", "mine", 0.7)
    results.add("b", "mine", 0.7)
    results.add("a", "mine", 0.9, dataset__digest="11" * 32)
    chosen = only(results, "a", "b")
    assert [*chosen.of("a")["score"]] == [0.7]
    assert chosen.notes == ("1 run on other content or metric of that name left out",)


def test_another_endpoint_of_the_same_table_is_named_and_can_be_chosen(results: Any) -> None:
    def of_tasks(*tasks: str) -> dict[str, Any]:
        digest = "".join(tasks).encode().hex().ljust(64, "0")
        origin = {"kind": "file", "file": "mine.csv", "tasks": list(tasks)}
        return {"dataset__origin": origin, "dataset__digest": digest}

    for model, score in (("a", 0.7), ("b", 0.6)):
        results.add(model, "mine", score, **of_tasks("solubility"), created="2026-01-01")
        results.add(model, "mine", 0.9, **of_tasks("pIC50"), created="2026-01-02")
    chosen = only(results, "a", "b")
    assert [*chosen.of("a")["score"]] == [0.9]  # the newest
    assert chosen.notes == ("on pIC50; 2 runs on solubility left out: --tasks compares these",)
    asked = only(results, "a", "b", tasks=("solubility",))
    assert ([*asked.of("a")["score"]], asked.notes) == ([0.7], ())
    with pytest.raises(UsageError, match="no record on the tasks pic50; on record are: "):
        only(results, "a", "b", tasks=("pic50",))


def test_failed_runs_are_counted(results: Any) -> None:
    results.add("a", "bace", seed=0)
    results.add("a", "bace", seed=1, error="boom")
    results.add("b", "bace", error="boom")
    chosen = only(results, "a", "b")
    assert chosen.n_failed == {"a": 1, "b": 1}
    assert chosen.of("b").empty


def test_a_model_that_may_have_seen_labels_is_named(results: Any) -> None:
    told = {"labels_seen": "it was trained on assays of the same molecules"}
    results.add("frozen", "bace", model__weights="ab" * 32, model__pretraining=told)
    results.add("forest", "bace")
    results.add("mean", "bace")
    words = "labels possibly seen, so a rank says nothing: frozen"
    assert only(results, "forest", "frozen").notes == (words,)
    assert only(results, "forest", "mean").notes == ()
