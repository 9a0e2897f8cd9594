"""What other code relies on in a process, and strangers' code must leave as it was."""

from __future__ import annotations

import contextlib
import operator
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

WATCHED = (
    *("builtins", "hashlib", "json", "math", "os", "random"),
    *("numpy", "numpy.random", "numpy.linalg"),
)
"""Modules that other code relies on, and that a plugin has patched before."""
LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "torch")
"""Libraries of which functions, and methods of classes, are watched, in public modules."""
DEPTH = 2
"""``torch.nn.functional`` is so deep below its library."""
HEAP_TYPE = 1 << 9
"""The flag of CPython's classes that have attributes to be set; those of C have none."""
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGCHLD", "SIGALRM")
    if hasattr(signal, name)
)
NAMED = 5
"""So many environment variables are named; a plugin may clear them all."""

Holder: TypeAlias = ModuleType | type


@dataclass(frozen=True)
class Surroundings:
    """The process as it was before strangers' code came."""

    attributes: Mapping[Holder, Mapping[str, Any]]
    environment: Mapping[str, str]
    folder: str
    path: tuple[Any, ...]
    finders: tuple[Any, ...]
    umask: int
    streams: tuple[Any, Any]
    recursion_limit: int
    numpy_errors: Mapping[str, Any]
    warning_filters: tuple[Any, ...]
    handlers: Mapping[signal.Signals, Any]

    @classmethod
    def now(cls) -> Surroundings:
        """Return the process as it is."""
        watched = [sys.modules[name] for name in WATCHED if name in sys.modules]
        return cls(
            {holder: dict(vars(holder)) for holder in dict.fromkeys((*watched, *_of_libraries()))},
            dict(os.environ),
            _folder(),
            tuple(sys.path),
            tuple(sys.meta_path),
            _umask(),
            (sys.stdout, sys.stderr),
            sys.getrecursionlimit(),
            np.geterr(),
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
            *self._attributes(),
            *self._numpy_errors(),
            *self._environment(),
            *self._folder(),
            *self._imports(),
            *self._umask(),
            *self._streams(),
            *self._warnings(),
            *self._signals(),
        ]

    def _recursion_limit(self) -> Iterator[str]:
        if sys.getrecursionlimit() < self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
            yield "the recursion limit"

    def _attributes(self) -> Iterator[str]:
        for holder, before in self.attributes.items():
            now = dict(vars(holder))
            same = map(operator.is_, map(now.get, before), before.values())
            if now.keys() == before.keys() and all(same):  # nearly all of thousands
                continue
            changed = [name for name, value in before.items() if now.get(name) is not value]
            changed = [name for name in changed if _matters(holder, before[name], now.get(name))]
            for name in changed:
                setattr(holder, name, before[name])
            new = [name for name in now.keys() - before.keys() if _overrides(holder, name)]
            for name in new:
                delattr(holder, name)
            yield from (f"{_name(holder)}.{name}" for name in (*changed, *new))

    def _numpy_errors(self) -> Iterator[str]:
        if np.geterr() != self.numpy_errors:
            np.seterr(**self.numpy_errors)
            yield "what numpy does at an error (numpy.seterr)"

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

    def _imports(self) -> Iterator[str]:
        for name, before in (("path", self.path), ("meta_path", self.finders)):
            now = getattr(sys, name)
            if any(one not in now for one in before):
                now[:] = [*before, *(one for one in now if one not in before)]
                yield f"sys.{name}"

    def _umask(self) -> Iterator[str]:
        if os.umask(self.umask) != self.umask:
            yield "the umask"

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


def loaded_libraries() -> list[str]:
    """Return the public modules of the libraries that are watched, as far as they are imported."""
    names = [name.split(".") for name in list(sys.modules) if "._" not in name]
    return [".".join(n) for n in names if n[0] in LIBRARIES and len(n) <= 1 + DEPTH]


def _of_libraries() -> Iterator[Holder]:
    """Yield the libraries' public modules, and the classes that they name."""
    for name in loaded_libraries():
        yield sys.modules[name]
        yield from filter(_can_be_set, list(vars(sys.modules[name]).values()))


def _can_be_set(value: Any) -> bool:
    """Return whether it is a class of the libraries whose methods can be replaced."""
    if not issubclass(type(value), type) or not value.__flags__ & HEAP_TYPE:
        return False
    return str(value.__module__).partition(".")[0] in LIBRARIES


def _is_code(value: Any) -> bool:
    kind = type(value)  # what calls itself something else may warn of it
    return callable(value) or issubclass(kind, property | classmethod | staticmethod)


def _matters(holder: Holder, before: Any, after: Any) -> bool:
    """Return whether an attribute that is another now may change what others compute."""
    if holder.__name__ in WATCHED:
        return True
    return _is_code(before) and not _is_by_torch(after)


def _overrides(holder: Holder, name: str) -> bool:
    """Return whether a name that came since hides a method that the class inherits."""
    if isinstance(holder, ModuleType):
        return False
    inherited = [vars(base)[name] for base in holder.__mro__[1:] if name in vars(base)]
    return bool(inherited) and _matters(holder, inherited[0], vars(holder)[name])


def _is_by_torch(value: Any) -> bool:
    """Return whether torch made a function: it wraps its own, such as an optimiser's step."""
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    names = getattr(function, "__globals__", None)  # functools.wraps leaves those of the wrapper
    return isinstance(names, dict) and str(names.get("__name__")).partition(".")[0] == "torch"


def _name(holder: Holder) -> str:
    if isinstance(holder, ModuleType):
        return holder.__name__
    return f"{holder.__module__}.{holder.__qualname__}"


def _folder() -> str:
    """Return the working folder; "" where it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _umask() -> int:
    """Return the mask of new files, which can only be read by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _makes_errors(warning_filter: Any) -> bool:
    """Return whether a filter turns warnings of every module's code into errors."""
    action, message, category, module, _ = warning_filter
    everywhere = message is None and module is None
    return bool(action == "error" and everywhere and category.__module__ == "builtins")
