"""Bring pinned source files into the cache: from their address or a mirror, never unverified.

pooch downloads a file beside its place under another name; it is hashed, and only then renamed into
place; one lock a file keeps two processes apart. What is in the cache is hashed again each time it
is opened (the files are a few MB), so a file cut short on disk is noticed and replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from chmr_bench import paths
from chmr_bench.contracts import (
    AtlasSpec,
    DatasetSpec,
    Progress,
    SourceFile,
    no_progress,
)
from chmr_bench.data.downloads import CHUNK, DownloadError, taking, within
from chmr_bench.errors import FetchError, PluginError, UsageError

MIRROR_VARIABLE = "CHMR_BENCH_MIRROR"
LOCK_TIMEOUT = 600.0
"""Seconds to wait for another process that is fetching the same file."""
SLOWEST = 20_000
"""Bytes a second below which a server counts as one that never ends."""

State = Literal["missing", "ok", "damaged"]


@dataclass(frozen=True)
class FetchOptions:
    """Where files may come from.

    Attributes
    ----------
    mirror : str or None
        A folder or an ``http(s)://`` address with the layout of `SourceFile.path`; where one is
        named, nothing is asked of the public addresses. None = the public addresses.
    offline : bool
        Use no network; the cache and a mirror folder still serve.
    timeout : float
        Seconds without a byte after which a connection counts as dead.
    attempts : int
        How often a download is tried where another try can help.
    pause : float
        Seconds before the second try; doubled before each further one.
    limit : float
        Seconds that a file may take in all, beside those it needs at `SLOWEST`.
    load_limit : float or None
        Seconds that another's `load` or split rule may take; None = `foreign.LONG_SECONDS`.
    """

    mirror: str | None = None
    offline: bool = False
    timeout: float = 30.0
    attempts: int = 3
    pause: float = 0.5
    limit: float = 60.0
    load_limit: float | None = None

    @property
    def mirror_folder(self) -> Path | None:
        """The mirror where it is a folder, named by its path or as ``file://``; else None."""
        mirror = self.mirror or ""
        if mirror.startswith("file://"):
            mirror = unquote(urlsplit(mirror).path)
        return Path(mirror).expanduser() if mirror and "://" not in mirror else None


@dataclass(frozen=True)
class FileState:
    """What the cache holds of one source file; `detail` says what is wrong."""

    path: Path
    state: State
    detail: str = ""


def options_from_env(mirror: str | None = None, offline: bool = False) -> FetchOptions:
    """Return the options of a command line, ``CHMR_BENCH_MIRROR`` standing in for `mirror`.

    Raises
    ------
    UsageError
        The mirror is an address of a kind that cannot be read.
    """
    named = mirror or os.environ.get(MIRROR_VARIABLE, "") or None
    if named and "://" in named and urlsplit(named).scheme not in {"http", "https", "file"}:
        raise UsageError(f"mirror {named!r}: expected a folder or an http(s):// address")
    return FetchOptions(mirror=named, offline=offline)


@dataclass(frozen=True)
class SourceFiles:
    """What a spec's loader calls for its files (`LoadFiles`); each is fetched when asked for.

    Attributes
    ----------
    options, progress : FetchOptions, Progress
        For a loader that fetches by itself, as from a hub.
    """

    spec: DatasetSpec | AtlasSpec
    options: FetchOptions
    progress: Progress = no_progress

    def __call__(self, path: str) -> Path:
        """Return the local file of a mirror path.

        Raises
        ------
        FetchError
            It cannot be had, or is not the pinned one.
        PluginError
            The spec has no such source file.
        """
        sources = {source.path: source for source in self.spec.sources}
        if path not in sources:
            kind = "atlas" if isinstance(self.spec, AtlasSpec) else "dataset"
            raise PluginError(
                f"{kind} {self.spec.name!r} asks for the file {path!r}, which is not among its "
                f"sources {sorted(sources)}"
            )
        return fetch_file(sources[path], self.options, self.progress)


def fetch_file(source: SourceFile, options: FetchOptions, progress: Progress = no_progress) -> Path:
    """Return the local, verified path of a pinned file; fetch it where the cache has no good copy.

    Raises
    ------
    FetchError
        It cannot be had, or what came is not the pinned file. Nothing is left behind.
    """
    file = state_of(source)
    if file.state == "ok":
        return file.path
    origin = _origin(source, options, file)
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.path.with_name(file.path.name + ".lock"), source.path):
            # Another process may have fetched it while this one waited.
            if state_of(source).state != "ok":
                _bring(source, origin, file.path, options, progress)
    except OSError as error:
        raise FetchError(
            f"{source.path}: the cache {paths.data_folder()} cannot be written: {error}. "
            "Free some room, or name another folder with CHMR_BENCH_HOME."
        ) from error
    return file.path


