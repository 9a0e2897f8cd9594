"""Where the weights of CHMR belong."""

from __future__ import annotations

from pathlib import Path

from chmr_bench import WeightsRequest
from chmr_bench.nn.pretraining.place import Place, place
from chmr_bench_chmr.config import PretrainConfig
from chmr_bench_chmr.weights import feature_requests

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Weights that come with the plugin: folders as `chmr-bench pretrain` writes them."""
PRETRAINING_VERSION = "5"
"""Changes whenever the same settings, data and seed give other weights."""


def place_of(config: PretrainConfig, request: WeightsRequest) -> Place:
    """Return where the weights of these settings belong; nothing is opened or computed."""
    features = feature_requests(config).values()
    return place(config, PretrainConfig, features, PRETRAINING_VERSION, request, SHIPPED)
