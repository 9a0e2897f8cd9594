"""CHMR's own zip: opened with a hash that the user gives, from a local server or a mirror."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.cells import plugin
from chmr_bench.cells.plugin import CHMR_PRETRAIN, PRETRAIN_VARIABLE, chmr_bench_atlases
from chmr_bench.cells.sources import digest, open_atlas
from chmr_bench.contracts import AtlasSpec
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import DataError, FetchError, UsageError


def folder_zip(**more: bytes) -> bytes:
    """Return a zip of a folder's layout."""
    matrix, content = io.BytesIO(), io.BytesIO()
    np.savez(matrix, data=np.array([[1.0, 2.0], [3.0, 4.0]]))
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("pretrain/index.csv.gz", gzip.compress(b"smiles\nCCO\nCCN\n"))
        archive.writestr("pretrain/CP-JUMP_feature.npz", matrix.getvalue())
        for name, data in more.items():
            archive.writestr(name, data)
    return content.getvalue()


def pinned(content: bytes, monkeypatch: pytest.MonkeyPatch) -> AtlasSpec:
    """Return the spec, as registered where the user names these bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setenv(PRETRAIN_VARIABLE, f"{sha256}:{len(content)}")
    (spec,) = (s for s in chmr_bench_atlases() if s.name == CHMR_PRETRAIN.name)
    return spec


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder on this machine."""
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_it_opens_from_its_address(
    server: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder_zip(README=b"hello")
    (tmp_path / "pretrain.zip").write_bytes(content)
    monkeypatch.setattr(plugin, "PRETRAIN_ADDRESS", f"{server}/pretrain.zip")
    spec = pinned(content, monkeypatch)
    atlas = open_atlas(spec, FetchOptions())
    assert atlas.smiles == ("CCO", "CCN")
    assert atlas.blocks["morphology"].values.tolist() == [[1, 2], [3, 4]]
    again = open_atlas(spec, FetchOptions(offline=True))
    assert again.digest() == atlas.digest()
    assert not [path for path in (home / "data").rglob("*") if path.is_dir() and "tmp" in path.name]


def test_infoaligns_layout_opens(
    hub: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chmr_bench.cells.plugin import INFOALIGN

    theirs = open_atlas(INFOALIGN, FetchOptions())
    files = sorted((home / "data" / "infoalign").glob("*.*z"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in [*files, *(home / "data" / "infoalign").glob("*.csv")]:
            archive.writestr(f"data/raw/{path.name}", path.read_bytes())
    spec = pinned(content.getvalue(), monkeypatch)
    (tmp_path / "cells" / "chmr").mkdir(parents=True)
    (tmp_path / "cells" / "chmr" / "pretrain.zip").write_bytes(content.getvalue())
    atlas = open_atlas(spec, FetchOptions(mirror=str(tmp_path)))
    assert atlas.smiles == theirs.smiles
    assert atlas.digest() == theirs.digest()


def test_other_bytes_are_refused(
    server: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pretrain.zip").write_bytes(folder_zip())
    monkeypatch.setattr(plugin, "PRETRAIN_ADDRESS", f"{server}/pretrain.zip")
    spec = pinned(folder_zip(other=b"x"), monkeypatch)
    with pytest.raises(FetchError, match=r"pretrain\.zip"):
        open_atlas(spec, FetchOptions(attempts=1))


@pytest.mark.parametrize("said", ["", "abc", "0" * 64])
def test_without_a_hash_it_says_what_to_give(
    said: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PRETRAIN_VARIABLE, said)
    (spec,) = (s for s in chmr_bench_atlases() if s.name == CHMR_PRETRAIN.name)
    assert spec.sources == ()
    with pytest.raises(UsageError, match=f"{PRETRAIN_VARIABLE}=SHA256:BYTES"):
        open_atlas(spec, FetchOptions())


def test_another_hash_is_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [pinned(folder_zip(), monkeypatch), pinned(folder_zip(a=b"b"), monkeypatch)]
    assert len({digest([spec]) for spec in [*specs, replace(CHMR_PRETRAIN)]}) == 3


def test_a_zip_of_neither_layout_and_no_zip(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("../../evil_feature.npz", b"x")
    (tmp_path / "cells" / "chmr").mkdir(parents=True)
    for content, message in ((empty.getvalue(), "holds neither"), (b"no zip", "cannot be read")):
        (tmp_path / "cells" / "chmr" / "pretrain.zip").write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_atlas(pinned(content, monkeypatch), FetchOptions(mirror=str(tmp_path)))
    assert not list(tmp_path.parent.glob("evil*"))
