"""chmr-bench: a benchmark harness for molecular property prediction, and a zoo of models.

The names a plugin author needs stand here; nothing heavy is imported.
"""

from __future__ import annotations

from chmr_bench.contracts import (
    AtlasSpec,
    Dataset,
    DatasetSpec,
    FeatureRequest,
    FeatureSpec,
    FitContext,
    GraphBlock,
    Inputs,
    MatrixBlock,
    Model,
    ModelSpec,
    PendingWeights,
    SourceFile,
    Split,
    TaskInfo,
    Weights,
    WeightsRequest,
)
from chmr_bench.errors import ChmrBenchError, DataError, PluginError, UsageError
from chmr_bench.hookspecs import hookimpl

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
    "MatrixBlock",
    "Model",
    "ModelSpec",
    "PendingWeights",
    "PluginError",
    "SourceFile",
    "Split",
    "TaskInfo",
    "UsageError",
    "Weights",
    "WeightsRequest",
    "hookimpl",
]
