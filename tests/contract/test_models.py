"""Every registered model keeps its promises; a new one is tested by existing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.settings import EVERY, build_config, missing_modules
from chmr_bench.testing import check_model

INFOALIGN: Mapping[str, Any] = {
    "n_bits": 64,
    "hidden": 16,
    "layers": 2,
    "decoder_hidden": 16,
    "epochs": 1,
    "head_hidden": 16,
    "head_epochs": 3,
}
CHMR: Mapping[str, Any] = {**INFOALIGN, "fingerprint_hidden": 16, "head_strengths": (10.0,)}
TUNED: Mapping[str, Any] = {**CHMR, "tune_hidden": 16, "tune_epochs": 3}
QUICK: Mapping[str, Mapping[str, Any]] = {
    "chmr_bench_chmr.config:ChmrConfig": CHMR,
    "chmr_bench_chmr.config:FinetunedConfig": TUNED,
    "chmr_bench_chmr.config:CellFinetunedConfig": TUNED,
    "chmr_bench_chmr.regressor_config:RegressorConfig": {
        "n_bits": 64,
        "hidden": 16,
        "embedding": 8,
        "epochs": 2,
        "strengths": (10.0, 100.0),
    },
    "chmr_bench_infoalign.config:InfoAlignConfig": INFOALIGN,
    "chmr_bench_infoalign.config:InfoAlignTunedConfig": INFOALIGN,
    "chmr_bench_mmsa.config:MmsaConfig": {
        "hidden": 16,
        "layers": 2,
        "image_size": 32,
        "image_width": 4,
        "conformer_hidden": 8,
        "conformer_layers": 1,
        "code_hidden": 16,
        "code": 16,
        "epochs": 1,
        "head_hidden": 16,
        "head_epochs": 3,
    },
    "chmr_bench_profiles.mlp:CellsMlpConfig": {"hidden": 16, "epochs": 3},
    "chmr_bench_profiles.counts:CellsCountsConfig": {"epochs": 3, "shapes": ("16",)},
    "chmr_bench_profiles.forest:CellsForestConfig": {"n_trees": 5},
    "chmr_bench_fingerprints.forest:ForestConfig": {"n_trees": 20},
    "chmr_bench_fingerprints.mlp:MlpConfig": {"epochs": 5},
    "chmr_bench_fingerprints.deepchem_multitask:DeepchemMultitaskConfig": {"epochs": 3},
    "chmr_bench_fingerprints.multi_forest:MultiForestConfig": {"n_trees": 10},
}
"""Settings of a class -> overrides: what is promised does not hang on the size."""


@pytest.fixture
def one_thread(known_features: Path) -> Any:
    """Torch on one thread, and an empty cache but for features."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def is_variant(name: str) -> bool:
    """Return whether a model is another but for its preset, or made of others; these are tested."""
    spec = registry().model(name).spec
    if name.endswith((".late", "finetuned", ".forest-ensemble")):
        return True
    family = name.partition(".")[0]
    if family == name or family not in registry().models or not spec.weights:
        return False
    plain = registry().model(family).spec
    return (spec.factory, spec.config, spec.weights) == (plain.factory, plain.config, plain.weights)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if is_variant(name) else [])
        for name in sorted(registry().models)
    ],
)
def test_model(name: str, request: pytest.FixtureRequest) -> None:
    spec = registry().model(name).spec
    missing = missing_modules(spec)
    if missing:
        pytest.skip(f"{name} needs {', '.join(missing)}")
    if spec.config in QUICK and "torch" in spec.requires:
        request.getfixturevalue("one_thread")
    check_model(name, QUICK.get(spec.config))


@pytest.mark.parametrize("name", sorted(n for n in registry().models if n.startswith("chmr.")))
def test_a_variant_differs_from_chmr_by_its_preset_alone(name: str) -> None:
    """The preset is known to the settings, changes something, and a user's word goes before it."""
    spec, plain = registry().model(name).spec, registry().model("chmr").spec
    known = load_object(spec.config).model_fields
    assert set(spec.preset) <= set(known)
    if spec.recipe == plain.recipe:
        found, other = (build_config(s, {}).model_dump(context=EVERY) for s in (spec, plain))
        assert {n for n in known if n in other and found[n] != other[n]} == set(spec.preset)
        assert spec.preset or (spec.factory, spec.config) != (plain.factory, plain.config)
    mine = {"head_hidden": 24}
    assert build_config(spec, mine).head_hidden == 24
    atlas = build_config(spec, {}, dataset="planted").atlas
    assert atlas == spec.preset.get("atlas", ("planted",))
