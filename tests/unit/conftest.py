"""Made-up results for the tests of tables: never written anywhere but into a temporary folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.metrics import METRICS
from chmr_bench.records import Predictions, Record, RecordStore
from chmr_bench.records.audited import AuditFile, CleanScore
from chmr_bench.types import FloatArray

N_REPLICATES = 1000


class Results:
    """Writes made-up records into a store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = RecordStore(root)

    def add(
        self,
        model: str,
        dataset: str,
        score: float | None = 0.7,
        *,
        seed: int | None = 0,
        half: float = 0.02,
        error: str = "",
        metric: str = "roc_auc",
        n_tasks: int = 3,
        not_evaluable: int = 0,
        predicted: float = 0.5,
        **changes: Any,
    ) -> Record:
        """Store one run; `changes` are laid over the record, nested by ``__``."""
        content = _content(model, dataset, seed, metric, n_tasks)
        if error:
            content["status"] = "failed"
            content["error"] = {"type": "ValueError", "message": error, "phase": "fit"}
        else:
            content["metrics"] = _metrics(metric, score, n_tasks, not_evaluable, half)
        for path, value in changes.items():
            _lay_over(content, path.split("__"), value)
        text = f"{model} {dataset} {seed} {sorted(changes.items(), key=str)} {content['split']}"
        content["identity"] = hashlib.sha256(text.encode()).hexdigest()
        record = Record.model_validate(content)
        self.store.prepare()
        if error:
            return self.store.write(record, log="it failed")
        values = np.full((4, n_tasks), predicted, dtype=np.float16)
        names = tuple(f"task{j}" for j in range(n_tasks))
        rows = np.arange(4, dtype=np.int64)
        replicates = _replicates(score, half, seed)
        return self.store.write(record, Predictions(rows, values, names), replicates)

    def audit(
        self, records: Sequence[Record], scores: Sequence[float | None], **changes: Any
    ) -> AuditFile:
        """Return an audit of runs on one split, with a clean score each; `changes` are fields."""
        first = records[0]
        values: dict[str, Any] = {
            "dataset": first.dataset.name,
            "dataset_digest": first.dataset.digest,
            "split": first.split.name,
            "split_seed": first.split.seed,
            "split_digest": first.split.digest,
            "metric": first.dataset.metric,
            "levels": {},
            "levels_with_valid": {},
            "n_test": 4,
            "n_clean": 3,
            "scores": {
                record.identity: CleanScore(
                    macro=score,
                    low=None,
                    high=None,
                    n_evaluable=2,
                    predictions_sha256=str(record.predictions_sha256),
                )
                for record, score in zip(records, scores, strict=True)
            },
        }
        return AuditFile(**(values | changes))


def _content(
    model: str, dataset: str, seed: int | None, metric: str, n_tasks: int
) -> dict[str, Any]:
    digest = hashlib.sha256(dataset.encode()).hexdigest()
    told = {"id": model, "version": "1", "params": {"n_trees": 10}, "deterministic": seed is None}
    return {
        "identity": "",
        "status": "ok",
        "model": told,
        "plugin": {"name": "fingerprints", "distribution": "chmr-bench", "version": "0.1.0"},
        "dataset": {
            "name": dataset,
            "title": f"The {dataset} set",
            "digest": digest,
            "version": "1",
            "task_type": METRICS[metric].task_type,  # type: ignore[index]
            "metric": metric,
            "n_molecules": 40,
            "n_tasks": n_tasks,
        },
        "split": {
            "name": "reference",
            "digest": digest[::-1],
            "n_train": 3200,
            "n_valid": 400,
            "n_test": 400,
        },
        "seed": seed,
        "timing": {"fit": 2.0, "predict": 0.5, "total": 3.0},
        **_circumstances(),
    }


def _circumstances() -> dict[str, Any]:
    """Return where, with what and when the made-up runs ran."""
    return {
        "resources": {"n_jobs": 2, "device": "cpu", "peak_memory_mb": 300.0},
        "environment": {
            "python": "3.11.9",
            "platform": "Linux",
            "cpu": "A processor",
            "packages": {"numpy": "2.0.0"},
            "commit": "c0ffee" * 6,
            "dirty": False,
        },
        "command": ["chmr-bench", "run"],
        "created": "2025-01-01T00:00:00+00:00",
    }


def _metrics(
    metric: str, score: float | None, n_tasks: int, not_evaluable: int, half: float
) -> dict[str, Any]:
    reason = "" if score is not None else "no label"
    good = [_task(f"task{j}", score, 100, reason) for j in range(n_tasks - not_evaluable)]
    flat = "one class in test (all 0)"
    bad = [_task(f"flat{j}", None, 0, flat) for j in range(not_evaluable)]
    share = None if metric != "roc_auc" or score is None else float(score >= 0.8)
    return {
        "metric": metric,
        "greater_is_better": METRICS[metric].greater_is_better,  # type: ignore[index]
        "macro": score,
        "low": None if score is None else score - half,
        "high": None if score is None else score + half,
        "n_tasks": n_tasks,
        "n_evaluable": len(good) if score is not None else 0,
        "share_080": share,
        "per_task": [*good, *bad],
    }


def _task(name: str, score: float | None, n_minority: int, reason: str) -> dict[str, Any]:
    return {
        "task": name,
        "score": score,
        "low": None,
        "high": None,
        "n": 400,
        "n_minority": n_minority,
        "evaluable": score is not None,
        "reason": reason,
    }


def _replicates(score: float | None, half: float, seed: int | None) -> FloatArray:
    """Return replicates spread evenly around the score, in the same order for every model."""
    if score is None:
        return np.full(N_REPLICATES, np.nan, dtype=np.float32)
    order = np.random.default_rng(7).permutation(N_REPLICATES)
    spread = np.linspace(-half, half, N_REPLICATES)[order]
    return (score + spread + 1e-4 * (seed or 0)).astype(np.float32)


def _lay_over(content: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        content = content[name]
    content[path[-1]] = value


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A store to be filled with made-up runs."""
    return Results(tmp_path / "board")


@pytest.fixture
def results_in() -> Callable[[Path], Results]:
    """Make further stores."""
    return Results
