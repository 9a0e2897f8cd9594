"""The modalities of MMSA, and the feature that each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chmr_bench import FeatureRequest

if TYPE_CHECKING:
    from chmr_bench_mmsa.config import MmsaSettings

GRAPH, IMAGE, CONFORMER = "graph", "image", "conformer"
MODALITIES = (GRAPH, IMAGE, CONFORMER)


def feature_requests(config: MmsaSettings) -> dict[str, FeatureRequest]:
    """Return modality -> its feature, of those that the settings name."""
    settings: dict[str, dict[str, Any]] = {
        GRAPH: {},
        IMAGE: {"size": config.image_size},
        CONFORMER: {"relaxed": config.relaxed},
    }
    return {name: FeatureRequest(name, settings[name]) for name in config.modalities}
