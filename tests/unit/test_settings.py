"""A model's settings: what overrides what, and what a wrong one is told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, ConfigDict, Field

from chmr_bench import ModelSpec
from chmr_bench.errors import MissingDependencyError, PluginError, SettingError, UnknownNameError
from chmr_bench.settings import build_config, missing_modules, parse_value, require


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n_trees: int = Field(100, ge=1)
    depth: int | None = None
    feature: str = "morgan"
    sizes: tuple[int, ...] = Field((1,), min_length=1)


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelSpec:
    module = ModuleType("settings_of_a_toy")
    module.Config = Config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "settings_of_a_toy", module)
    recipe = tmp_path / "toy.toml"
    recipe.write_text("[settings]\nn_trees = 200\ndepth = 5\n[dataset.hiv]\nn_trees = 50\n")
    return ModelSpec(
        name="toy",
        title="A toy",
        factory="settings_of_a_toy:Toy",
        config="settings_of_a_toy:Config",
        recipe=str(recipe),
        preset={"depth": 7},
    )


def test_later_layers_win(spec: ModelSpec) -> None:
    settled = build_config(spec, {}).model_dump(exclude={"sizes"})
    assert settled == {"n_trees": 200, "depth": 7, "feature": "morgan"}
    assert build_config(spec, {}, "hiv").model_dump()["n_trees"] == 50
    assert build_config(spec, {"n_trees": "9"}, "hiv").model_dump()["n_trees"] == 9


def test_an_unknown_setting_offers_the_nearest(spec: ModelSpec) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'n_trees'"):
        build_config(spec, {"ntrees": 3})


def test_a_value_that_does_not_fit_is_named(spec: ModelSpec) -> None:
    with pytest.raises(SettingError, match="n_trees='many'"):
        build_config(spec, {"n_trees": "many"})
    with pytest.raises(SettingError, match="greater than or equal to 1"):
        build_config(spec, {"n_trees": 0})


def test_a_wrong_item_is_all_that_is_said_of_its_list(spec: ModelSpec) -> None:
    with pytest.raises(SettingError) as told:
        build_config(spec, {"sizes": ["x"], "n_trees": 0})
    assert "sizes.0='x'" in str(told.value)
    assert "n_trees=0" in str(told.value)
    assert "at least 1 item" not in str(told.value)
    with pytest.raises(SettingError, match="at least 1 item"):
        build_config(spec, {"sizes": []})


def test_a_list_given_as_text_is_shown_as_json(spec: ModelSpec) -> None:
    with pytest.raises(SettingError, match=r"as JSON: --set 'sizes=\[3, 4\]'"):
        build_config(spec, {"sizes": "3,4"})


def test_a_recipe_with_a_stray_setting_is_the_plugins_error(
    spec: ModelSpec, tmp_path: Path
) -> None:
    Path(spec.recipe).write_text("[settings]\nleaves = 3\n")
    with pytest.raises(PluginError, match="leaves"):
        build_config(spec, {})


def test_a_missing_recipe_is_the_plugins_error(spec: ModelSpec) -> None:
    Path(spec.recipe).unlink()
    with pytest.raises(PluginError, match=r"toy\.toml"):
        build_config(spec, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("true", True), ("True", True), ("[1,2]", [1, 2]), ("maccs", "maccs")],
)
def test_values_are_json_or_text(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_a_missing_package_names_the_extra_that_brings_it() -> None:
    spec = ModelSpec(
        name="m", title="m", factory="a:b", config="a:c", requires=("no_such_package",), extra="x"
    )
    assert missing_modules(spec) == ["no_such_package"]
    with pytest.raises(MissingDependencyError, match=r"chmr-bench\[x\]"):
        require(spec)
