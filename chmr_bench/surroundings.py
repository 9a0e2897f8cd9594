"""What other code relies on in a process, and strangers' code must leave as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

WATCHED = ("builtins", "os", "random", "numpy", "numpy.random", "numpy.linalg")
"""Modules that other code relies on, and that a plugin has patched before."""
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGCHLD", "SIGALRM")
    if hasattr(signal, name)
)
NAMED = 5
"""So many environment variables are named; a plugin may clear them all."""


@dataclass(frozen=True)
class Surroundings:
    """The process as it was before strangers' code came."""

    modules: Mapping[ModuleType, Mapping[str, Any]]
    environment: Mapping[str, str]
    folder: str
    streams: tuple[Any, Any]
    recursion_limit: int
    warning_filters: tuple[Any, ...]
    handlers: Mapping[signal.Signals, Any]

    @classmethod
    def now(cls) -> Surroundings:
        """Return the process as it is."""
        watched = [sys.modules[name] for name in WATCHED if name in sys.modules]
        return cls(
            {module: dict(vars(module)) for module in watched},
            dict(os.environ),
            _folder(),
            (sys.stdout, sys.stderr),
            sys.getrecursionlimit(),
            tuple(warnings.filters),
            {number: signal.getsignal(number) for number in SIGNALS},
        )

    def restored(self) -> list[str]:
        """Put back what was changed, and return it in words.

        What was added stays, such as a name in a module, an environment variable or a warning
        filter for a library's own warnings; so does a higher recursion limit.
        """
        return [
            *self._recursion_limit(),  # first: the rest may need more depth than it leaves
            *self._modules(),
            *self._environment(),
            *self._folder(),
            *self._streams(),
            *self._warnings(),
            *self._signals(),
        ]

    def _recursion_limit(self) -> Iterator[str]:
        if sys.getrecursionlimit() < self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
            yield "the recursion limit"

    def _modules(self) -> Iterator[str]:
        for module, before in self.modules.items():
            for name, value in before.items():
                if vars(module).get(name) is not value:
                    setattr(module, name, value)
                    yield f"{module.__name__}.{name}"

    def _environment(self) -> Iterator[str]:
        changed = [n for n, text in self.environment.items() if os.environ.get(n) != text]
        os.environ.update({name: self.environment[name] for name in changed})
        yield from (f"the environment variable {name}" for name in changed[:NAMED])
        if len(changed) > NAMED:
            yield f"{len(changed) - NAMED} more environment variables"

    def _folder(self) -> Iterator[str]:
        if _folder() != self.folder:
            with contextlib.suppress(OSError):  # it is gone
                os.chdir(self.folder)
            yield "the working folder"

    def _streams(self) -> Iterator[str]:
        if (sys.stdout, sys.stderr) != self.streams:
            sys.stdout, sys.stderr = self.streams
            yield "the standard streams"

    def _warnings(self) -> Iterator[str]:
        new = [one for one in warnings.filters if one not in self.warning_filters]
        if any(map(_makes_errors, new)):
            warnings.resetwarnings()  # it makes Python forget what it decided by the filters
            warnings.filters[:] = self.warning_filters  # type: ignore[index]
            yield "the warning filters (warnings are errors)"

    def _signals(self) -> Iterator[str]:
        if hasattr(signal, "getitimer") and any(signal.getitimer(signal.ITIMER_REAL)):
            signal.setitimer(signal.ITIMER_REAL, 0)
            yield "the alarm timer"
        for number, handler in self.handlers.items():
            if signal.getsignal(number) is not handler:
                with contextlib.suppress(ValueError, TypeError):  # in a thread; one of C
                    signal.signal(number, handler)
                yield f"the handler of {number.name}"


def _folder() -> str:
    """Return the working folder; "" where it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _makes_errors(warning_filter: Any) -> bool:
    """Return whether a filter turns warnings of every module's code into errors."""
    action, message, category, module, _ = warning_filter
    everywhere = message is None and module is None
    return bool(action == "error" and everywhere and category.__module__ == "builtins")