def state_of(source: SourceFile) -> FileState:
    """Return whether the cache holds the file, by its full hash."""
    path = _target(source)
    try:
        n_bytes = path.stat().st_size
        detail = "" if file_sha256(path) == source.sha256 else _difference(path, n_bytes, source)
    except FileNotFoundError:
        return FileState(path, "missing")
    except OSError as error:
        return FileState(path, "damaged", f"cannot be read: {error}")
    return FileState(path, "damaged" if detail else "ok", detail)


# ------------------------------------------------------------------------------------ the one file


def _target(source: SourceFile) -> Path:
    parts = PurePosixPath(source.path)
    if not source.path or parts.is_absolute() or ".." in parts.parts:
        raise PluginError(f"source path {source.path!r}: expected a relative path without '..'")
    return paths.data_folder() / parts


def _origin(source: SourceFile, options: FetchOptions, file: FileState) -> Path | str:
    """Return the folder's file or the address to fetch from; FetchError where there is none."""
    folder, mirror = options.mirror_folder, options.mirror
    if folder is not None:
        return folder / source.path
    if options.offline:
        held = "missing" if file.state == "missing" else f"damaged ({file.detail})"
        raise FetchError(
            f"{source.path}: {held} in the cache {paths.data_folder()}, and --offline forbids "
            f"fetching it. {_ways_out(options)}"
        )
    if mirror:
        return f"{mirror.rstrip('/')}/{quote(source.path)}"
    if not source.address:
        raise FetchError(f"{source.path}: has no public address. {_ways_out(options)}")
    return source.address


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` inside the block; it is gone afterwards.

    Raises
    ------
    FetchError
        Another process has held it for too long.
    """
    import filelock

    try:
        with paths.locked(path, LOCK_TIMEOUT):
            yield
    except filelock.Timeout as error:
        raise FetchError(
            f"{what}: another process has been fetching it for over {LOCK_TIMEOUT:.0f} s; end that "
            "process, then try again"
        ) from error


def _bring(
    source: SourceFile,
    origin: Path | str,
    target: Path,
    options: FetchOptions,
    progress: Progress,
) -> None:
    """Fetch into ``NAME.part``, verify, rename into place; remove the part whatever happens."""
    part = target.with_name(target.name + ".part")
    seconds = options.limit + source.n_bytes / SLOWEST
    end = time.monotonic() + seconds

    def watch() -> None:
        n_bytes = part.stat().st_size if part.exists() else 0
        progress(min(n_bytes, source.n_bytes), source.n_bytes, "bytes")
        if n_bytes > source.n_bytes + CHUNK:
            raise DownloadError(_difference(part, n_bytes, source))

    try:
        for attempt in range(1, options.attempts + 1):
            try:
                with taking(origin, part, source.n_bytes, options.timeout) as take:
                    within(end - time.monotonic(), take, watch)
                _verify(part, source)
                break
            except (DownloadError, TimeoutError) as failure:
                if attempt == options.attempts or not getattr(failure, "again", False):
                    tries = f" (tried {attempt} times)" if attempt > 1 else ""
                    late = isinstance(failure, TimeoutError)
                    what = f"not done within {seconds:.0f} s" if late else str(failure).rstrip(".")
                    raise FetchError(
                        f"{source.path} from {origin}: {what}{tries}. {_ways_out(options)}"
                    ) from failure
            time.sleep(options.pause * 2 ** (attempt - 1))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _verify(part: Path, source: SourceFile) -> None:
    """Raise DownloadError where what came is not the pinned file."""
    if file_sha256(part) != source.sha256:
        n_bytes = part.stat().st_size
        # Too short may be a broken connection or a passing error page; the rest stays as it is.
        raise DownloadError(_difference(part, n_bytes, source), again=0 < n_bytes < source.n_bytes)


def _difference(path: Path, n_bytes: int, source: SourceFile) -> str:
    """Say how the file differs from the pinned one."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    expected = f"{source.n_bytes} bytes with sha256 {source.sha256[:16]}..."
    if not n_bytes:
        return f"an empty file in place of {expected}"
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")):
        return f"a web page (HTML, {n_bytes} bytes) in place of the data: {expected}"
    if head.startswith(b"version https://git-lfs"):
        return f"a Git LFS pointer in place of the data: {expected}"
    if n_bytes < source.n_bytes:
        return f"only {n_bytes} of {source.n_bytes} bytes"
    if n_bytes > source.n_bytes:
        return f"more than {source.n_bytes} bytes: not the pinned file"
    return f"the wrong content: sha256 {file_sha256(path)[:16]}... in place of {expected}"


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ways_out(options: FetchOptions) -> str:
    mirror = "another " if options.mirror else "a "
    return (
        f"Ways out: --mirror FOLDER_OR_URL (or {MIRROR_VARIABLE}), {mirror}copy of the data in the "
        f"same layout; --offline once the cache {paths.data_folder()} is filled; or --suite demo, "
        "which needs no file at all."
    )
