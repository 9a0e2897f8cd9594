"""A corpus in InfoAlign's layout, and a server that speaks as much of the hub's HTTP as is used."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import numpy as np
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "liuganghuggingface/InfoAlign-Data"
SMILES = ["CCO", "CCN", "CCC", "c1ccccc1", "c1ccccc1O", "not a molecule", "C[C@H](N)O"]


def table(header: str, *rows: str) -> bytes:
    return gzip.compress("\n".join([header, *rows, ""]).encode(), mtime=0)


def matrix(values: list[list[float]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, data=np.array(values, dtype=np.float64))
    return buffer.getvalue()


def corpus() -> dict[str, bytes]:
    """Return seven molecules, and what the published tables have in odd places.

    m1 stands twice among the structures and twice in Bray, m9 has a profile and no structure, gene
    20 acts on no compound, an edge names a gene that nothing perturbed, gene ids come as floats.
    """
    nan = float("nan")
    structures = [f"m{i + 1},{smiles},KEY{i}" for i, smiles in enumerate(SMILES)]
    bray = ["cb1,m1", "cb2,m2", "cb3,m1", "cb4,m9"]
    return {
        "structure.csv.gz": table("mol_id,smiles,inchikey", *structures, "m1,CCO,KEY0"),
        "CP-Bray.csv.gz": table("cell_bid,mol_id", *bray),
        "CP-Bray_feature.npz": matrix([[1, 2], [3, 4], [5, 6], [7, 8]]),
        "CP-JUMP.csv.gz": table("cell_jid,mol_id", "cj1,m3", "cj2,m2"),
        "CP-JUMP_feature.npz": matrix([[0.5, nan, 1.5], [nan, nan, nan]]),
        "GE.csv.gz": table("express_id,mol_id", "e1,m4", "e2,m6"),
        "GE_feature.npz": matrix([[9, 8], [7, 6]]),
        "G-CRISPR.csv.gz": table("ncbi_gene_id,mol_id", "10.0,m1", "10.0,m5", "20.0,"),
        "G-CRISPR_feature.npz": matrix([[1], [1], [2]]),
        "G-ORF.csv.gz": table("ncbi_gene_id,mol_id", "30,", "10,m1"),
        "G-ORF_feature.npz": matrix([[3, 3], [4, 4]]),
        "G-G.csv.gz": table("source_id,target_id", "10,20", "20,10", "30,10", "10,77", "10,10"),
        "L1k_idmaps.csv": b"l1k,ncbi_gene_id\na,20\nb,99\n",
    }


class Hub(BaseHTTPRequestHandler):
    """Answers for one dataset repository; `.npz` files are kept as large files, others as blobs."""

    commit = COMMIT
    table, matrix = staticmethod(table), staticmethod(matrix)
    files: ClassVar[dict[str, bytes]] = {}
    told: ClassVar[dict[str, bytes]] = {}
    """What the hashes are told of, where that is not what is sent."""
    requests: ClassVar[Counter[str]] = Counter()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/datasets/{REPOSITORY}/revision/"):
            Hub.requests["revision"] += 1
            known = self.path.rsplit("/", 1)[1] in ("main", COMMIT)
            told = {"id": REPOSITORY, "sha": COMMIT, "siblings": [], "tags": []}
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
        if name.endswith(".npz"):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return entry

    def send_file(self, with_content: bool) -> None:
        start = f"/datasets/{REPOSITORY}/resolve/{COMMIT}/"
        name = unquote(self.path.removeprefix(start))
        if not self.path.startswith(start) or name not in Hub.files:
            return self.answer(b"", 404)
        if with_content:
            Hub.requests[name] += 1
        content = Hub.files[name]
        etag = hashlib.sha256(content).hexdigest()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
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
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine that serves the corpus; the cache of the test is empty."""
    Hub.files, Hub.told = corpus(), {}
    Hub.requests.clear()
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
