"""What a user's file holds, whatever its format: cells as text, by the row each stands in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from chmr_bench.contracts import DroppedRow


@dataclass
class TableCells:
    """What a file holds.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    numbers : list of int
        Rows of the file that have cells.
    rows : list of list of str
        Their cells as stripped text.
    bad : list of DroppedRow
        Rows that have no cells to speak of, and why.
    notes : list of str
        What was seen rather than said: separator, encoding, comments.
    sha256 : str
        Of the file as it lies on disk.
    header_row : int
        Row of the column names; 0 in a format that has none.
    comma_free : bool
        Commas do not separate cells, so one inside a number is a decimal comma.
    """

    columns: tuple[str, ...] = ()
    numbers: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    bad: list[DroppedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sha256: str = ""
    header_row: int = 0
    comma_free: bool = True

    @property
    def n_rows(self) -> int:
        """Return the number of rows with content, bad ones included."""
        return len(self.rows) + len(self.bad)

    def column(self, place: int) -> list[str]:
        """Return the cells of a column."""
        return [row[place] for row in self.rows]

    def fill(self, columns: Iterable[object], rows: Iterable[tuple[int, Iterable[Any]]]) -> None:
        """Take column names and numbered rows of cells, all as text; leave out what is blank."""
        self.columns = tuple(map(as_text, columns))
        for number, cells in rows:
            row = list(map(as_text, cells))
            if any(row):
                self.numbers.append(number)
                self.rows.append(row)


def as_text(value: Any) -> str:
    """Return a cell as stripped text: nothing for a missing one, a number so that it reads back."""
    if isinstance(value, str):
        return value.strip()
    if value is None or str(value) in ("NaT", "<NA>"):  # pandas' own ways to say so
        return ""
    if getattr(value, "shape", ()) or isinstance(value, list | tuple):  # a cell of Parquet
        return f"list[{len(value)}]"
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return str(value).strip()
    if isinstance(value, Integral):
        return str(int(value))
    number = float(value)
    return "" if number != number else repr(number)
