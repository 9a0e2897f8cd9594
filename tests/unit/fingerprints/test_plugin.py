"""What is registered: light, complete, and with recipes that fit."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from chmr_bench import ModelSpec
from chmr_bench.lazy import load_object
from chmr_bench.settings import build_config
from chmr_bench_fingerprints import deepchem_plugin, plugin

SPECS = [*plugin.chmr_bench_models(), *deepchem_plugin.chmr_bench_models()]
by_name = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def test_the_models_are_these() -> None:
    assert {spec.name for spec in SPECS} == {
        "mean",
        "fingerprint.forest",
        "fingerprint.forest-sklearn",
        "fingerprint.multi-forest",
        "fingerprint.boosting",
        "fingerprint.linear",
        "fingerprint.knn",
        "fingerprint.gp",
        "fingerprint.mlp",
        "deepchem.multitask",
    }


@by_name
def test_a_spec_leads_to_a_class_and_its_settings(spec: ModelSpec) -> None:
    model_class, config_class = load_object(spec.factory), load_object(spec.config)
    assert config_class.model_config["extra"] == "forbid"
    assert all(field.description for field in config_class.model_fields.values())
    config = build_config(spec, {})
    assert set(model_class.needs(config)) or spec.name == "mean"


@by_name
def test_a_recipe_says_how_it_was_found(spec: ModelSpec) -> None:
    if not spec.recipe:
        pytest.skip(f"{spec.name} has no recipe: its defaults hold")
    table = tomllib.loads(Path(spec.recipe).read_text(encoding="utf-8"))
    if "settings" not in table:
        pytest.skip(f"{spec.name} has its defaults but on {', '.join(table['dataset'])}")
    config = build_config(spec, {})
    for name, value in table["settings"].items():
        found = getattr(config, name)
        assert list(found) == value if isinstance(value, list) else found == value
    tuned = spec.name.removesuffix("-sklearn")  # the reference has the settings of ours
    assert f"--model {tuned}" in table["found"]["command"]
    assert table["found"]["datasets"]


def test_a_choice_that_would_take_hours_is_not_made() -> None:
    (spec,) = (spec for spec in SPECS if spec.name == "fingerprint.multi-forest")
    assert build_config(spec, {}, "toxcast").model_dump()["max_features"] == ("sqrt",)
    assert len(build_config(spec, {}, "hiv").model_dump()["max_features"]) == 3


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, chmr_bench_fingerprints.plugin, chmr_bench_fingerprints.deepchem_plugin\n"
        "heavy = {'torch', 'deepchem', 'sklearn', 'lightgbm', 'numba', 'rdkit', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
