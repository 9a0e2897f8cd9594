"""One result, and the store that keeps runs loose and packed."""

from __future__ import annotations

from chmr_bench.records.identity import RunKey, canonical_json, json_digest
from chmr_bench.records.predictions import Molecules, Predictions
from chmr_bench.records.run import Problem, Stored
from chmr_bench.records.schema import (
    SCHEMA_VERSION,
    AttachedAtlas,
    DatasetInfo,
    Dropped,
    Environment,
    ErrorInfo,
    Metrics,
    ModelInfo,
    Origin,
    Phase,
    PluginRef,
    PredictionsInfo,
    Record,
    Resources,
    SplitInfo,
    TaskResult,
    Timing,
)
from chmr_bench.records.store import RecordStore, no_records

__all__ = [
    "SCHEMA_VERSION",
    "AttachedAtlas",
    "DatasetInfo",
    "Dropped",
    "Environment",
    "ErrorInfo",
    "Metrics",
    "ModelInfo",
    "Molecules",
    "Origin",
    "Phase",
    "PluginRef",
    "Predictions",
    "PredictionsInfo",
    "Problem",
    "Record",
    "RecordStore",
    "Resources",
    "RunKey",
    "SplitInfo",
    "Stored",
    "TaskResult",
    "Timing",
    "canonical_json",
    "json_digest",
    "no_records",
]
