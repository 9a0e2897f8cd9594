"""Different things never share a row's name, and one thing keeps its name on every dataset."""

from __future__ import annotations

from typing import Any

from chmr_bench.report.runs import runs_frame


def names(results: Any) -> set[tuple[str, str]]:
    runs = runs_frame(results.store)
    return set(zip(runs["dataset"], runs["row"], strict=True))


def test_a_plain_model_is_called_by_its_name(results: Any) -> None:
    results.add("forest", "bace", seed=0)
    results.add("forest", "bace", seed=1)
    results.add("forest", "hiv", seed=0, model__params={"n_trees": 99})
    assert names(results) == {("bace", "forest"), ("hiv", "forest")}


def test_what_the_user_changed_is_in_the_name(results: Any) -> None:
    results.add("forest", "bace")
    changed = {"n_trees": 50, "depth": None, "kind": "x", "atlas": ["a", "b"], "sizes": [1, 2]}
    results.add("forest", "bace", model__overrides=changed, model__params=changed)
    results.add("forest", "bace", missing={"rate": 0.5, "modality": "morphology"})
    assert names(results) == {
        ("bace", "forest"),
        ("bace", "forest [atlas=a+b, depth=null, kind=x, n_trees=50, sizes=[1, 2]]"),
        ("bace", "forest {modality=morphology, rate=0.5}"),
    }


def test_versions_weights_precision_and_device_tell_apart_everywhere(results: Any) -> None:
    results.add("net", "bace", model__version="1")
    results.add("net", "hiv", model__version="2", model__weights="ab" * 32)
    results.add("cnn", "bace", resources__device="cuda", precision="bfloat16")
    assert names(results) == {
        ("bace", "net (v1, no weights)"),
        ("hiv", "net (v2, weights abababab)"),
        ("bace", "cnn"),
    }
    results.add("cnn", "bace")
    results.add("cnn", "hiv", plugin__version="0.2.0")
    assert {label for _, label in names(results) if label.startswith("cnn")} == {
        "cnn (plugin 0.1.0, float32, cpu)",
        "cnn (plugin 0.1.0, bfloat16, cuda)",
        "cnn (plugin 0.2.0, float32, cpu)",
    }


def test_tables_of_published_and_drawn_splits_name_their_own_rows(results: Any) -> None:
    results.add("net", "bace", model__weights="ab" * 32)
    results.add("net", "bace", model__weights="cd" * 32, drawn=("strict", 0))
    assert names(results) == {("bace", "net")}
    results.add("net", "hiv", model__weights="ef" * 32, drawn=("strict", 0))
    assert names(results) == {
        ("bace", "net"),
        ("bace", "net (weights cdcdcdcd)"),
        ("hiv", "net (weights efefefef)"),
    }


def test_a_changed_recipe_is_distinct_by_its_hash(results: Any) -> None:
    results.add("forest", "bace", model__params={"n_trees": 10})
    results.add("forest", "bace", model__params={"n_trees": 20})
    found = [label for _, label in names(results)]
    assert len(set(found)) == 2
    assert all(label.startswith("forest #") and len(label) == 14 for label in found)
