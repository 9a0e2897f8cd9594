"""How the command line speaks: tables and JSON on stdout, notes and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NAMES = frozenset({"name", "model", "dataset", "plugin", "suite"})
"""Columns of names: never folded, so they can be copied."""

PIPE_WIDTH = 120
"""Columns where there is no terminal to ask: a log or a pipe has no edge to fold names at."""


def _width(stream: TextIO) -> int | None:
    asked = stream.isatty() or "COLUMNS" in os.environ
    return None if asked else PIPE_WIDTH


console = Console(highlight=False, soft_wrap=False, width=_width(sys.stdout))
notes = Console(stderr=True, highlight=False, width=_width(sys.stderr))


SYNTHETIC = "* synthetic: simulated labels on real molecules"


def dataset_label(name: str, *, synthetic: bool, origin: str = "") -> str:
    """Return a dataset's name, marked where it is simulated, with its file where that is given."""
    return name + ("*" if synthetic else "") + (f" ({origin})" if origin else "")


def plural(n: int, noun: str) -> str:
    """Return a count and what is counted: ``1 job``, ``2 jobs``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def print_json(value: Any) -> None:
    """Write `value` as JSON on stdout, nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_error(message: str) -> None:
    """Write an error on stderr."""
    notes.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def print_note(message: str) -> None:
    """Write a remark on stderr."""
    notes.print(escape(message), soft_wrap=True)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """Draw a table; columns named in `right` are right-aligned (numbers)."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            header_style="bold",
            overflow="fold",
            no_wrap=column in NAMES,
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
