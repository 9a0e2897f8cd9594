"""The command line: parse, call one function, print. Nothing heavy is imported to show help."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from typing import Any

from chmr_bench.cli import streams
from chmr_bench.errors import INTERRUPTED, ChmrBenchError, UsageError
from chmr_bench.paths import is_utf8

BUG = 70
NOT_WRITTEN = 74
"""As in sysexits.h: EX_SOFTWARE and EX_IOERR."""
DISK_ERRORS = frozenset(
    getattr(errno, name, 0)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "EACCES", "EPERM", "EMFILE", "ENFILE"),
        *("ELOOP", "ENAMETOOLONG", "EISDIR", "ENOTDIR"),
    )
)
"""What the machine refuses: no bug of ours, and no traceback tells more than the message."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 all well, 1 some jobs failed or something differs, 2 usage, 3 data, 4 plugin, 70 a bug,
    74 output could not be written, 130 interrupted.
    """
    streams.prepare()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that files are tidied up
    try:
        code = _run(argv)
    except KeyboardInterrupt:  # while the command's modules are still being imported
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    lost = streams.write_error()
    if lost is not None:
        sys.stderr.write(f"error: standard output: {lost.strerror}; what came after it is lost\n")
        code = code or NOT_WRITTEN
    sys.exit(code)


def _run(argv: list[str] | None) -> int:
    from chmr_bench.cli.app import app
    from chmr_bench.display.console import print_error

    try:
        _check_words(sys.argv[1:] if argv is None else argv)
        result: Any = app(args=argv, prog_name="chmr-bench", standalone_mode=False)
    except ChmrBenchError as error:
        print_error(str(error))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the parser's own errors, or a bug: both are shown
        return _foreign(error)
    return result if isinstance(result, int) else 0


def _check_words(words: list[str]) -> None:
    """Raise UsageError for a word that is not UTF-8: no record, table or log could hold it.

    In a locale that is not UTF-8 the word may be, and is only read as something else.
    """
    for word in words:
        if is_utf8(word):
            continue
        try:
            meant = os.fsencode(word).decode()
        except UnicodeError:
            raise UsageError(
                f"{word!r}: expected UTF-8; give the file, folder or name another name"
            ) from None
        raise UsageError(
            f"{meant!r}: the locale of this shell reads names as {sys.getfilesystemencoding()}; "
            "set LC_ALL=C.UTF-8 (or PYTHONUTF8=1), and run again"
        )


def _name_the_option(error: Any) -> None:
    """Say of a stray word, as in ``run mean``, which options name models and data."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    options = {option for param in getattr(command, "params", ()) for option in param.opts}
    if "unexpected extra argument" in getattr(error, "message", "") and "--model" in options:
        data = ", data by --dataset" if "--dataset" in options else ""
        error.message += f"; models are named by --model{data}"


def _foreign(error: Exception) -> int:
    """Show what the argument parser or the disk raised; a bug keeps its traceback."""
    from chmr_bench.display.console import print_error

    show = getattr(error, "show", None)
    if callable(show):  # click's usage errors carry their own message and exit code
        _name_the_option(error)
        show()
        return int(getattr(error, "exit_code", 2))
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 0))
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        place = f"{error.filename}: " if error.filename else ""
        print_error(
            f"{place}{error.strerror}; nothing is half written, what is on record stays, "
            "and the same command goes on from there"
        )
        return NOT_WRITTEN
    import traceback

    traceback.print_exc()
    print_error("this is a bug in chmr-bench; please report it with the lines above")
    return BUG
