"""chmr-bench: a benchmark harness for molecular property prediction, and a zoo of models.

Two doors: what a plugin author needs (specs, blocks, `hookimpl`), and what a script or a notebook
calls (`run`, `ablate`, `evaluate`, `compare`, `match`, `load_runs`, `load_dataset`). Nothing heavy
is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chmr_bench.contracts import (
    AtlasSpec,
    Dataset,
    DatasetSpec,
    FeatureRequest,
    FeatureSpec,
    FitContext,
    GraphBlock,
    Inputs,
    MatchModel,
    MatrixBlock,
    Model,
    ModelSpec,
    PendingWeights,
    ReadOuts,
    SourceFile,
    Split,
    TaskInfo,
    Weights,
    WeightsRequest,
)
from chmr_bench.errors import ChmrBenchError, DataError, PluginError, UsageError
from chmr_bench.hookspecs import hookimpl

if TYPE_CHECKING:
    from chmr_bench.api import ablate, compare, evaluate, load_dataset, load_runs, match, run

__version__ = "0.1.0"

__all__ = [
    "AtlasSpec",
    "ChmrBenchError",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "FeatureRequest",
    "FeatureSpec",
    "FitContext",
    "GraphBlock",
    "Inputs",
    "MatchModel",
    "MatrixBlock",
    "Model",
    "ModelSpec",
    "PendingWeights",
    "PluginError",
    "ReadOuts",
    "SourceFile",
    "Split",
    "TaskInfo",
    "UsageError",
    "Weights",
    "WeightsRequest",
    "ablate",
    "compare",
    "evaluate",
    "hookimpl",
    "load_dataset",
    "load_runs",
    "match",
    "run",
]

_API = frozenset({"ablate", "compare", "evaluate", "load_dataset", "load_runs", "match", "run"})


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("chmr_bench.api"), name)
