"""What is registered: light, complete, and with recipes that were really searched for."""

from __future__ import annotations

import csv
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from chmr_bench import ModelSpec
from chmr_bench.contracts import CELL_MODALITIES
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench_profiles.plugin import chmr_bench_models

SPECS = list(chmr_bench_models())
by_name = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def test_the_models_are_these() -> None:
    expected = {
        "cells.counts",
        "cells.mlp",
        "cells.mlp.late",
        "cells.forest",
        "cells.forest.late",
    }
    assert {spec.name for spec in SPECS} == expected


@by_name
def test_it_reads_cells_and_can_do_without(spec: ModelSpec) -> None:
    assert spec.reads == CELL_MODALITIES
    assert not spec.needs_cells
    config_class = load_object(spec.config)
    assert all(field.description for field in config_class.model_fields.values())
    late = spec.name.endswith(".late")
    assert build_config(spec, {}).fusion == ("late" if late else "early")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "spec", [s for s in SPECS if s.name != "cells.counts"], ids=lambda spec: spec.name
)
def test_a_recipe_says_how_it_was_found(spec: ModelSpec) -> None:
    table = tomllib.loads(Path(spec.recipe).read_text(encoding="utf-8"))
    config = build_config(spec, {})
    for name, value in table["settings"].items():
        found = getattr(config, name)
        assert list(found) == value if isinstance(value, list) else found == value
    assert table["found"]["command"].endswith(f"--model {Path(spec.recipe).stem}")
    assert table["found"]["datasets"] == ["planted", "planted-regression"]
    with (Path(spec.recipe).parent / table["found"]["table"]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == table["found"]["tried"]
    assert float(rows[0]["skill"]) == max(float(row["skill"]) for row in rows)
    assert float(rows[0]["skill"]) == table["found"]["skill"]


def test_the_networks_on_counts_are_those_of_the_fingerprint_model() -> None:
    (spec,) = (s for s in SPECS if s.name == "cells.counts")
    ours, theirs = (
        build_config(spec, {}),
        build_config(registry().model("fingerprint.mlp").spec, {}),
    )
    for name in type(theirs).model_fields:
        assert getattr(ours, name) == getattr(theirs, name)


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, chmr_bench_profiles.plugin\n"
        "heavy = {'scipy', 'torch', 'sklearn', 'numba', 'rdkit', 'pandas', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
