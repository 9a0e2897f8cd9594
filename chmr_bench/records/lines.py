"""Runs as lines of JSON: what is long stands once, on a line of its own, by its hash.

A line is a run or a value, ``{"$": "<hash>", "value": ...}``; where a run or a later value has
``{"$": "<hash>"}``, that value belongs. So adding a run adds lines and changes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from chmr_bench.records.seal import sha256, to_bytes

MARK = "$"
LONG = 80
"""Characters above which a list or an object stands on a line of its own."""
OWN = frozenset({"metrics", "per_task", "timing", "resources", "predictions"})
"""Names of what no two runs share: that stays in the line of its run."""
HASH_LENGTH = 16
NESTED = (dict, list)


def fold(value: Any, shared: dict[str, Any], *, keep: bool = False) -> Any:
    """Return a value with every long part of it replaced by its hash, and put into `shared`.

    Parameters
    ----------
    keep
        leave the value itself where it is, however long.
    """
    if isinstance(value, Mapping):
        value = {
            _escaped(name): fold(inner, shared, keep=name in OWN) for name, inner in value.items()
        }
    elif isinstance(value, list):
        value = [fold(inner, shared) for inner in value]
    else:
        return value
    if keep or len(to_bytes(value)) <= LONG:
        return value
    name = sha256(value)[:HASH_LENGTH]
    shared[name] = value
    return {MARK: name}


def unfold(value: Any, shared: Mapping[str, Any]) -> Any:
    """Return the value that `fold` was given; KeyError names a hash that is not there.

    Equal parts are one object in memory: nobody may change them.
    """
    if type(value) is dict:
        if len(value) == 1 and MARK in value:
            return shared[value[MARK]]
        return {
            name.removeprefix(MARK): unfold(inner, shared) if type(inner) in NESTED else inner
            for name, inner in value.items()
        }
    if type(value) is list:
        return [unfold(inner, shared) if type(inner) in NESTED else inner for inner in value]
    return value


def write(runs: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Return the lines of runs, each value before the first that needs it."""
    lines: list[bytes] = []
    known: set[str] = set()
    for run in runs:
        shared: dict[str, Any] = {}
        folded = fold(run, shared, keep=True)
        new = {name: value for name, value in shared.items() if name not in known}
        known.update(new)
        lines += [_line({MARK: name, "value": value}) for name, value in new.items()]
        lines.append(_line(folded))
    return lines


def read(lines: Iterable[bytes]) -> Iterable[tuple[int, dict[str, Any] | str]]:
    """Yield number and content of every run, or what is wrong with a line."""
    shared: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        try:
            value = orjson.loads(line)
            if not isinstance(value, dict):
                raise ValueError("expected an object")
            if MARK in value:
                shared[str(value[MARK])] = unfold(value["value"], shared)
                continue
            yield number, unfold(value, shared)
        except KeyError as error:
            yield number, f"line {number}: refers to {error}, which is not in this file"
        except (ValueError, TypeError, RecursionError) as error:
            yield number, f"line {number}: is not JSON: {str(error).splitlines()[0]}"


def _line(value: Any) -> bytes:
    return orjson.dumps(value) + b"\n"


def _escaped(name: str) -> str:
    return MARK + name if name.startswith(MARK) else name
