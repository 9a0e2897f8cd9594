"""Weights that come with the plugin: of the nine and of the planted data, whatever the device."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench import PendingWeights, Weights
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.nn.pretraining.files import checked_sha256
from chmr_bench.plugins import registry
from chmr_bench.runner import RunOptions
from chmr_bench.runner.weights import WeightsCache, WeightsKey
from chmr_bench.settings import build_config
from chmr_bench_chmr.weights import SHIPPED

pytestmark = pytest.mark.usefixtures("home")
NINE = registry().suite("all")
DEFAULT_BYTES = 15_000_000
"""The weights that the nine begin with are no larger: they lie in the package."""


def look_up(name: str, dataset: str, **told: Any) -> Weights | PendingWeights | None:
    model = registry().model(name)
    config = build_config(model.spec, {}, dataset)
    cache = WeightsCache(RunOptions(FetchOptions(offline=True)))
    return cache.look_up(WeightsKey(model, config, **told))


@pytest.mark.parametrize("told", [{}, {"device": "cuda", "precision": "bfloat16", "seed": 3}])
def test_the_nine_begin_without_pretraining(told: Any) -> None:
    found = [look_up("chmr", dataset, **told) for dataset in NINE]
    (path,) = {weights.path for weights in found if isinstance(weights, Weights)}
    assert all(isinstance(weights, Weights) for weights in found)
    assert path.is_relative_to(SHIPPED)
    assert path.stat().st_size <= DEFAULT_BYTES
    assert isinstance(look_up("chmr", "bace", anew=True), PendingWeights)
    assert isinstance(look_up("chmr.molecule-only", "bace"), PendingWeights)


@pytest.mark.parametrize("name", ["chmr", "chmr.molecule-only"])
def test_planted_data_begin_without_pretraining_of_seed_0(name: str) -> None:
    assert isinstance(look_up(name, "planted"), Weights)
    assert isinstance(look_up(name, "planted", seed=1), PendingWeights)


def test_no_weights_are_there_that_nothing_finds() -> None:
    found = [
        look_up(name, dataset)
        for name in ("chmr", "chmr.molecule-only")
        for dataset in ("bace", "planted")
    ]
    wanted = {weights.path for weights in found if isinstance(weights, Weights)}
    assert wanted == set(SHIPPED.rglob("weights.safetensors"))
    for path in wanted:
        assert checked_sha256(path)
