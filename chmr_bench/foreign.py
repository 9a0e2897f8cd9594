"""Call a plugin's function: one that is not ours in a process of its own.

It may end the process, never return, print, or change what it finds: none of it reaches the caller.
"""

from __future__ import annotations

import sys
import threading
from multiprocessing import parent_process
from typing import Any

from chmr_bench import isolation, probes
from chmr_bench.errors import PluginError, RemoteError, WorkerError
from chmr_bench.lazy import load_object
from chmr_bench.streams import as_printed, stdout_to_stderr

QUICK_SECONDS = 60.0
"""Time for a function that has nothing to compute, such as a model's `needs`."""

LONG_SECONDS = 3600.0
"""Time for one that computes, such as a dataset's `load`, where no ``--time-limit`` is given."""

PATIENCE = 5.0
"""After so many seconds the user is told what is waited for: it may never come."""


class Printed(isolation.Receiver):
    """Passes on what a worker prints to standard error, and ignores what it says."""

    def printed(self, text: str) -> None:
        """Pass it on."""
        sys.stderr.write(as_printed(text))


def is_foreign(path: str) -> bool:
    """Return whether ``"module:name"`` is of another's plugin, and this is no worker process."""
    return probes.is_foreign(path.partition(":")[0]) and parent_process() is None


def call(
    path: str, *arguments: Any, method: str = "", by: str = "", seconds: float | None = None
) -> Any:
    """Return what the function ``"module:name"``, or a method of that class, gives.

    That of another's plugin is called in a worker process; arguments and value are pickled.

    Parameters
    ----------
    by :
        A function of ours, ``"module:name"``, that is called in its place and calls it.

    Raises
    ------
    PluginError
        Another's function raised, ended its process, or took longer than `seconds`; None =
        `LONG_SECONDS`.

    Examples
    --------
    >>> call("math:sqrt", 16.0)
    4.0
    """
    words = by or path, method, arguments
    if is_foreign(path):
        return isolated(path, f"{__name__}:apply", *words, seconds=seconds)
    with stdout_to_stderr():
        return apply(*words)


def isolated(
    path: str,
    target: str,
    *arguments: Any,
    seconds: float | None = None,
    receiver: isolation.Receiver | None = None,
) -> Any:
    """Return what `target` gives in a worker process; an error names `path`, which it calls."""
    limits = isolation.Limits(seconds or LONG_SECONDS)
    waiting = threading.Timer(PATIENCE, _say, [f"waiting for {path} ... (Ctrl-C stops it)"])
    waiting.daemon = True
    waiting.start()
    try:
        return isolation.call(target, *arguments, limits=limits, receiver=receiver or Printed())
    except RemoteError as error:
        message = f"{path}: {error.kind}: {str(error) or 'no message'}"
        raise PluginError(message + _place(path, error.trace)) from error
    except WorkerError as error:
        raise PluginError(f"{path}: {_plain(error)}") from error
    finally:
        waiting.cancel()


def _place(path: str, trace: str) -> str:
    """Return the line at which it was raised: the last one in the package of that path."""
    package = path.partition(":")[0].partition(".")[0]
    frames = trace.splitlines()
    own = [frame for frame in frames if frame.startswith((f"{package}/", f"{package}.py:"))]
    return f" ({(own or frames)[-1]})" if frames else ""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def apply(path: str, method: str, arguments: tuple[Any, ...], send: Any = None) -> Any:
    """Return what the function gives, called in this process: a worker, where it is another's."""
    function = load_object(path)
    return (getattr(function, method) if method else function)(*arguments)


def _plain(error: WorkerError) -> str:
    """Return its message without the option of a job, which does not hold here."""
    return str(error).replace(" (--time-limit)", "")
