"""What a stored record says, held against what data, split and predictions give now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

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
    fresh = dataset_info(loaded)
    differences += [
        _difference(f"dataset.{name}", getattr(record.dataset, name), getattr(fresh, name))
        for name in DATASET_WORDS
    ]
    if split is not None:
        differences += [
            _difference(
                f"split.n_{part}", getattr(record.split, f"n_{part}"), len(split.part(part))
            )
            for part in PARTS
        ]
    differences += _model_differences(record)
    return [f for f in differences if f]


def _model_differences(record: Record) -> list[str]:
    model = record.model
    differences = []
    if model.deterministic != (record.seed is None):
        differences.append(
            f"model.deterministic is {model.deterministic}, but the seed {record.seed}"
        )
    registered = registry().models.get(model.id)
    if registered is not None and registered.spec.version == model.version:
        fresh = registered.spec.deterministic
        differences.append(_difference("model.deterministic", model.deterministic, fresh))
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
    info, differences = record.predictions, []
    if info is not None:
        differences.append(_difference("predictions.n_rows", info.n_rows, len(predictions.rows)))
        differences.append(_difference("predictions.cells", info.cells, predictions.cells))
        differences.append(
            _difference("predictions.dtype", info.dtype, str(predictions.values.dtype))
        )
    if split is not None and not np.array_equal(predictions.rows, split.test):
        differences.append("the predicted rows are not the test rows of the split")
    return [f for f in differences if f]


def metric_differences(stored: Metrics | None, fresh: Metrics, *, intervals: bool) -> list[str]:
    """Return what differs, the first few tasks named."""
    if stored is None:
        return ["there are no metrics on record"]
    names: Sequence[str] = (
        "metric",
        "greater_is_better",
        "n_tasks",
        "n_evaluable",
        "macro",
        "share_080",
    )
    names = [*names, "low", "high"] if intervals else names
    differences = [_difference(name, getattr(stored, name), getattr(fresh, name)) for name in names]
    if len(stored.per_task) != len(fresh.per_task):
        return [*filter(None, differences), "the tasks on record are not the dataset's"]
    for a, b in zip(stored.per_task, fresh.per_task, strict=True):
        fields = ("task", "score", "n", "n_minority", "evaluable")
        differences += [
            _difference(f"task {a.task}: {name}", getattr(a, name), getattr(b, name))
            for name in ((*fields, "low", "high") if intervals else fields)
        ]
    return _shortened([f for f in differences if f])


def _difference(name: str, stored: object, fresh: object) -> str:
    return "" if _agree(stored, fresh) else f"{name}: {stored} on record, {fresh} computed"


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
    differences = []
    for name in ("dataset_digest", "split_digest", "metric", "molecules", "n_test", "n_clean"):
        old, new = getattr(stored, name), getattr(fresh, name)
        if old != new:
            differences.append(f"{name}: {old} in the file, {new} computed")
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
        for name in ("macro", "low", "high", "n_evaluable", "predictions_sha256"):
            a, b = getattr(old, name), getattr(new, name)
            if not _agree(a, b):
                yield f"record {identity[:12]}: {name}: {a} in the file, {b} computed"
