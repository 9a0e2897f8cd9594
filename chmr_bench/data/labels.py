"""What the cells of a task column say: numbers, classes, nothing, or a bound (``>10``)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.data.cell_hints import DECIMAL_COMMA, MINUS_SIGNS, THOUSANDS, hint, number
from chmr_bench.data.counts import be, plural
from chmr_bench.data.requests import TableOptions
from chmr_bench.types import BoolArray, FloatArray, TaskType

NOTED_WORDS = frozenset(
    {"n.d.", "n.d", "nd", "n/d", "n.a.", "n.a", "n.t.", "n.t", "nt", "n/t", "--", "---", ".", "?"}
    | {"not determined", "not tested", "not measured", "not available", "missing", *MINUS_SIGNS}
)
"""Marks of a laboratory's tables for `not measured`: read as such, with a note."""
MISSING_WORDS = NOTED_WORDS | {
    *("", "na", "n/a", "nan", "null", "none", "-", "<na>", "#n/a", "#n/a n/a", "#na")
}
"""What a cell holds where nothing was measured, in lower case."""
CLASS_WORDS = {
    **dict.fromkeys(("true", "active", "yes", "positive", "pos", "toxic"), 1.0),
    **dict.fromkeys(("false", "inactive", "no", "negative", "neg"), 0.0),
    **dict.fromkeys(("non-toxic", "nontoxic", "non toxic"), 0.0),
}
WORDS = "the words that are read: " + ", ".join(
    f"{', '.join(word for word, read in CLASS_WORDS.items() if read == value)} ({value:g})"
    for value in (1.0, 0.0)
)
SIGNS = {"+": 1.0} | dict.fromkeys(("-", *MINUS_SIGNS), 0.0)
"""Classes in a column that holds `+`, and nothing else that is a label."""
SENTINELS = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0)
"""Numbers that often mean `not measured`."""
LARGEST = 1e150
"""The squares of larger numbers are infinite."""
FEW = 0.1
"""Below this share, labels other than 0 and 1 look like slips in a classification."""

_BOUND = re.compile(r"(?:>=|<=|[<>≥≤~≈])\s*(\S+)")


@dataclass(frozen=True)
class TaskColumn:
    """The labels of one task, n rows.

    Attributes
    ----------
    values : array (n,)
        NaN where nothing was measured, and where the cell is no label.
    is_word : array (n,)
        The label was a word such as ``active``.
    is_bound : array (n,)
        The cell holds a qualifier; the value is the bound.
    is_bad : array (n,)
        The cell is no label.
    """

    name: str
    texts: Sequence[str]
    values: FloatArray
    is_word: BoolArray
    is_bound: BoolArray
    is_bad: BoolArray

    def take(self, rows: Sequence[int]) -> TaskColumn:
        """Return the labels of the given rows, in that order."""
        return TaskColumn(
            self.name,
            texts=[self.texts[row] for row in rows],
            values=self.values[rows],
            is_word=self.is_word[rows],
            is_bound=self.is_bound[rows],
            is_bad=self.is_bad[rows],
        )

    def problem(self, row: int, task_type: TaskType, options: TableOptions) -> str | None:
        """Return what is wrong with a row's label, or None."""
        text, value = self.texts[row], self.values[row]
        reason = None
        if self.is_bound[row] and options.censored == "stop":
            reason = (
                f"a value with a qualifier; --censored drop takes it as not measured, --censored "
                f"bound as {value:g}"
            )
        elif self.is_bad[row] or (self.is_word[row] and task_type == "regression"):
            reason = _reason(text, bool(self.is_word[row]), options)
        elif task_type == "classification" and not (math.isnan(value) or value in (0.0, 1.0)):
            missing = value == -1 or value in SENTINELS
            more = "; if it means not measured, empty these cells" if missing else ""
            return f"column {self.name!r}: {value:g}, expected 0 or 1{more}"
        return f"column {self.name!r}: {text!r}, {reason}" if reason else None


def decimal_mark(columns: Sequence[Sequence[str]], options: TableOptions, free: bool) -> str:
    """Return the decimal mark of the task columns: the one given, or a comma where all agree.

    Parameters
    ----------
    free : bool
        Commas do not separate the cells of this file.
    """
    if options.decimal or not free:
        return options.decimal or "."
    texts = {text for column in columns for text in column}
    commas = [text for text in texts if DECIMAL_COMMA.fullmatch(text)]
    clear = any(not THOUSANDS.fullmatch(text) for text in commas)
    return "," if clear and not any("." in t and number(t, ".") is not None for t in texts) else "."


