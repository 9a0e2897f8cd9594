"""Every error that chmr-bench raises on purpose.

::

    ChmrBenchError                 exit code 1
    ├── UsageError                 2: the command line or a call asks for what is not there
    │   ├── UnknownNameError       2: no model, dataset, suite, feature or setting of that name
    │   └── SettingError           2: a setting's value does not fit
    ├── DataError                  3: a file, a table or a molecule is not what it should be
    │   ├── FetchError             3: a download failed or brought the wrong bytes
    │   └── FeatureError           3: a molecule cannot be featurised
    ├── PluginError                4: a plugin breaks the contract
    │   ├── MissingDependencyError 4: a plugin needs a package that is not installed
    │   ├── PredictionError        1: a model's predictions have the wrong shape or are not finite
    │   ├── RemoteError            4: a plugin's code raised an error of its own in a worker process
    │   └── WorkerError            1: a worker process did not end as it should
    │       ├── WorkerDiedError    1: it ended without a result
    │       ├── TimeLimitError     1: it took longer than the time limit
    │       ├── MemoryLimitError   1: it used more than the memory limit
    │       └── LeftoverProcessError  1: it left processes of its own behind
    ├── RecordError                1: a stored record cannot be read or does not verify
    └── DiskFullError             74: the disk that holds the output folder is full

A message says where, what it was, what was expected, and what to do.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C or SIGTERM ended: a shell's own for Ctrl-C."""


class ChmrBenchError(Exception):
    """Anything chmr-bench raises on purpose; shown without a traceback.

    Attributes
    ----------
    trace :
        The last frames where a worker process raised it, else "".

    Examples
    --------
    >>> from chmr_bench import load_dataset
    >>> try:
    ...     load_dataset("bac")
    ... except ChmrBenchError as error:
    ...     print(type(error).__name__, error.exit_code)
    UnknownNameError 2
    """

    exit_code = 1
    trace = ""


class UsageError(ChmrBenchError):
    """The command line, or a call, asks for something that cannot be.

    Examples
    --------
    >>> raise UsageError("--seeds 0: expected a number above 0; give --seeds 5")
    Traceback (most recent call last):
    chmr_bench.errors.UsageError: --seeds 0: expected a number above 0; give --seeds 5
    """

    exit_code = 2


class SettingError(UsageError):
    """A setting has a value that does not fit."""


class UnknownNameError(UsageError):
    """Nothing of that kind has that name; the nearest names are offered.

    Parameters
    ----------
    kind
        What was looked for, in the singular: ``dataset``, ``model``, ``setting``.
    name
        The name that was asked for.
    known
        The names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(_unknown_message(kind, name, self.known, hint))


class DataError(ChmrBenchError):
    """A file, a table or a molecule is not what it should be.

    Examples
    --------
    >>> raise DataError("assays.csv, row 7: no molecule in 'C1CC'; mend it, or drop the row")
    Traceback (most recent call last):
    chmr_bench.errors.DataError: assays.csv, row 7: no molecule in 'C1CC'; mend it, or drop the row
    """

    exit_code = 3


class FetchError(DataError):
    """A download failed, or brought something else than the pinned bytes."""


class FeatureError(DataError):
    """A molecule cannot be turned into numbers."""


class PluginError(ChmrBenchError):
    """A plugin breaks the contract; everything else goes on.

    Examples
    --------
    >>> raise PluginError("my.ridge: predictions have shape (3, 1), expected (3, 2)")
    Traceback (most recent call last):
    chmr_bench.errors.PluginError: my.ridge: predictions have shape (3, 1), expected (3, 2)
    """

    exit_code = 4


class MissingDependencyError(PluginError):
    """A plugin needs a package that is not installed."""


class PredictionError(PluginError):
    """A model's predictions have the wrong shape or are not finite."""

    exit_code = 1


class RemoteError(PluginError):
    """A plugin's code raised an error of its own in a worker process.

    Attributes
    ----------
    kind :
        The name of that error's class.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class WorkerError(PluginError):
    """A worker process did not end as it should."""

    exit_code = 1


class WorkerDiedError(WorkerError):
    """It ended without a result: by a signal, or by itself."""


class TimeLimitError(WorkerError):
    """It took longer than the time limit."""


class MemoryLimitError(WorkerError):
    """It used more than the memory limit."""


class LeftoverProcessError(WorkerError):
    """It left processes of its own behind; they were killed."""


class RecordError(ChmrBenchError):
    """A stored record cannot be read, or does not verify."""


class DiskFullError(ChmrBenchError):
    """The disk that holds the output folder, or the user's share of it, is full."""

    exit_code = 74


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` known names close to `name`, best first."""
    by_lower = {k.lower(): k for k in known}
    hits = difflib.get_close_matches(name.lower(), list(by_lower), n=n, cutoff=0.55)
    return [by_lower[h] for h in hits]


def _unknown_message(kind: str, name: str, known: list[str], hint: str) -> str:
    close = nearest(name, known)
    message = f"no {kind} is called {name!r}"
    if close:
        message += f"; did you mean {' or '.join(repr(c) for c in close)}?"
    elif known:
        words = [name if name[:1].isalnum() else repr(name) for name in known[:12]]
        shown = ", ".join(words) + (", ..." if len(known) > 12 else "")
        message += f"; there are: {shown}"
    return f"{message} {hint}".rstrip()


def cannot_write(place: object, reason: object, option: str = "--out DIR") -> UsageError:
    """Return the error of a folder that cannot be written, `option` naming another one."""
    return UsageError(
        f"cannot write to {place}: {reason}; choose another folder with {option}, or make this one "
        "writable"
    )


def is_full(error: OSError) -> bool:
    """Return whether a disk is full, or the user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def writing(place: object, option: str = "--out DIR") -> Iterator[None]:
    """Turn an OSError of the block into a DiskFullError, or what `cannot_write` returns."""
    try:
        yield
    except OSError as error:
        file = f"{error.filename}: " if error.filename not in (None, str(place)) else ""
        reason = f"{file}{error.strerror or error}"
        if is_full(error):
            raise DiskFullError(
                f"cannot write to {place}: {reason}; what is on record stays. Free some space and "
                f"run the same command again, or choose another folder with {option}"
            ) from error
        raise cannot_write(place, reason, option) from error
