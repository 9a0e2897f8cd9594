"""What a run says while it works, and how a failure is told in a few lines."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import chmr_bench

LOGGER = logging.getLogger("chmr_bench")
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TRACEBACK_FRAMES = 8


@contextmanager
def captured() -> Iterator[io.StringIO]:
    """Collect the log lines of chmr_bench and Python's warnings while the block runs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(LINE))
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield stream
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr what is printed meanwhile, by compiled code and child processes too.

    stdout belongs to the results (``run --json``); a model may print what it likes.
    """
    shown = sys.stdout
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        with contextlib.suppress(OSError):  # a closed stdout or stderr: nothing to redirect
            _flush(shown)
            kept = os.dup(1)
            stack.callback(os.close, kept)
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
            stack.callback(_flush, shown)
        yield


def _flush(stream: TextIO | None) -> None:
    """Write out what Python and the C library still hold back for stdout."""
    if stream is not None:
        stream.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    place = f"{short_path(filename)}:{lineno}"
    LOGGER.getChild("warnings").warning("%s: %s (%s)", category.__name__, message, place)


def short_traceback(error: BaseException) -> str:
    """Return the last frames of an error, without the folders of this machine."""
    frames = traceback.extract_tb(error.__traceback__)[-TRACEBACK_FRAMES:]
    lines = [f"{short_path(f.filename)}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    return "\n".join(lines)


def short_message(error: BaseException) -> str:
    """Return an error's message with the user's home folder as ``~``."""
    return str(error).replace(str(Path.home()), "~") if Path.home() != Path("/") else str(error)


def short_path(filename: str) -> str:
    """Return a source file's path from its package on."""
    path = Path(filename)
    roots = [Path(p) for p in sys.path if p] + [Path(chmr_bench.__file__).parents[1]]
    inside = [path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root)]
    return min(inside, key=len) if inside else "/".join(path.parts[-2:])
