"""Temporary folders that no reader sees, distinguished from those of dead processes."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Make a folder that no reader sees, and remove what is left of it."""
    temporary = folder / temporary_name()
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def discard(path: Path, folder: Path) -> None:
    """Remove a file or folder in one step, as readers see it, and its parents if they are empty."""
    gone = folder / temporary_name()
    path.rename(gone)
    if gone.is_dir():
        shutil.rmtree(gone, ignore_errors=True)
    else:
        gone.unlink(missing_ok=True)


def remove_empty(folder: Path, depth: int) -> None:
    """Remove the empty folders below a folder, and itself where it is empty then."""
    if not folder.is_dir():
        return
    if depth:
        for inner in folder.iterdir():
            remove_empty(inner, depth - 1)
    try:
        folder.rmdir()
    except OSError:  # something is in it, or it is no folder
        return


def clear_stale(folder: Path) -> None:
    """Remove what killed runs on this machine left behind."""
    for path in folder.iterdir():
        if _is_stale(path.name):
            shutil.rmtree(path, ignore_errors=True)


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, hidden names left out; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def temporary_name() -> str:
    """Return a name that says which process of which machine owns the folder."""
    return f"{_host()}~{os.getpid()}~{_started(os.getpid())}~{secrets.token_hex(4)}"


def _is_stale(name: str) -> bool:
    """Return whether the owner is a process of this machine that runs no more."""
    parts = name.split("~")
    if len(parts) != 4 or not parts[1].isdigit():
        return True
    host, process, started = parts[0], int(parts[1]), parts[2]
    return host == _host() and _started(process) != started


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())


def _started(process: int) -> str:
    """Return when a process started, "" where there is none: ids are used again, times are not."""
    import psutil

    try:
        return str(int(psutil.Process(process).create_time()))
    except psutil.Error:
        return ""
