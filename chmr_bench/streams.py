"""What strangers' code prints: kept from standard output, and from steering a terminal."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chmr_bench.threads import shared

CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in b"\n\t"
}


def visible(text: str) -> str:
    r"""Return the text with escapes for what would steer a terminal.

    A message may hold what another's code or file put into it.

    Examples
    --------
    >>> visible("\x1b[2Jgone") == "\\x1b[2Jgone"
    True
    """
    return text.translate(CONTROLS)


def as_printed(text: str) -> str:
    r"""Return what was printed as lines that steer no terminal; a bar drawn anew is a new line.

    Examples
    --------
    >>> as_printed("\x1b[31m 1 of 2\r 2 of 2\r\n")
    '\\x1b[31m 1 of 2\n 2 of 2\n'
    """
    return visible(text.replace("\r\n", "\n").replace("\r", "\n"))


@shared
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