def read_column(name: str, texts: Sequence[str], decimal: str, options: TableOptions) -> TaskColumn:
    """Return the labels of a column; each different text is read once."""
    read = {text: _label(text, decimal, options) for text in dict.fromkeys(texts)}
    if "+" in read and all(text in SIGNS for text, (_, kind) in read.items() if kind != "missing"):
        read |= {text: (SIGNS[text], "word") for text in read if text in SIGNS}
    values = np.array([read[text][0] for text in texts], dtype=np.float64)
    kinds = np.array([read[text][1] for text in texts], dtype=np.str_)
    return TaskColumn(name, texts, values, kinds == "word", kinds == "bound", kinds == "bad")


def _label(text: str, decimal: str, options: TableOptions) -> tuple[float, str]:
    """Return the value of a cell and what kind of cell it is."""
    plain = text.strip().lower()
    if plain in MISSING_WORDS:
        return math.nan, "missing"
    if plain in CLASS_WORDS:
        return CLASS_WORDS[plain], "word"
    value = number(plain, decimal)
    if value is not None:
        return value, "number"
    bound = _BOUND.fullmatch(plain)
    value = number(bound.group(1), decimal) if bound else None
    if value is None:
        return math.nan, "bad"
    return (math.nan if options.censored == "drop" else value), "bound"


def _reason(text: str, is_word: bool, options: TableOptions) -> str:
    """Return what was expected of a cell that is no label here, and what helps."""
    plain = text.strip().lower()
    said = hint(text, options.decimal)
    if is_word:
        said = "it names a class, and other labels of the table are numbers"
    elif plain in SIGNS:
        said = "'+' and '-' are read as classes where a column holds nothing else"
    elif not said and not any(c.isdigit() for c in plain) and "inf" not in plain:
        said = WORDS
    return "expected a finite number, or an empty cell" + (f"; {said}" if said else "")


# --------------------------------------------------------------------------------- kind of the task


def infer_type(tasks: Sequence[FloatArray]) -> TaskType:
    """Return classification where every measured label is 0 or 1 (and there is one)."""
    measured = np.concatenate([values[~np.isnan(values)] for values in tasks])
    fits = measured.size > 0 and np.isin(measured, (0.0, 1.0)).all()
    return "classification" if fits else "regression"


def reason_for(columns: Sequence[TaskColumn], rows: Sequence[int], task_type: TaskType) -> str:
    """Return why the labels are taken for that kind of task, and how to change it.

    Parameters
    ----------
    columns : sequence of TaskColumn
        The tasks.
    rows : sequence of int
        Row of the file of each label.
    task_type : TaskType
        What was inferred.
    """
    said = f"task type {task_type} inferred from the labels"
    other = [(c, int(i)) for c in columns for i in np.flatnonzero(is_other(c.values))[:1]]
    if not other:
        return said
    column, i = other[0]
    return (
        f"{said}: row {rows[i]}, column {column.name!r} holds {column.values[i]:g}; "
        "--task-type classification expects labels 0 and 1"
    )


def oddities(column: TaskColumn, inferred: bool) -> list[str]:
    """Return what is odd about the labels of a regression: classes, slips, sentinels."""
    values = column.values[~np.isnan(column.values)]
    distinct, counts = np.unique(values, return_counts=True)
    name, notes = column.name, []
    n_other = int(is_other(values).sum())
    if inferred and set(distinct) == {-1.0, 0.0, 1.0}:
        notes.append(
            f"column {name!r} holds 0, 1 and -1 ({plural(int(counts[0]), 'time')}) alone; if -1 "
            "means not measured, empty these cells"
        )
    elif inferred and len(distinct) == 2 and len(values) > 2 and n_other:
        low, high = distinct
        notes.append(f"column {name!r} holds {low:g} and {high:g} alone; are they classes?")
    elif inferred and set(distinct) <= {0.0, 1.0} and len(distinct) > 1:
        notes.append(
            f"column {name!r} holds 0 and 1 alone, beside values: it is a regression here; run it "
            "by itself for a classification"
        )
    elif inferred and 0 < n_other < FEW * len(values):
        notes.append(f"column {name!r}: {n_other} of {len(values)} labels {be(n_other)} not 0 or 1")
    huge = np.abs(distinct) > LARGEST
    if huge.any():
        notes.append(
            f"column {name!r} holds {distinct[huge][0]:g}, whose square is infinite: models and "
            "intervals fail on it; is it a slip?"
        )
    for place in np.flatnonzero(np.isin(distinct, SENTINELS)):
        value, rest = distinct[place], np.abs(np.delete(distinct, place))
        if rest.size and abs(value) / 3 > rest.max():
            times = plural(int(counts[place]), "time")
            notes.append(
                f"column {name!r}: {value:g} stands {times}, far from every other "
                "value; if it means not measured, empty these cells"
            )
    return notes


def is_other(values: FloatArray) -> BoolArray:
    """Return which labels are measured, and neither 0 nor 1."""
    other: BoolArray = ~np.isnan(values) & (values != 0) & (values != 1)
    return other
