"""What a plugin's function is given when it is to make weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.contracts import Weights
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.plugins import registry
from chmr_bench.runner.pretraining import AtlasData
from chmr_bench.runner.weights import WeightsKey, make_here
from chmr_bench.settings import build_config


@pytest.mark.usefixtures("quick")
def test_the_folder_to_keep_weights_in_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import quick_weights  # type: ignore[import-not-found]

    def straight(config: Any, request: Any) -> Weights:
        np.save(request.folder / "weights.npy", np.zeros(3))  # and makes no folder first
        return Weights(request.folder / "weights.npy", "0" * 64)

    monkeypatch.setattr(quick_weights, "find_or_make", straight)
    model = registry().model("quick.started")
    key = WeightsKey(model, build_config(model.spec, {}))
    data = AtlasData(FetchOptions(offline=True))
    weights = make_here(key, data, registry(), lambda *_: None)
    assert weights is not None
    assert weights.path.parent == home / "weights" / model.plugin.name
