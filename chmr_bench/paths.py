"""Where chmr-bench keeps what it can make or fetch again."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)


def home() -> Path:
    """Return the cache folder: ``CHMR_BENCH_HOME``, else the platform's cache folder."""
    override = os.environ.get("CHMR_BENCH_HOME", "")
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("chmr-bench", appauthor=False))


def data_folder() -> Path:
    """Return the folder of fetched source files, laid out as their mirror paths."""
    return home() / "data"


def feature_folder() -> Path:
    """Return the folder of computed features."""
    return home() / "features"


def neighbour_folder() -> Path:
    """Return the folder of the nearest molecules of atlases, by content."""
    return home() / "neighbours"


_embeddings: Path | None = None
"""In place of the user's own, inside `embeddings_below`."""


def embedding_folder() -> Path:
    """Return the folder of what frozen encoders make of molecules, one folder an encoder inside."""
    return _embeddings or home() / "embeddings"


@contextlib.contextmanager
def embeddings_below(folder: Path) -> Iterator[None]:
    """Keep and look for embeddings in this folder, in this process, inside the block."""
    global _embeddings
    before, _embeddings = _embeddings, folder
    try:
        yield
    finally:
        _embeddings = before


def log_folder() -> Path:
    """Return the folder of what failed jobs said."""
    return home() / "logs"


def weights_folder() -> Path:
    """Return the folder of pretrained weights, one folder a plugin inside."""
    return home() / "weights"


def split_folder() -> Path:
    """Return the folder of pinned splits, by digest."""
    return home() / "splits"


def keep(file: Path, text: str) -> None:
    """Write what can be computed again, whole or not at all; a file that cannot be is no error."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode())
    except OSError as error:
        log.warning("%s cannot be kept: %s", file, error)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; OSError where it cannot be written."""
    with written_whole(file) as stream:
        stream.write(content)


@contextlib.contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """Open a file beside its place for writing; at the end of the block it is put there.

    No reader ever sees half of it, after a loss of power neither, and of two writers at once the
    last one's stays. It has the permissions that any new file gets.
    """
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        with fresh.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


@contextlib.contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock file `path` inside the block; it is gone afterwards.

    Parameters
    ----------
    timeout : float
        Seconds to wait where another process holds it; below 0 for ever.

    Raises
    ------
    filelock.Timeout
        It is still held.
    OSError
        The file cannot be made.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    lock.acquire(timeout=timeout)
    try:
        yield
    finally:
        # What it guards is in its place by now: whoever waits for the old file, or makes a new one,
        # looks there and finds it. Where an open file cannot be removed (Windows, some network
        # shares) it stays, and does no harm.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises
    ------
    OSError
        It cannot be read, or is no file: reading a pipe might never end.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, no file", str(path))
    return path.read_bytes()


def is_utf8(text: str) -> bool:
    r"""Return whether a path or word can be written down; bytes of another encoding cannot.

    Examples
    --------
    >>> is_utf8("caf\u00e9"), is_utf8("caf\udce9")
    (True, False)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
