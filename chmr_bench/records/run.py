"""A stored run: what every form of storage gives, and the names a run goes by."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from chmr_bench.errors import RecordError
from chmr_bench.records.arrays import SCORES, ArrayFile, Arrays
from chmr_bench.records.predictions import Predictions, replicates_digest
from chmr_bench.records.schema import PredictionsInfo, Record
from chmr_bench.records.seal import is_sealed, seal, sha256
from chmr_bench.statistics.resampling import N_REPLICATES
from chmr_bench.types import FloatArray

Model = TypeVar("Model", bound=BaseModel)

Kind = Literal["loose", "packed", "version 1"]
LOOSE = "loose"
"""Folder of the runs that are not packed."""
COLUMNS = ("task", "n", "n_minority")
"""Fields of a task that every run on the same test rows shares."""
IDENTITY_LENGTH = 12
"""Characters of the identity in a name."""
NAME_LENGTH = 80
"""Characters of a folder's name; most file systems take 255 bytes."""


@dataclass(frozen=True)
class Problem:
    """Something in the store that is not a run, or one that is damaged.

    Attributes
    ----------
    record
        what is damaged; None = no record, or none that is.
    """

    path: Path
    reason: str
    record: Record | None = None


@dataclass(frozen=True)
class RunContents:
    """All of a run, to be stored elsewhere.

    Attributes
    ----------
    content
        the record as JSON, sealed, with the scores of the tasks.
    arrays
        None for a failed run, and where the numbers are lost.
    """

    content: dict[str, Any]
    arrays: Arrays | None
    log: str


class Stored(ABC):
    """A run in a store.

    Attributes
    ----------
    path
        its folder, or the file of lines that it stands in.
    content
        the record as JSON; in a packed run the list of tasks is shortened.
    numbers
        the file with its predictions and replicates.
    """

    kind: Kind

    def __init__(self, path: Path, content: dict[str, Any], numbers: ArrayFile) -> None:
        self.path, self.content, self.numbers = path, content, numbers

    @property
    def identity(self) -> str:
        """Return the run's identity."""
        return str(self.content["identity"])

    @cached_property
    def sealed(self) -> bool:
        """Return whether the record is as it was when it was sealed."""
        return is_sealed(self.content)

    @cached_property
    def record(self) -> Record:
        """Return the record; RecordError says what is wrong with it."""
        return validated(self.full_content(), Record)

    def full_content(self) -> dict[str, Any]:
        """Return the record as JSON with the scores of the tasks."""
        return self.content

    def predictions(self) -> Predictions:
        """Return the predictions; RecordError where they are missing or damaged."""
        info = self._info()
        if info is None:
            raise RecordError(f"{self.path}: a failed run has no predictions")
        return self.numbers.predictions(self.identity, info.dtype)

    def replicates(self) -> FloatArray:
        """Return the (1000,) replicates; RecordError where they are missing or damaged."""
        info = self._info()
        values = self.numbers.results(self.identity)[0]
        dtype = "float64" if info is None else info.replicates_dtype
        return checked_replicates(values.astype(dtype), self.numbers.path)

    @abstractmethod
    def log(self) -> str:
        """Return what the run logged, "" where that is lost."""

    def damage(self) -> str:
        """Return what is missing or damaged of a good run's numbers, "" where nothing."""
        if self.content["status"] == "failed":
            return ""
        try:
            info = self._info()
            if info is None or not self.content["metrics"]:
                return "status is ok, but there are no metrics, or no predictions"
            return self._damage(info)
        except RecordError as error:
            return str(error).replace(f"{self.path.parent}/", "").replace(f"{self.path.name}/", "")

    def _info(self) -> PredictionsInfo | None:
        info = self.content["predictions"]
        return None if info is None else validated(info, PredictionsInfo)

    def _damage(self, info: PredictionsInfo) -> str:
        if self.predictions().digest() != info.values_sha256:
            return f"{self.numbers.path.name}: the predictions are not those on record"
        if replicates_digest(self.replicates()) != info.replicates_sha256:
            return f"{self.numbers.path.name}: the bootstrap replicates are not those on record"
        return ""


def sealed(content: dict[str, Any], arrays: Arrays | None) -> dict[str, Any]:
    """Return the record of a run with the hashes of its numbers, of this version, and sealed.

    The hash of a file of version 1 stays in it.
    """
    summary = content["predictions"]
    if arrays is not None:
        predictions, valid = arrays.predictions, arrays.predictions.valid
        summary = {
            "dtype": str(predictions.values.dtype),
            "n_rows": len(predictions.rows),
            "n_valid": 0 if valid is None else len(valid.rows),
            "cells": predictions.cells,
            "values_sha256": predictions.digest(),
            "replicates_dtype": str(arrays.replicates.dtype),
            "replicates_sha256": replicates_digest(arrays.replicates),
            "sha256": summary["sha256"] if summary else None,
        }
    content = {**as_text(content), "schema_version": "2", "predictions": summary}
    return {**content, "seal": seal(content)}


