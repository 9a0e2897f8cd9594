"""What the generated sections share: where they read, Markdown tables, Holm's correction."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chmr_bench.statistics import holm

Key = TypeVar("Key")

REPOSITORY = Path(__file__).resolve().parents[1]
RECORDS = REPOSITORY / "leaderboards"
TABLES = RECORDS / "tables"
MASKED = RECORDS / "missing.json"
"""The tables of masked modalities."""
LEVEL = 0.05
NONE = "*No such runs are on record yet.*"


def markdown(
    heads: Sequence[str], rows: Iterable[Sequence[object]], left: Collection[str] = ()
) -> str:
    """Return a Markdown table; numbers are aligned right.

    Parameters
    ----------
    left : Collection[str]
        Heads of columns that hold words, besides the first.
    """
    aligned = [":--" if head in (heads[0], *left) else "--:" for head in heads]
    lines = [_line(heads), f"|{'|'.join(aligned)}|", *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def escaped(label: str) -> str:
    """Return a row's label as it stands in a head, where brackets would make a link."""
    return label.replace("[", r"\[").replace("]", r"\]")


def rows_in(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables_in(path: Path) -> list[dict[str, Any]]:
    """Return the tables of a JSON file of the leaderboard; none where there is no file."""
    tables: list[dict[str, Any]] = []
    if path.is_file():
        tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
    return tables


def left_after_holm(p: Mapping[Key, float]) -> list[Key]:
    """Return whose p stays below `LEVEL` after Holm's correction for their number."""
    corrected = holm([*p.values()]) if p else []
    return [key for key, value in zip(p, corrected, strict=True) if value < LEVEL]


def holm_words(p: Mapping[str, float], what: str) -> str:
    """Return what is left after Holm's correction, to stand after the word "after".

    Parameters
    ----------
    what : str
        What was corrected for the number of, in the plural.
    """
    left = ", ".join(left_after_holm(p)) or "none"
    return f"Holm's correction for the {len(p)} {what} are left: {left}."
