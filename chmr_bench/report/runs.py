"""One table of runs: every sound record of a store as a line of one DataFrame.

Leaderboard, run tables, curves, exports and the Python door are group-bys of it. Nested values
(parameters, what was masked, packages) stand as canonical JSON, so that a line can be compared,
grouped and written as it is.

Example
-------
>>> from chmr_bench.records import RecordStore
>>> from chmr_bench.report.runs import runs_frame
>>> runs = runs_frame(RecordStore(Path("leaderboards")))  # doctest: +SKIP
>>> runs.groupby(["dataset", "model"])["score"].mean()  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chmr_bench.plugins import registry
from chmr_bench.records import (
    DatasetInfo,
    ModelInfo,
    Problem,
    Record,
    RecordStore,
    SplitInfo,
    Stored,
    canonical_json,
)
from chmr_bench.records.pretrained import (
    labels_seen,
    making_of_row,
    n_test_seen,
    pretrained_on,
    weights_of_row,
)
from chmr_bench.report.labels import row_labels
from chmr_bench.statistics import effective_sample_size
from chmr_bench.types import PARTS

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference"
"""What a dataset's own split is called."""
MEND = "run the same command again: it is computed anew"
"""What to do about a damaged record."""
PATHS = {
    "identity": "identity",
    "status": "status",
    "model": "model.id",
    "model_version": "model.version",
    "weights": "model.weights",
    "deterministic": "model.deterministic",
    "plugin": "plugin.name",
    "plugin_distribution": "plugin.distribution",
    "plugin_version": "plugin.version",
    "dataset": "dataset.name",
    "dataset_title": "dataset.title",
    "dataset_digest": "dataset.digest",
    "dataset_version": "dataset.version",
    "origin": "dataset.origin.kind",
    "file": "dataset.origin.file",
    "task_type": "dataset.task_type",
    "dataset_metric": "dataset.metric",
    "unit": "dataset.unit",
    "n_molecules": "dataset.n_molecules",
    "n_tasks": "dataset.n_tasks",
    "n_dropped": "dataset.dropped",
    "synthetic": "dataset.synthetic",
    "split_recorded": "split.name",
    "split_recorded_seed": "split.seed",
    "split_digest": "split.digest",
    "n_train": "split.n_train",
    "n_valid": "split.n_valid",
    "n_test": "split.n_test",
    "seed": "seed",
    "precision": "precision",
    "device": "resources.device",
    "device_name": "resources.device_name",
    "n_jobs": "resources.n_jobs",
    "peak_memory_mb": "resources.peak_memory_mb",
    "metric": "metrics.metric",
    "score": "metrics.macro",
    "low": "metrics.low",
    "high": "metrics.high",
    "n_evaluable": "metrics.n_evaluable",
    "share_080": "metrics.share_080",
    "error_type": "error.type",
    "error_phase": "error.phase",
    "error": "error.message",
    "seconds": "timing.total",
    "fit_seconds": "timing.fit",
    "predict_seconds": "timing.predict",
    "created": "created",
    "commit": "environment.commit",
    "dirty": "environment.dirty",
    "cpu": "environment.cpu",
    "platform": "environment.platform",
    "python": "environment.python",
    "values_sha256": "predictions.values_sha256",
}
"""Column -> where the record says it."""
JSON_PATHS = {
    "params": "model.params",
    "overrides": "model.overrides",
    "pretraining": "model.pretraining",
    "missing": "missing",
    "hidden": "hidden",
    "cells": "cells",
    "replaced": "replaced",
    "packages": "environment.packages",
    "dropped_rows": "dataset.dropped_rows",
    "remarks": "remarks",
}
"""Column of canonical JSON -> where the record says it; None where it says nothing."""
SECTIONS: dict[str, list[tuple[str, str]]] = {}
"""Part of a record -> columns and what they are called in it."""
for _column, _path in {**PATHS, **JSON_PATHS}.items():
    SECTIONS.setdefault(_path.rpartition(".")[0], []).append((_column, _path.rpartition(".")[2]))
NUMBERS = ("score", "low", "high", "share_080", "seconds", "fit_seconds", "predict_seconds")
FACTS = ("own_profiles", "row_key", "predictions_sha256", "seal", "n_effective", "not_evaluable")
TASK = ("task", "n", "n_minority", "reason")
"""What is kept of a task that cannot be evaluated."""
DATA = ("dataset", "origin", "dataset_digest", "split_digest")
"""What the runs of one table share, the metric left out."""


