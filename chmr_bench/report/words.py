"""The words of pages and notes: they stand in ``templates/``, and Python gives the values alone."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from chmr_bench.data.counts import plural

if TYPE_CHECKING:
    from jinja2 import Environment

MOST = 3
"""Tasks that are named one by one, at most."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def notes(template: str, **values: Any) -> tuple[str, ...]:
    """Return the notes of a template, an item of its list each; lines within one are joined."""
    text = _environment_of_lines().get_template(f"{template}_notes.j2").render(**values)
    return tuple(" ".join(item.split()) for item in re.split(r"^- ", text, flags=re.M)[1:])


def tightened(text: str) -> str:
    """Return the text with one empty line in place of several."""
    return re.sub(r"\n{3,}", "\n\n", text)


def macros() -> Any:
    """Return the macros of tables and sections."""
    return environment().get_template("macros.md.j2").module


@cache
def environment() -> Environment:
    """Return what loads the templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    jinja = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    jinja.filters |= {"escaped": _escaped, "note": _note, "plural": plural, "comma": _comma}
    return jinja


@cache
def _environment_of_lines() -> Environment:
    """Return the same for notes; kept, for a new one would compile every template again."""
    return environment().overlay(finalize=_one_line)


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Return key -> its values, each once, all in the order first met.

    Examples
    --------
    >>> grouped([("a", 1), ("b", 2), ("a", 3), ("a", 1)])
    {'a': [1, 3], 'b': [2]}
    """
    by_key: dict[K, list[V]] = {}
    for key, value in pairs:
        values = by_key.setdefault(key, [])
        if value not in values:
            values.append(value)
    return by_key


def task_words(tasks: str | None) -> str:
    """Return the task columns of a user's table in words; they are JSON, as in the frame of runs.

    Examples
    --------
    >>> task_words('["pIC50"]'), task_words('["a", "b", "c", "d", "e"]'), task_words(None)
    ('pIC50', 'a, b, c and 2 more', '')
    """
    names: list[str] = json.loads(tasks or "[]")
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def dataset_label(name: str, *, synthetic: bool, origin: str = "") -> str:
    """Return a dataset's name, marked where it is simulated, with its file where that is given.

    Examples
    --------
    >>> dataset_label("planted", synthetic=True), dataset_label("mine", synthetic=False, origin="a")
    ('planted*', 'mine (a)')
    """
    return name + ("*" if synthetic else "") + (f" ({origin})" if origin else "")


def dataset_words(facts: Mapping[str, Any]) -> str:
    """Return the dataset's name, marked where it is simulated.

    Examples
    --------
    >>> dataset_words({"dataset": "planted", "synthetic": True})
    'planted (SYNTHETIC)'
    """
    return f"{facts['dataset']} (SYNTHETIC)" if facts["synthetic"] else str(facts["dataset"])


def split_words(name: str, seed: int | None) -> str:
    """Return the split's name, with its seed where it draws.

    Examples
    --------
    >>> split_words("reference", None), split_words("scaffold", 1)
    ('reference', 'scaffold 1')
    """
    return name if seed is None else f"{name} {seed}"


def _comma(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _one_line(value: Any) -> Any:
    return value.replace("\n", " ") if isinstance(value, str) else value


def _escaped(text: str) -> str:
    return " ".join(re.sub(r"([\\|*_\[\]<>{}`])", r"\\\1", text).split())


def _note(line: str) -> str:
    """Return a note as Markdown: text in backquotes stays, all else is shown as it is."""
    pieces = line.split("`")
    pieces[::2] = [re.sub(r"\S+", lambda word: _escaped(word[0]), text) for text in pieces[::2]]
    return "`".join(pieces)
