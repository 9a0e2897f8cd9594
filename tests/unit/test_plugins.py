"""The registry: what it accepts, and what a wrong plugin is told."""

from __future__ import annotations

import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest

from chmr_bench import DatasetSpec, ModelSpec, hookimpl
from chmr_bench.errors import UnknownNameError
from chmr_bench.plugins import DEEPCHEM_SPLITS, SPLITS, Registry, build_registry
from chmr_bench.splits import methods


def model(name: str = "toy", **changes: Any) -> ModelSpec:
    return ModelSpec(
        **{"name": name, "title": "A toy", "factory": "m:C", "config": "m:F"} | changes
    )


def dataset(name: str = "set", **changes: Any) -> DatasetSpec:
    values: dict[str, Any] = {
        "name": name,
        "title": "A set",
        "task_type": "classification",
        "task_names": ("a", "b"),
        "metric": "roc_auc",
        "n_molecules": 10,
        "load": "m:load",
    }
    return DatasetSpec(**values | changes)


def plugin_module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


def offering(*specs: Any) -> Any:
    def chmr_bench_models() -> list[Any]:
        return list(specs)

    return hookimpl(chmr_bench_models)


def registry_of(*names: str) -> Registry:
    group = "chmr_bench.v1"
    return build_registry(metadata.EntryPoint(n, n, group) for n in names)


def error_of(registry: Registry, name: str) -> str:
    return next(p.error for p in registry.plugins if p.name == name)


def test_a_model_is_found_by_name_with_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_module(monkeypatch, "p_one", chmr_bench_models=offering(model("toy.small")))
    registry = registry_of("p_one")
    assert registry.model("toy.small").plugin.name == "p_one"
    assert registry.broken == []


def test_an_unknown_name_offers_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_module(monkeypatch, "p_one", chmr_bench_models=offering(model("fingerprint.forest")))
    with pytest.raises(UnknownNameError, match=r"did you mean 'fingerprint\.forest'"):
        registry_of("p_one").model("fingerprint.forst")


def test_an_unknown_name_names_the_broken_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_module(monkeypatch, "p_one", chmr_bench_models=offering(model()))
    registry = registry_of("p_one", "p_not_there")
    with pytest.raises(UnknownNameError, match="p_not_there"):
        registry.model("wholly-different")


def test_a_plugin_that_does_not_import_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin_module(monkeypatch, "p_good", chmr_bench_models=offering(model()))
    registry = registry_of("p_not_there", "p_good")
    assert "ModuleNotFoundError" in error_of(registry, "p_not_there")
    assert "toy" in registry.models


def raising(error: BaseException) -> Any:
    def chmr_bench_models() -> list[ModelSpec]:
        raise error

    return hookimpl(chmr_bench_models)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"chmr_bench_modles": offering()},
            "'chmr_bench_modles'; did you mean 'chmr_bench_models'",
        ),
        ({"chmr_bench_models": lambda: [model()]}, "lacks the @chmr_bench.hookimpl marker"),
        ({}, "implements no hook"),
        ({"chmr_bench_models": raising(RuntimeError("no licence"))}, "RuntimeError: no licence"),
        ({"chmr_bench_models": raising(SystemExit(3))}, "SystemExit"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_its_error(
    monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], words: str
) -> None:
    plugin_module(monkeypatch, "p_bad", **members)
    assert words in error_of(registry_of("p_bad"), "p_bad")


def test_a_clash_of_names_keeps_the_first_and_drops_the_second_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin_module(monkeypatch, "p_a", chmr_bench_models=offering(model("toy", title="first")))
    plugin_module(
        monkeypatch, "p_b", chmr_bench_models=offering(model("other"), model("toy", title="second"))
    )
    registry = registry_of("p_b", "p_a")
    assert registry.model("toy").spec.title == "first"
    assert "other" not in registry.models
    assert "registered already by p_a" in error_of(registry, "p_b")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (model("Bad Name"), "not of the form"),
        (model(title=""), "has no title"),
        (model(factory="no colon"), "factory='no colon'"),
        ({"name": "toy"}, "expected ModelSpec"),
    ],
)
def test_a_wrong_model_spec_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, spec: Any, words: str
) -> None:
    plugin_module(monkeypatch, "p_bad", chmr_bench_models=offering(spec))
    assert words in error_of(registry_of("p_bad"), "p_bad")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task_names": ("a", "a")}, "task names"),
        ({"task_type": "ranking"}, "neither"),
        ({"task_type": "regression", "metric": "roc_auc"}, "expected mae or rmse or r2"),
        ({"metric": "accuracy"}, "expected roc_auc or average_precision"),
        ({"split_sizes": (1, 2, 3)}, "do not add up"),
        ({"split": "official", "split_rule": "m:f"}, "a published split, which split_rule gives, "),
    ],
)
def test_a_wrong_dataset_spec_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    def chmr_bench_datasets() -> list[DatasetSpec]:
        return [dataset(**changes)]

    plugin_module(monkeypatch, "p_bad", chmr_bench_datasets=hookimpl(chmr_bench_datasets))
    assert words in error_of(registry_of("p_bad"), "p_bad")


def test_the_splits_that_a_dataset_may_name_are_the_methods() -> None:
    assert [name for name in methods() if not name.startswith(DEEPCHEM_SPLITS)] == list(SPLITS)


def test_suites_follow_the_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    def chmr_bench_datasets() -> list[DatasetSpec]:
        return [dataset("one", suites=("all",)), dataset("two", suites=("all", "demo"))]

    plugin_module(monkeypatch, "p_sets", chmr_bench_datasets=hookimpl(chmr_bench_datasets))
    registry = registry_of("p_sets")
    assert registry.suite("all") == ["one", "two"]
    assert registry.suite("demo") == ["two"]
    with pytest.raises(UnknownNameError, match="did you mean 'demo'"):
        registry.suite("dmo")
