"""Arguments of the Python door, checked in one place: which one, what it was, what was expected."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from chmr_bench.errors import UnknownNameError, UsageError

P = ParamSpec("P")
R = TypeVar("R")


class Kind(NamedTuple):
    """What an argument of one annotation becomes; `take` raises TypeError where it does not fit."""

    take: Callable[[Any], Any]
    expected: str


def _of(kind: Any, become: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what takes values of a type; True and False are no numbers."""

    def take(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError
        return become(value)

    return take


_text, _flag, _dict = _of(str, str), _of(bool, bool), _of(Mapping, dict)
_whole, _real = _of(Integral, int), _of(Real, float)  # numpy's too


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else _text(value)


def _number(value: Any) -> Any:
    return _whole(value) if isinstance(value, Integral) else _real(value)


def _listed(take: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Return what takes one value, or several, as a list."""

    def taken(value: Any) -> list[Any]:
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        return [take(one) for one in (value if several else [value])]

    return taken


KINDS = {
    "str": Kind(_text, "a text"),
    "str | Path": Kind(_path, "a text or a path"),
    "str | Path | None": Kind(_path, "a text or a path"),
    "bool": Kind(_flag, "True or False"),
    "int": Kind(_whole, "a whole number, such as 3"),
    "float": Kind(_number, "a number, such as 8 or 0.5"),
    "int | Sequence[int]": Kind(_listed(_whole), "a whole number, such as 3, or a list of them"),
    "float | Sequence[float]": Kind(_listed(_number), "a number, such as 0.5, or a list of them"),
    "Names": Kind(_listed(_path), "a name, or a list of names"),
    "Mapping[str, Any]": Kind(_dict, 'a dict, such as {"key": value}'),
}
"""Annotation -> what is taken for it. None is a default, and `Any` is not looked at."""


def checked(options: type = object) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check a function's arguments by their annotations, and its ``**options`` by a typed dict.

    Parameters
    ----------
    options
        The typed dict of the options, beside the function's own arguments.

    Raises
    ------
    UnknownNameError
        In a call: no option has that name; the nearest is offered.
    UsageError
        In a call: an argument is of another type.

    Examples
    --------
    >>> from chmr_bench import run
    >>> run("mean", "planted", seeds="3")
    Traceback (most recent call last):
    chmr_bench.errors.UsageError: run: seeds='3': expected a whole number, such as 3
    """

    of_options = {
        name: hint.__forward_arg__ for name, hint in getattr(options, "__annotations__", {}).items()
    }

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        parameters = signature.parameters
        hints = of_options | {name: p.annotation for name, p in parameters.items()}
        defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}

        def taken(name: str, value: Any) -> Any:
            if value is None and name in defaults:
                return defaults[name]
            return _taken(f"{function.__name__}: {name}", value, hints[name])

        def all_taken(name: str, value: Any) -> Any:
            if parameters[name].kind is Parameter.VAR_POSITIONAL:
                return tuple(taken(name, one) for one in value)
            if parameters[name].kind is not Parameter.VAR_KEYWORD:
                return taken(name, value)
            check_names(value, options)
            return {option: taken(option, v) for option, v in value.items() if v is not None}

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                bound.arguments[name] = all_taken(name, value)
            return function(*bound.args, **bound.kwargs)

        return call

    return wrap


def check_names(options: Mapping[str, Any], kind: type) -> None:
    """Raise UnknownNameError for an unknown option: a typed dict checks nothing."""
    for name in options:
        if name not in kind.__annotations__:
            raise UnknownNameError("option", name, kind.__annotations__)


def _taken(where: str, value: Any, hint: str) -> Any:
    if hint == "Any":
        return value
    kind = KINDS[hint]
    try:
        return kind.take(value)
    except TypeError as error:
        raise UsageError(f"{where}={in_words(value)}: expected {kind.expected}") from error


def in_words(value: Any) -> str:
    """Return a value on one short line."""
    return " ".join(reprlib.repr(value).split())
