"""One result, and the store that keeps runs loose and packed."""

from __future__ import annotations

from chmr_bench.records.identity import RunKey, canonical_json, json_digest
from chmr_bench.records.predictions import Molecules, Predictions
from chmr_bench.records.run import Problem, Stored
from chmr_bench.records.schema import (
    AttachedAtlas,
    DatasetInfo,
    Dropped,
    Environment,
    ErrorInfo,
    Metrics,
    ModelInfo,
    Phase,
    PluginRef,
    Record,
    Resources,
    SplitInfo,
    TaskResult,
    Timing,
)
from chmr_bench.records.store import RecordStore, no_records

__all__ = [
    "AttachedAtlas",
    "DatasetInfo",
    "Dropped",
    "Environment",
    "ErrorInfo",
    "Metrics",
    "ModelInfo",
    "Molecules",
    "Phase",
    "PluginRef",
    "Predictions",
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