@dataclass(frozen=True)
class LoadedRuns:
    """The runs of a store.

    Attributes
    ----------
    frame :
        A line a run, as `runs_frame` returns it.
    problems :
        What lies among the records and is in no table, with the reason.
    store :
        Where they are from.
    stored :
        Identity -> the run in the store.
    """

    frame: pd.DataFrame
    store: RecordStore
    problems: tuple[Problem, ...] = field(default=())
    stored: Mapping[str, Stored] = field(default_factory=dict)


def runs_frame(store: RecordStore) -> pd.DataFrame:
    """Return every readable run of a store, one a line, failed ones included.

    Damage to stored predictions is not looked for, which takes time: `load_runs` and
    ``chmr-bench verify`` do.

    Columns are those of `PATHS` and `JSON_PATHS`, and what follows from them: ``row_key`` (all that
    can change the numbers, but data and seed), ``row`` (what the row is called in tables),
    ``own_profiles`` (atlases that the user attached, "" = none), ``split`` and ``split_seed`` (the
    one name these rows of train, valid and test are shown by), ``split_names``, ``kind``
    (benchmark, user, synthetic) and ``table`` (runs of one value share a table).

    Example
    -------
    >>> runs = runs_frame(RecordStore(Path("leaderboards")))  # doctest: +SKIP
    >>> runs.query("dataset == 'bace' and missing.isna()")[["row", "seed", "score"]]
    """
    return load_runs(store, check=False).frame


def load_runs(
    store: RecordStore,
    *,
    check: bool | Container[str] = True,
    sound: Container[str] = frozenset(),
) -> LoadedRuns:
    """Return the runs of a store, and what is wrong with the others.

    Parameters
    ----------
    check :
        Whether to leave out runs whose stored predictions or replicates are damaged, or the models
        whose runs are looked at alone.
    sound :
        Seals of runs that are known not to be, and are not looked at again.
    """
    stored, problems = _chosen(store, check, sound)
    frame = frame_of(entry.content for entry in stored)
    by_identity = {entry.identity: entry for entry in stored}
    return LoadedRuns(frame, store, tuple(problems), by_identity)


