"""Standard output and error that end no command: closed, full, read by nobody, or not UTF-8."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

MIN_WIDTH = 40
"""Columns below which a table shows nothing; a narrower terminal breaks its lines itself."""
ENCODING_ERRORS = "chmr_bench.nearest"
PLAIN = {"↓": "v", "↑": "^", "±": "~", "–": "-", "—": "-", "→": ">", "≥": ">", "×": "x", "…": "."}
"""One character each, so that the columns of a table stay in line."""


def prepare() -> None:
    """Make both streams safe to write to, and forget a COLUMNS that is no width.

    A stream that was closed goes nowhere; one that fails while it is written to goes nowhere from
    there on, and the command goes on. `write_error` says afterwards that output was lost.
    """
    _open_descriptors()
    codecs.register_error(ENCODING_ERRORS, _nearest)
    sys.stdout = _safe(sys.stdout)
    sys.stderr = _safe(sys.stderr)
    columns = os.environ.get("COLUMNS", "")
    if columns and not (columns.isdecimal() and int(columns) > 0):
        del os.environ["COLUMNS"]
    elif columns and int(columns) < MIN_WIDTH:
        os.environ["COLUMNS"] = str(MIN_WIDTH)


def write_error() -> OSError | None:
    """Return why standard output lost what was written to it; None where it lost nothing.

    A reader that left (``| head``) has lost nothing that it wanted.
    """
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Descriptor):
        return None
    sys.stdout.flush()
    error = raw.error
    return None if error is None or error.errno == errno.EPIPE else error


class _Descriptor(io.FileIO):
    """A file descriptor whose first failed write sends it, and all later ones, nowhere."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BlockingIOError:
            raise
        except OSError as error:
            self.error = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(memoryview(data))


def _open_descriptors() -> None:
    """Open what was closed: else the next file opened would be standard output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            os.set_inheritable(opened, True)  # worker processes need one too


def _safe(stream: TextIO | None) -> TextIO:
    """Return the stream made safe; one that a test or a notebook put there stays as it is."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if stream not in (sys.__stdout__, sys.__stderr__) or not isinstance(stream, io.TextIOWrapper):
        return stream
    if sys.platform == "win32" and stream.isatty():
        stream.reconfigure(errors=ENCODING_ERRORS)
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors=ENCODING_ERRORS,
        line_buffering=stream.line_buffering or stream is sys.__stderr__,
        write_through=stream.write_through,
    )


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in missing)
    return "".join(plain), error.end
