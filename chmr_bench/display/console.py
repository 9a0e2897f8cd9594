"""Tables and JSON on standard output, notes and errors on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chmr_bench.data.counts import plural as plural
from chmr_bench.streams import visible

if TYPE_CHECKING:
    from chmr_bench.report.grids import Grid

NAMES = frozenset({"name", "model", "dataset", "plugin", "suite", "row", "identity"})
"""Columns of names: never folded, so they can be copied."""

PIPE_WIDTH = 120
"""Columns where there is no terminal to ask: a log or a pipe has no edge to fold names at."""

HASH = re.compile(r"[0-9a-f]{40,}")
"""Never broken, either."""

PROSE_WIDTH = 16
WORD_WIDTH = 32
"""Columns that text keeps at least where a table is too wide; longer words are broken."""


def _width(stream: TextIO | None) -> int | None:
    known = "COLUMNS" in os.environ or (stream is not None and stream.isatty())
    return None if known else PIPE_WIDTH


console = Console(emoji=False, highlight=False, soft_wrap=False, width=_width(sys.stdout))
notes = Console(stderr=True, emoji=False, highlight=False, width=_width(sys.stderr))


SYNTHETIC = "* synthetic: simulated labels on real molecules"


def print_lines(*lines: str) -> None:
    """Write each line once on stdout, as it is."""
    for line in dict.fromkeys(lines):
        console.print(visible(line), markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write `value` as JSON on stdout, nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_error(message: str) -> None:
    """Write an error on stderr."""
    notes.print(f"[bold red]error:[/] {escape(visible(message))}", soft_wrap=True)


def print_note(message: str) -> None:
    """Write a remark on stderr."""
    notes.print(escape(visible(message)), soft_wrap=True)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
) -> None:
    """Draw a table; in blocks, each with its columns of names, where the console is too narrow.

    Text is folded between words. Names and numbers are never broken.

    Parameters
    ----------
    title
        Stands above the table; "" for none.
    columns
        The headings.
    rows
        A row's cells, one a column.
    right
        Columns of numbers: to the right, and never folded.
    """
    prose = [column not in NAMES and column not in right for column in columns]
    widths = [_min_width(c, [row[j] for row in rows], prose[j]) for j, c in enumerate(columns)]
    for number, block in enumerate(_blocks(columns, widths)):
        table = Table(
            title=title if title and number == 0 else None,
            title_justify="left",
            title_style="bold",
            box=None,
            show_header=any(columns[j] for j in block),
        )
        for j in block:
            table.add_column(
                "\n".join(textwrap.wrap(columns[j], max(widths[j], 1), break_long_words=False)),
                justify="right" if columns[j] in right else "left",
                header_style="bold",
                overflow="fold",
                no_wrap=not prose[j],
                min_width=widths[j],
            )
        for row in rows:
            table.add_row(*(escape(visible(row[j])) for j in block))
        console.print(table, crop=False)


def _min_width(column: str, cells: Sequence[str], prose: bool) -> int:
    """Return how narrow a column may get: its longest cell, or where it can fold, its words."""
    head = max([0, *map(len, column.split()), -(-len(column) // 2)])
    lines = [line for cell in cells for line in cell.split("\n")]
    if not prose:
        return max([head, *map(len, lines)])
    words = [_word_width(word) for line in lines for word in line.split()]
    return max(head, min(max([PROSE_WIDTH, *words]), max([0, *map(len, lines)])))


def _word_width(word: str) -> int:
    """Return what a word keeps at least: all of a hash, which is copied as a whole."""
    return len(word) if HASH.fullmatch(word) else min(len(word), WORD_WIDTH)


def _blocks(columns: Sequence[str], widths: Sequence[int]) -> list[list[int]]:
    """Return the columns of each block; those of names, or the first, stand in all of them."""
    names = [j for j, column in enumerate(columns) if column in NAMES] or [0]
    room = console.width - sum(widths[j] + 2 for j in names)
    blocks: list[list[int]] = [[]]
    for j in [j for j in range(len(columns)) if j not in names]:
        used = sum(widths[i] + 2 for i in blocks[-1])
        if blocks[-1] and used + widths[j] + 2 > room:
            blocks.append([])
        blocks[-1].append(j)
    return [sorted([*names, *block]) for block in blocks]


def print_grids(grids: Iterable[Grid]) -> None:
    """Draw grids with their notes, in blocks where the terminal is too narrow."""
    for grid in grids:
        console.print(grid.title, markup=False, style="bold", soft_wrap=True)
        right = [column for column in grid.columns if column not in grid.left]
        print_table("", grid.columns, grid.rows, right=right)
        for note in grid.notes:
            console.print(Padding(Text(note.replace("`", "")), (0, 0, 0, 1)), style="dim")
        console.print()


def duration(seconds: float) -> str:
    """Return a time span in the unit a person would use."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
