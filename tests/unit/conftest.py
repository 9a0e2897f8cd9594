"""Made-up results for the tests of tables, and a hub: all in temporary folders alone."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import unquote

import numpy as np
import pytest

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.metrics import METRICS
from chmr_bench.records import Predictions, Record, RecordStore
from chmr_bench.records.audited import AuditFile, CleanScore
from chmr_bench.runner import RunOptions
from chmr_bench.sweep import Session
from chmr_bench.types import FloatArray

N_REPLICATES = 1000
TINY = Path(__file__).resolve().parents[1] / "fixtures" / "tiny"


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
        drawn: tuple[str, int] | None = None,
        **changes: Any,
    ) -> Record:
        """Store one run; `changes` are laid over the record, nested by ``__``.

        `drawn` is the method and seed of a split, which has a digest of its own.
        """
        content = _content(model, dataset, seed, metric, n_tasks)
        if drawn is not None:
            digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
            content["split"] |= {"name": drawn[0], "seed": drawn[1], "digest": digest}
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


@pytest.fixture
def session() -> Session:
    """What the jobs of a sweep share, without network."""
    return Session(RunOptions(FetchOptions(offline=True)))


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's HTTP as is used, for one repository.

    `.npz` and `.pt` files are kept as large files, others as blobs.
    """

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository: ClassVar[str] = ""
    kind: ClassVar[str] = "dataset"
    files: ClassVar[dict[str, bytes]] = {}
    told: ClassVar[dict[str, bytes]] = {}
    """What the hashes are told of, where that is not what is sent."""
    requests: ClassVar[Counter[str]] = Counter()
    protocol_version = "HTTP/1.1"

    @classmethod
    def serve(cls, kind: str, repository: str, files: dict[str, bytes]) -> None:
        """Serve these files as one repository of that kind."""
        cls.kind, cls.repository, cls.files, cls.told = kind, repository, files, {}
        cls.requests.clear()

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/{Hub.kind}s/{Hub.repository}/revision/"):
            Hub.requests["revision"] += 1
            known = self.path.rsplit("/", 1)[1] in ("main", Hub.commit)
            told = {"id": Hub.repository, "sha": Hub.commit, "siblings": [], "tags": []}
            return self.answer(json.dumps(told).encode() if known else b"{}", 200 if known else 404)
        return self.send_file(with_content=True)

    def do_HEAD(self) -> None:
        self.send_file(with_content=False)

    def do_POST(self) -> None:
        Hub.requests["paths"] += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = json.loads(body) if body.startswith("{") else {"paths": list(Hub.files)}
        found = [self.describe(name) for name in asked["paths"] if name in Hub.files]
        self.answer(json.dumps(found).encode())

    def describe(self, name: str) -> dict[str, object]:
        content = Hub.told.get(name, Hub.files[name])
        entry: dict[str, object] = {
            "type": "file",
            "path": name,
            "size": len(content),
            "oid": hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest(),
        }
        if name.endswith((".npz", ".pt")):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return entry

    def send_file(self, with_content: bool) -> None:
        kind = "" if Hub.kind == "model" else f"/{Hub.kind}s"
        start = f"{kind}/{Hub.repository}/resolve/{Hub.commit}/"
        name = unquote(self.path.removeprefix(start))
        if not self.path.startswith(start) or name not in Hub.files:
            return self.answer(b"", 404)
        if with_content:
            Hub.requests[name] += 1
        content = Hub.files[name]
        etag = hashlib.sha256(content).hexdigest()
        self.send_response(200)
        self.send_header("X-Repo-Commit", Hub.commit)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_content:
            self.wfile.write(content)
        return None

    def answer(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 404:
            self.send_header("X-Error-Code", "RevisionNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def hub_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine that serves nothing yet; the cache of the test is empty."""
    Hub.serve("dataset", "", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    yield Hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module of the tiny atlas."""
    sys.path.insert(0, str(TINY))
    try:
        import tiny_atlas
    finally:
        sys.path.remove(str(TINY))
    return tiny_atlas
