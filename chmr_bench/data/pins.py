"""Files that nobody publishes a hash of: pinned by the hash they had when they were first read.

Beside ``NAME`` lies ``NAME.sha256``, one line as ``sha256sum`` writes it.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from chmr_bench.data.fetch import file_sha256
from chmr_bench.errors import DataError

SUFFIX = ".sha256"


def pinned_files(folder: Path) -> list[Path]:
    """Return the files of a folder, those below it too, without the pins; in the order of names."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != SUFFIX)


def check(folder: Path) -> None:
    """Hold the files of a folder against their pins; a file without a pin passes.

    Raises
    ------
    DataError
        A file cannot be read, or is not what it was; says what to do.
    """
    for file in pinned_files(folder):
        pin = _pin_of(file)
        if not pin.is_file():
            continue
        try:
            expected, actual = _pinned(pin), file_sha256(file)
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error
        if actual != expected:
            raise DataError(
                f"{file} is not the file it was when it was first read: sha256 {actual[:16]}..., "
                f"expected {expected[:16]}... as in {pin.name}. Remove {file} and {pin.name} to "
                f"fetch it again; or {pin.name} alone, if you changed the file on purpose"
            )


def pin(folder: Path) -> None:
    """Write the pin of every file of a folder that has none; a read-only folder stays as it is."""
    for file in pinned_files(folder):
        target = _pin_of(file)
        if target.exists():
            continue
        fresh = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{SUFFIX}")
        with contextlib.suppress(OSError):
            fresh.write_text(f"{file_sha256(file)}  {file.name}\n", encoding="utf-8")
            fresh.replace(target)


def _pin_of(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


def _pinned(pin: Path) -> str:
    words = pin.read_text(encoding="utf-8", errors="replace").split()
    return words[0].lower() if words else "(the pin is empty)"
