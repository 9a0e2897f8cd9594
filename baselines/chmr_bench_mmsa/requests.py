"""The features that MMSA's settings ask for."""

from __future__ import annotations

from typing import Any

from chmr_bench import FeatureRequest
from chmr_bench_mmsa.config import MmsaSettings
from chmr_bench_mmsa.names import CONFORMER, GRAPH, IMAGE


def feature_requests(config: MmsaSettings) -> dict[str, FeatureRequest]:
    """Return modality -> its feature, of those that the settings name."""
    settings: dict[str, dict[str, Any]] = {
        GRAPH: {},
        IMAGE: {"size": config.image_size},
        CONFORMER: {"relaxed": config.relaxed},
    }
    return {name: FeatureRequest(name, settings[name]) for name in config.modalities}
