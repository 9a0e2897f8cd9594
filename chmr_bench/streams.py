"""Standard output kept for results: whatever strangers' code prints goes elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr what is printed meanwhile, by compiled code and child processes too.

    stdout belongs to the results (``run --json``); a plugin may print what it likes.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(flush)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        with contextlib.suppress(OSError):  # a closed stdout or stderr: nothing to redirect
            flush()
            kept = os.dup(1)
            stack.callback(os.close, kept)
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
            stack.callback(flush)
        yield


def flush() -> None:
    """Write out what Python and the C library still hold back."""
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]  # None where it was closed
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
