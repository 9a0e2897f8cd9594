"""The command line: parse, call one function, print. Nothing heavy is imported to show help."""

from __future__ import annotations

import sys
from typing import Any

from chmr_bench.errors import ChmrBenchError

INTERRUPTED = 130
BUG = 70


def main(argv: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 all well, 1 some jobs failed or something differs, 2 usage, 3 data, 4 plugin, 70 a bug,
    130 interrupted.
    """
    try:
        code = _run(argv)
    except KeyboardInterrupt:  # while the command's modules are still being imported
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    sys.exit(code)


def _run(argv: list[str] | None) -> int:
    from chmr_bench.cli.app import app
    from chmr_bench.cli.console import print_error

    try:
        result: Any = app(args=argv, prog_name="chmr-bench", standalone_mode=False)
    except ChmrBenchError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted; what is on record stays, and the same command goes on from there")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader left (a pager, head): not an error of ours
        return 0
    except Exception as error:  # noqa: BLE001 - the parser's own errors, or a bug: both are shown
        return _foreign(error)
    return int(result or 0) if isinstance(result, int) else 0


def _foreign(error: Exception) -> int:
    """Show what the argument parser raised; anything else is a bug and keeps its traceback."""
    from chmr_bench.cli.console import print_error

    show = getattr(error, "show", None)
    if callable(show):  # click's usage errors carry their own message and exit code
        show()
        return int(getattr(error, "exit_code", 2))
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 0))
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    import traceback

    traceback.print_exc()
    print_error("this is a bug in chmr-bench; please report it with the lines above")
    return BUG
