"""CHMR's own zip: opened with a hash that the user gives."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.cells.plugin import (
    CHMR_PRETRAIN,
    INFOALIGN,
    PRETRAIN_ADDRESS,
    PRETRAIN_VARIABLE,
    chmr_bench_atlases,
)
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


def mirror(content: bytes, folder: Path) -> FetchOptions:
    """Lay a zip into a mirror folder; return what names the folder."""
    path = folder / "cells" / "chmr" / "pretrain.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return FetchOptions(mirror=str(folder))


def test_it_opens_and_stays_in_the_cache(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = folder_zip(README=b"hello")
    spec = pinned(content, monkeypatch)
    assert spec.sources[0].address == PRETRAIN_ADDRESS
    atlas = open_atlas(spec, mirror(content, tmp_path))
    assert atlas.smiles == ("CCO", "CCN")
    assert atlas.blocks["morphology"].values.tolist() == [[1, 2], [3, 4]]
    again = open_atlas(spec, FetchOptions(offline=True))
    assert again.digest() == atlas.digest()
    assert not [path for path in (home / "data").rglob("*") if path.is_dir() and "tmp" in path.name]


def test_infoaligns_layout_opens(
    hub: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = open_atlas(INFOALIGN, FetchOptions())
    files = sorted((home / "data" / "infoalign").glob("*.*z"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in [*files, *(home / "data" / "infoalign").glob("*.csv")]:
            archive.writestr(f"data/raw/{path.name}", path.read_bytes())
    spec = pinned(content.getvalue(), monkeypatch)
    atlas = open_atlas(spec, mirror(content.getvalue(), tmp_path))
    assert atlas.smiles == theirs.smiles
    assert atlas.digest() == theirs.digest()


def test_other_bytes_are_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = pinned(folder_zip(other=b"x"), monkeypatch)
    with pytest.raises(FetchError, match=r"pretrain\.zip"):
        open_atlas(spec, mirror(folder_zip(), tmp_path))


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
    for content, message in ((empty.getvalue(), "holds neither"), (b"no zip", "cannot be read")):
        with pytest.raises(DataError, match=message):
            open_atlas(pinned(content, monkeypatch), mirror(content, tmp_path))
    assert not list(tmp_path.parent.glob("evil*"))
