"""What crosses a stage border: specs, molecules with their blocks, splits, models.

Everything here is a frozen dataclass or a protocol over numpy arrays; nothing here imports more
than the standard library and numpy. Dimension letters: `n` molecules, `t` tasks, `d` features,
`v` atoms, `e` directed bonds.
"""

from __future__ import annotations

from chmr_bench.contracts.atlases import ASSAY, CELL_MODALITIES, AtlasSpec, ReadOuts
from chmr_bench.contracts.blocks import Block, GraphBlock, HeldRows, MatrixBlock, modality_of
from chmr_bench.contracts.data import Dataset, DroppedRow, Inputs, Split, part_digest
from chmr_bench.contracts.models import FitContext, MatchModel, Model, TaskInfo
from chmr_bench.contracts.progress import Progress, no_progress
from chmr_bench.contracts.specs import (
    DatasetSpec,
    FeatureRequest,
    FeatureSpec,
    LoadFiles,
    ModelSpec,
    SourceFile,
)
from chmr_bench.contracts.weights import (
    PendingWeights,
    PretrainingData,
    Weights,
    WeightsRequest,
    connectivity_hash,
)

__all__ = [
    "ASSAY",
    "CELL_MODALITIES",
    "AtlasSpec",
    "Block",
    "Dataset",
    "DatasetSpec",
    "DroppedRow",
    "FeatureRequest",
    "FeatureSpec",
    "FitContext",
    "GraphBlock",
    "HeldRows",
    "Inputs",
    "LoadFiles",
    "MatchModel",
    "MatrixBlock",
    "Model",
    "ModelSpec",
    "PendingWeights",
    "PretrainingData",
    "Progress",
    "ReadOuts",
    "SourceFile",
    "Split",
    "TaskInfo",
    "Weights",
    "WeightsRequest",
    "connectivity_hash",
    "modality_of",
    "no_progress",
    "part_digest",
]