def as_text(value: Any) -> Any:
    """Return a value of which every text is UTF-8; half a character becomes ``\\udcff``."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {as_text(name): as_text(inner) for name, inner in value.items()}
    return [as_text(inner) for inner in value] if isinstance(value, list) else value


def validated(content: Any, kind: type[Model]) -> Model:
    """Return the record, or part, of a JSON object; RecordError names the first wrong field."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(f"{where}: {first['msg']}".splitlines()[0]) from error


def checked_replicates(values: Any, path: Path) -> FloatArray:
    """Return (1000,) replicates; RecordError where they are something else."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        raise RecordError(f"{path}: expected {N_REPLICATES} floating-point numbers")
    if values.shape != (N_REPLICATES,):
        raise RecordError(
            f"{path}: its shape is {values.shape}, expected {N_REPLICATES} floating-point numbers"
        )
    return values


# ------------------------------------------------------------------------------ scores of the tasks


def without_tasks(content: Mapping[str, Any]) -> tuple[dict[str, Any], FloatArray]:
    """Return a record without the scores of its tasks, and these, (t, 3); NaN = none.

    What it says of its tasks besides becomes a column a field, which other seeds share.
    """
    metrics = content["metrics"]
    if metrics is None or isinstance(metrics["per_task"], Mapping):
        return dict(content), np.zeros((0, 3))
    tasks = metrics["per_task"]
    scores = np.array([[task[name] for name in SCORES] for task in tasks], dtype=np.float64)
    columns: dict[str, Any] = {name: [task[name] for task in tasks] for name in COLUMNS}
    columns["evaluable"] = [int(task["evaluable"]) for task in tasks]
    columns["reason"] = {str(i): task["reason"] for i, task in enumerate(tasks) if task["reason"]}
    short = {"sha256": sha256(tasks), "tasks": columns}
    return {**content, "metrics": {**metrics, "per_task": short}}, scores.reshape(-1, 3)


def check_columns(content: Mapping[str, Any]) -> None:
    """Raise RecordError where the shortened list of tasks is not as it was written."""
    if content["metrics"] is None:
        return
    columns = content["metrics"]["per_task"]["tasks"]
    kinds: dict[str, set[type]] = {"task": {str}, "n": {int}, "evaluable": {int}}
    kinds["n_minority"] = {int, type(None)}
    n = len(columns["task"])
    for name, kind in kinds.items():
        if len(columns[name]) != n or not set(map(type, columns[name])) <= kind:
            raise RecordError(f"is no record: metrics.per_task.{name} is not as it was written")


def with_tasks(content: Mapping[str, Any], scores: FloatArray | None) -> dict[str, Any]:
    """Return the record that `without_tasks` was given; without scores where they are lost."""
    metrics = content["metrics"]
    if metrics is None:
        return dict(content)
    try:
        tasks = _tasks(metrics["per_task"]["tasks"], scores)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise RecordError("is no record: metrics.per_task is not as it was written") from error
    return {**content, "metrics": {**metrics, "per_task": tasks}}


def _tasks(columns: Mapping[str, Any], scores: FloatArray | None) -> list[dict[str, Any]]:
    if scores is None:
        scores = np.full((len(columns["task"]), 3), np.nan)
    rows = [[None if value != value else value for value in row] for row in scores.tolist()]
    return [
        {
            "task": columns["task"][i],
            **dict(zip(SCORES, row, strict=True)),
            "n": columns["n"][i],
            "n_minority": columns["n_minority"][i],
            "evaluable": bool(columns["evaluable"][i]),
            "reason": columns["reason"].get(str(i), ""),
        }
        for i, row in zip(range(len(columns["task"])), rows, strict=True)
    ]


# -------------------------------------------------------------------------------------------- names


def run_name(content: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what a run is called: dataset, model, and split with seed and identity."""
    split, seed = content["split"], content["seed"]
    method = split["name"] if split["seed"] is None else f"{split['name']}{split['seed']}"
    of_seed = "once" if seed is None else f"s{seed}"
    name = f"{file_name(method)}-{of_seed}-{content['identity'][:IDENTITY_LENGTH]}"
    return file_name(content["dataset"]["name"]), file_name(content["model"]["id"]), name


def board_name(content: Mapping[str, Any]) -> str:
    """Return the folder of a run's board: its split method; runs with masked cells stand apart."""
    method = file_name(content["split"]["name"])
    method = f"{method}-split" if method == LOOSE else method
    return f"{method}-masked" if content.get("missing") is not None else method


@cache
def file_name(name: str) -> str:
    """Return a name that is one folder on every platform; a long one ends in its hash."""
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-") or "unnamed"
    if len(plain) <= NAME_LENGTH:
        return plain
    end = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{plain[: NAME_LENGTH - 9]}-{end}"
