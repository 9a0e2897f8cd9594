"""What a stored record says, held against what data, split and predictions give now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import SimpleNamespace

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.plugins import registry
from chmr_bench.records import Metrics, Predictions, Record, Stored
from chmr_bench.records.arrays import FILE_NAME
from chmr_bench.records.audited import AuditFile
from chmr_bench.records.loose import REPLICATES
from chmr_bench.runner.job import dataset_info, key_of
from chmr_bench.runner.loading import LoadedDataset
from chmr_bench.runner.recorded import other_split
from chmr_bench.types import PARTS, FloatArray

TOLERANCE = 1e-6
"""Another processor or numpy may add in another order; a real difference is far larger."""
DATASET_WORDS = (
    "title",
    "version",
    "task_type",
    "metric",
    "unit",
    "n_molecules",
    "n_tasks",
    "dropped",
    "dropped_rows",
    "synthetic",
)
"""What a record says of its dataset beside name and digest."""
METRIC_FIELDS = ("metric", "greater_is_better", "n_tasks", "n_evaluable", "macro", "share_080")
TASK_FIELDS = ("task", "score", "n", "n_minority", "evaluable")
SCORE_FIELDS = ("macro", "low", "high", "n_evaluable", "predictions_sha256")


def interval_differences(record: Record) -> list[str]:
    """Return which scores lie outside their own interval: all that is seen without the data."""
    if record.metrics is None:
        return ["status is ok, but there are no metrics, or no predictions"]
    whole = [("macro", record.metrics.macro, record.metrics.low, record.metrics.high)]
    scores = whole + [(f"task {t.task}", t.score, t.low, t.high) for t in record.metrics.per_task]
    differences = [
        f"{name}: {score} lies outside its own interval, {low} to {high}"
        for name, score, low, high in scores
        if not _within(score, low, high)
    ]
    return _shortened(differences)


def _within(score: float | None, low: float | None, high: float | None) -> bool:
    if score is None or low is None or high is None:
        return True
    slack = TOLERANCE * max(abs(low), abs(high))
    return low - slack <= score <= high + slack


def _shortened(differences: list[str]) -> list[str]:
    more = [f"and {len(differences) - 5} more differences"] if len(differences) > 5 else []
    return differences[:5] + more


def identity_differences(record: Record) -> tuple[str, ...]:
    """Return whether the words of a record make another identity than its own."""
    made = key_of(record).identity()
    if made == record.identity:
        return ()
    return (f"its words make the identity {made[:12]}, not {record.identity[:12]}",)


def failure_differences(entry: Stored) -> list[str]:
    """Return what a failed record has that none can have."""
    record = entry.record
    differences = [] if record.error else ["status is failed, but there is no error"]
    if record.metrics or record.predictions:
        differences.append("status is failed, but there are metrics or predictions on record")
    there = [] if entry.kind == "packed" else sorted(p.name for p in entry.path.iterdir())
    stray = [name for name in there if name in (FILE_NAME, REPLICATES)]
    return differences + [f"status is failed, but {name} is there" for name in stray]


def word_differences(record: Record, loaded: LoadedDataset, split: Split | None) -> list[str]:
    """Return what the tables print and neither identity nor scores hold, where it is not so."""
    differences = [] if record.error is None else ["status is ok, but there is an error"]
    differences += _of_fields(record.dataset, dataset_info(loaded), DATASET_WORDS, "dataset.")
    if split is not None:
        sizes = {f"n_{part}": len(split.part(part)) for part in PARTS}
        differences += _of_fields(record.split, SimpleNamespace(**sizes), sizes, "split.")
    return differences + _model_differences(record)


def _model_differences(record: Record) -> list[str]:
    model = record.model
    differences = []
    if model.deterministic != (record.seed is None):
        differences.append(
            f"model.deterministic is {model.deterministic}, but the seed {record.seed}"
        )
    registered = registry().models.get(model.id)
    if registered is not None and registered.spec.version == model.version:
        differences += _of_fields(model, registered.spec, ["deterministic"], "model.")
    differences += [
        f"model.overrides: {name} is not what model.params holds"
        for name, value in model.overrides.items()
        if name not in model.params or model.params[name] != value
    ]
    return differences


def split_differences(record: Record, split: Split | None) -> list[str]:
    """Return whether the split of a record is another one here."""
    different = "" if split is None else other_split(record, split)
    return [different] if different else []


def prediction_differences(
    record: Record, predictions: Predictions, split: Split | None
) -> list[str]:
    """Return what a record says of its predictions and is not so."""
    fresh = {
        "n_rows": len(predictions.rows),
        "cells": predictions.cells,
        "dtype": str(predictions.values.dtype),
    }
    info = record.predictions
    differences = _of_fields(info, SimpleNamespace(**fresh), fresh, "predictions.") if info else []
    if split is not None and not np.array_equal(predictions.rows, split.test):
        differences.append("the predicted rows are not the test rows of the split")
    return differences


def metric_differences(stored: Metrics | None, fresh: Metrics, *, intervals: bool) -> list[str]:
    """Return what differs, the first few tasks named."""
    if stored is None:
        return ["there are no metrics on record"]
    ends = ["low", "high"] if intervals else []
    differences = _of_fields(stored, fresh, [*METRIC_FIELDS, *ends])
    if len(stored.per_task) != len(fresh.per_task):
        return [*differences, "the tasks on record are not the dataset's"]
    for a, b in zip(stored.per_task, fresh.per_task, strict=True):
        differences += _of_fields(a, b, [*TASK_FIELDS, *ends], f"task {a.task}: ")
    return _shortened(differences)


def _of_fields(
    stored: object, fresh: object, names: Iterable[str], where: str = "", kept: str = "on record"
) -> list[str]:
    """Return which of these attributes differ, and how; `kept` says where the stored one stands."""
    pairs = [(name, getattr(stored, name), getattr(fresh, name)) for name in names]
    return [f"{where}{n}: {a} {kept}, {b} computed" for n, a, b in pairs if not _agree(a, b)]


def _agree(stored: object, fresh: object) -> bool:
    if isinstance(stored, float) and isinstance(fresh, float):
        return math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return stored == fresh


def same_array(stored: FloatArray, fresh: FloatArray) -> bool:
    """Return whether replicates are the same but for rounding."""
    if stored.shape != fresh.shape:
        return False
    return bool(np.allclose(stored, fresh, rtol=1e-5, atol=TOLERANCE, equal_nan=True))


def audit_differences(stored: AuditFile, fresh: AuditFile) -> list[str]:
    """Return what a stored audit says that the data and the records do not.

    Records that it does not know are no difference: the tables call them not audited.
    """
    names = ("dataset_digest", "split_digest", "metric", "molecules", "n_test", "n_clean")
    differences = _of_fields(stored, fresh, names, kept="in the file")
    for name in ("levels", "levels_with_valid"):
        old, new = getattr(stored, name), getattr(fresh, name)
        counts = [{k: v.leaked_rows for k, v in one.items()} for one in (old, new)]
        if counts[0] != counts[1]:
            differences.append(f"{name}: leaked rows {counts[0]} in the file, {counts[1]} computed")
    return _shortened([*differences, *_clean_score_differences(stored, fresh)])


def _clean_score_differences(stored: AuditFile, fresh: AuditFile) -> Iterator[str]:
    for identity, old in stored.scores.items():
        new = fresh.scores.get(identity)
        if new is None:
            yield f"record {identity[:12]}: there is no such record, or it cannot be read"
            continue
        yield from _of_fields(old, new, SCORE_FIELDS, f"record {identity[:12]}: ", "in the file")
