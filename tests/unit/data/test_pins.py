"""Files are held against the hash they had when they were first read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chmr_bench.data import pins
from chmr_bench.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two files, one of them deeper."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "deep" / "b.csv").write_text("y\n2\n")
    return tmp_path


def test_a_pin_is_a_line_of_sha256sum(folder: Path) -> None:
    pins.pin(folder)
    digest = hashlib.sha256(b"x\n1\n").hexdigest()
    assert (folder / "a.csv.sha256").read_text() == f"{digest}  a.csv\n"
    assert [p.name for p in pins.pinned_files(folder)] == ["a.csv", "b.csv"]
    assert len(list(folder.rglob("*.sha256"))) == 2
    pins.check(folder)


@pytest.mark.parametrize("name", ["a.csv", "deep/b.csv", "a.csv.sha256"])
@pytest.mark.parametrize("content", [b"", b"z\n1\n", b"\xff\x00"])
def test_a_changed_file_or_pin_is_an_error_with_a_way_out(
    folder: Path, name: str, content: bytes
) -> None:
    pins.pin(folder)
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=r"\.csv is not the file it was.*Remove"):
        pins.check(folder)
    pins.pin(folder)  # an old pin is never overwritten
    with pytest.raises(DataError):
        pins.check(folder)


def test_a_file_without_a_pin_passes_and_no_folder_is_empty(folder: Path) -> None:
    pins.check(folder)
    pins.check(folder / "nowhere")
    assert pins.pinned_files(folder / "nowhere") == []


def test_a_file_that_cannot_be_opened_is_a_data_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins.pin(folder)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.csv.*cannot be read: Permission denied"):
        pins.check(folder)


def test_a_folder_that_cannot_be_written_serves_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(Path, "write_text", refuse)
    pins.pin(folder)
    assert not list(folder.rglob("*.sha256"))
    pins.check(folder)