def frame_of(lines: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return records, as plain values, as a frame of runs."""
    import pandas as pd

    columns = [*PATHS, *JSON_PATHS, *WEIGHTS_FACTS, *FACTS]
    runs = pd.DataFrame([_line(line) for line in lines], columns=columns, dtype=object)
    runs = runs.astype(dict.fromkeys(NUMBERS, "float64"))
    runs["failed"] = runs["status"] == "failed"
    runs = _with_splits(runs)
    runs["kind"] = [
        "synthetic" if made_up else "user" if origin == "file" else "benchmark"
        for made_up, origin in zip(runs["synthetic"], runs["origin"], strict=True)
    ]
    runs["table"] = _tables(runs)
    runs["row"] = row_labels(runs)
    return runs


def dicts_of(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as plain values; `DataFrame.to_dict` takes four times as long."""
    names = [str(name) for name in runs]
    columns = [runs[name].to_numpy().tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


# --------------------------------------------------------------------------------------- one line


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for section, names in SECTIONS.items():
        part = _at(line, section) if section else line
        for name, key in names:
            row[name] = None if part is None else part.get(key)
    for name in JSON_PATHS:
        row[name] = None if row[name] is None else _canonical(row[name])
    model = SimpleNamespace(**line["model"])
    record: Any = SimpleNamespace(model=model, precision=line.get("precision"))
    row |= {name: fact(record) for name, fact in WEIGHTS_FACTS.items()}
    return row | _facts(line, record)


def _canonical(value: Any) -> str:
    from chmr_bench.records.seal import to_bytes

    return to_bytes(value).decode()


def _at(line: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where any part of it is missing."""
    value: Any = line
    for name in path.split("."):
        value = None if value is None else value.get(name)
    return value


WEIGHTS_FACTS: Mapping[str, Callable[[Record], Any]] = {
    "row_weights": weights_of_row,
    "pretrained_on": pretrained_on,
    "n_test_seen": n_test_seen,
    "labels_seen": labels_seen,
}
"""Column -> what a record says of its weights; those of a row are the ones all its seeds share."""


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
        "seal": _seal(line),
        "n_effective": n_effective,
        "not_evaluable": _canonical(
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


def _seal(line: Mapping[str, Any]) -> str:
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


def record_of_run(run: Mapping[str, Any]) -> Record:
    """Return as much of the record behind a line of the frame as names its files."""
    return Record.model_construct(
        identity=run["identity"],
        status=run["status"],
        model=ModelInfo.model_construct(id=run["model"]),
        dataset=DatasetInfo.model_construct(name=run["dataset"]),
        split=SplitInfo.model_construct(
            name=run["split_recorded"], seed=run["split_recorded_seed"]
        ),
        seed=run["seed"],
    )


# ----------------------------------------------------------------------------- splits and tables


def _with_splits(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the one name each split is shown by.

    A split's name is not in a run's identity: where two methods give the same rows, a run is
    stored once, under the name it was first asked for by. So tables go by the digest of the rows.
    It is called ``reference`` where it is the pinned one or any record calls it so, else by the
    first of its names.
    """
    shown: dict[Any, tuple[str, int | None, tuple[str, ...]]] = {}
    key: Any
    for key, group in runs.groupby([*DATA], sort=False):
        pairs = zip(group["split_recorded"], group["split_recorded_seed"], strict=True)
        known = sorted(set(pairs), key=lambda pair: (pair[0], pair[1] or 0))
        name, seed = next((pair for pair in known if pair[0] == REFERENCE), known[0])
        if name != REFERENCE and _is_pinned(*key):
            name, seed = REFERENCE, None
        shown[key] = name, seed, tuple(sorted({name, *(known_name for known_name, _ in known)}))
    keys = list(zip(*(runs[name] for name in DATA), strict=True))
    for i, column in enumerate(("split", "split_seed", "split_names")):
        runs[column] = _objects(runs, [shown[key][i] for key in keys])
    runs["split_name"] = [
        name if seed is None else f"{name} (seed {seed})"
        for name, seed in zip(runs["split"], runs["split_seed"], strict=True)
    ]
    return runs


def _objects(runs: pd.DataFrame, values: Sequence[Any]) -> Any:
    """Return a column that keeps whole numbers and None as they are."""
    import pandas as pd

    return pd.Series(values, index=runs.index, dtype=object)


def _is_pinned(dataset: str, origin: str, _: str, split_digest: str) -> bool:
    """Return whether rows are those of the registered reference split."""
    registered = registry().datasets.get(dataset)
    if registered is None or origin != "registered":
        return False
    pinned = registered.spec.split_digests
    made = hashlib.sha256("\n".join(pinned).encode()).hexdigest()
    return len(pinned) == len(PARTS) and made == split_digest


def _tables(runs: pd.DataFrame) -> list[str]:
    """Return what the runs of one table share: data, split and metric.

    A failed run, which has no metric, joins its fellows.
    """
    data = [canonical_json(list(key)) for key in zip(*(runs[n] for n in DATA), strict=True)]
    known: dict[str, str] = {}
    for key, metric in zip(data, runs["metric"], strict=True):
        if metric is not None:
            known[key] = min(known.get(key, metric), metric)
    return [
        json.dumps([key, metric if metric is not None else known.get(key, "")])
        for key, metric in zip(data, runs["metric"], strict=True)
    ]


# ------------------------------------------------------------------------------------- reading


def _chosen(
    store: RecordStore, check: bool | Container[str], sound: Container[str]
) -> tuple[list[Stored], list[Problem]]:
    """Return the runs of a store, one an identity, and what is wrong with the others."""
    chosen: dict[str, Stored] = {}
    problems = store.problems()
    entries = store.stored()
    order = {entry.identity: i for i, entry in reversed(list(enumerate(entries)))}
    for entry in sorted(entries, key=lambda e: bool(e.content["status"] == "failed")):
        known = chosen.get(entry.identity)
        looked = check if isinstance(check, bool) else entry.content["model"]["id"] in check
        reason = entry.damage() if looked and _seal(entry.content) not in sound else ""
        if reason:
            what = f"damaged, and so in no table: {reason}; {MEND}"
            problems.append(Problem(entry.path, what, entry.record))
        elif known is not None:
            what = f"the same run as {known.path.name}, which is in the tables"
            problems.append(Problem(entry.path, what))
        else:
            chosen[entry.identity] = entry
    return sorted(chosen.values(), key=lambda entry: order[entry.identity]), problems
