"""A record of a run as a line of the one table: its columns, and where a record says them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from chmr_bench.records import Record, canonical_json
from chmr_bench.records.pretrained import (
    labels_seen,
    making_of_row,
    n_test_seen,
    pretrained_on,
    weights_of_row,
)
from chmr_bench.records.seal import to_bytes
from chmr_bench.statistics import effective_sample_size

PLAIN = {
    "": "identity status seed precision created",
    "model": "model=id model_version=version weights deterministic",
    "plugin": "plugin=name plugin_distribution=distribution plugin_version=version",
    "dataset": "dataset=name dataset_title=title dataset_digest=digest dataset_version=version "
    "task_type dataset_metric=metric unit n_molecules n_tasks n_dropped=dropped synthetic",
    "dataset.origin": "origin=kind file",
    "split": "split_recorded=name split_recorded_seed=seed split_digest=digest "
    "n_train n_valid n_test",
    "resources": "device device_name n_jobs peak_memory_mb",
    "metrics": "metric score=macro low high n_evaluable share_080",
    "error": "error_type=type error_phase=phase error=message",
    "timing": "seconds=total fit_seconds=fit predict_seconds=predict",
    "environment": "commit dirty cpu platform python",
    "predictions": "values_sha256",
}
"""Section of a record -> columns; behind ``=`` what the record calls them, where it has another
name."""
AS_JSON = {
    "": "missing hidden cells replaced remarks",
    "model": "params overrides pretraining",
    "dataset": "dropped_rows",
    "dataset.origin": "table_tasks=tasks",
    "environment": "packages",
}
"""The same of columns that are canonical JSON; None where the record says nothing."""


def _paths(sections: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return column -> section of a record, and name in it."""
    split = ((section, name.split("=")) for section, of in sections.items() for name in of.split())
    return {names[0]: (section, names[-1]) for section, names in split}


PATHS, JSON_PATHS = _paths(PLAIN), _paths(AS_JSON)
NUMBERS = ("score", "low", "high", "share_080", "seconds", "fit_seconds", "predict_seconds")
FACTS = ("own_profiles", "row_key", "predictions_sha256", "seal", "n_effective", "not_evaluable")
TASK = ("task", "n", "n_minority", "reason")
"""What is kept of a task that cannot be evaluated."""
WEIGHTS_FACTS: Mapping[str, Callable[[Record], Any]] = {
    "row_weights": weights_of_row,
    "pretrained_on": pretrained_on,
    "n_test_seen": n_test_seen,
    "labels_seen": labels_seen,
}
"""Column -> what a record says of its weights; those of a row are the ones all its seeds share."""
COLUMNS = (*PATHS, *JSON_PATHS, *WEIGHTS_FACTS, *FACTS)


def line_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, as plain values, by the columns of `COLUMNS`."""
    sections = {section: _at(content, section) for section in {*PLAIN, *AS_JSON}}
    line = {
        column: (sections[section] or {}).get(name)
        for column, (section, name) in {**PATHS, **JSON_PATHS}.items()
    }
    for column in JSON_PATHS:
        line[column] = None if line[column] is None else canonical(line[column])
    model = SimpleNamespace(**content["model"])
    record: Any = SimpleNamespace(model=model, precision=content.get("precision"))
    line |= {column: fact(record) for column, fact in WEIGHTS_FACTS.items()}
    return line | _facts(content, record)


def canonical(value: Any) -> str:
    """Return a value as canonical JSON."""
    return to_bytes(value).decode()


def _at(line: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where any part of it is missing; "" = the line."""
    value: Any = line
    for name in filter(None, path.split(".")):
        value = None if value is None else value.get(name)
    return value


def _facts(line: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """Return the columns that follow from several entries of a record."""
    metrics = line.get("metrics") or {}
    tasks = _tasks(metrics.get("per_task"))
    n_effective = metrics.get("n_effective")
    if metrics and n_effective is None:  # written before it was stored
        evaluable = (task for task in tasks if task["evaluable"])
        counts = [t["n"] if t["n_minority"] is None else t["n_minority"] for t in evaluable]
        n_effective = effective_sample_size(counts)
    return {
        "own_profiles": "+".join(atlas["name"] for atlas in line.get("cells") or ()),
        "row_key": _row_key(line, making_of_row(record)),
        "predictions_sha256": _predictions_sha256(line),
        "seal": seal_of(line),
        "n_effective": n_effective,
        "not_evaluable": canonical(
            [{name: t[name] for name in TASK} for t in tasks if not t["evaluable"]]
        ),
    }


def _tasks(stored: Any) -> list[dict[str, Any]]:
    """Return what a record says of its tasks, from a list or from the columns of a packed run."""
    if not isinstance(stored, Mapping):
        return stored or []
    columns = stored["tasks"]
    reasons = columns["reason"]
    return [
        {"task": task, "n": n, "n_minority": rarer, "evaluable": good, "reason": reasons.get(i, "")}
        for i, task, n, rarer, good in zip(
            map(str, range(len(columns["task"]))),
            *(columns[name] for name in ("task", "n", "n_minority", "evaluable")),
            strict=True,
        )
    ]


def _row_key(line: Mapping[str, Any], making: str | None) -> str:
    """Return all that can change the numbers of a record on given data, the seed left out."""
    plugin = line["plugin"]
    return canonical_json(
        {
            "model": line["model"]["id"],
            "version": line["model"]["version"],
            "weights": making,
            "params": line["model"]["params"],
            "plugin": [plugin["name"], plugin["distribution"], plugin["version"]],
            "missing": line.get("missing"),
            **({"cells": line["cells"]} if line.get("cells") else {}),
            "precision": line.get("precision"),
            "device": line["resources"]["device"],
        }
    )


def seal_of(line: Mapping[str, Any]) -> str:
    """Return a hash that another score, prediction or replicate of the same run changes."""
    metrics = line.get("metrics") or {}
    parts = [line["identity"], line.get("seal"), _predictions_sha256(line)]
    parts += [_at(line, "rescored.created"), line.get("created")]
    parts += [metrics.get(name) for name in ("macro", "low", "high")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _predictions_sha256(line: Mapping[str, Any]) -> str | None:
    """Return what tells a run's predictions from others, None where there are none."""
    info = line.get("predictions") or {}
    return info.get("sha256") or info.get("values_sha256")
