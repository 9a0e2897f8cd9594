"""What may be wrong with a cell that is no number, and what helps."""

from __future__ import annotations

import math
import re

MINUS_SIGNS = "\u2212\u2013\u2014\u2010\u2011\uff0d"
"""Minus, dashes and hyphens of typeset tables."""
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")

_NUMBER = r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?"
_QUALIFIER = re.compile(rf"(?:[<>=≤≥~≈≪≫]+|(?:ca|approx|about)\b\.?)\s*({_NUMBER}.*)")
_HINTS = (
    (r"[+-]?\d{1,3}(?:[,.'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?", "write it without thousands marks"),
    (r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}|\d{1,2}-[a-z]{3}|[a-z]{3}-\d{2,4}", "it reads like a date"),
    (
        rf"{_NUMBER}\s*(?:[-\u2013\u2014]|to|\.\.+)\s*{_NUMBER}",
        "it reads like a range; write one number, or empty the cell",
    ),
    (
        rf"{_NUMBER}\s*(?:±|\+/?-)\s*{_NUMBER}|{_NUMBER}\s*\({_NUMBER}\)",
        "it reads like a value and its error; give the error a column of its own",
    ),
    (
        rf"{_NUMBER}\s*(?:[%‰°]|(?!0x)(?<!0)[^\W\d_]).*",
        "a unit stands in the cell; put it into the column's name, and write numbers of one unit",
    ),
    (r"list\[\d+\]", "the cell holds a list; write one number a cell, each in a column of its own"),
    (r"#[a-z/0]+[!?]", "an error of the spreadsheet; mend its formula, or empty the cell"),
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), said) for pattern, said in _HINTS]


def number(text: str, decimal: str) -> float | None:
    """Return the finite number that a text is, or None.

    Examples
    --------
    >>> number("1,5", ","), number("1,5", ".")
    (1.5, None)
    """
    if decimal != ".":
        text = "x" if "." in text else text.replace(decimal, ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def hint(text: str, decimal: str) -> str:
    """Return what may be wrong with a cell that is no number, and what helps; "" if not known.

    Parameters
    ----------
    text
        The cell.
    decimal
        The decimal mark that the user gave, or "".

    Examples
    --------
    >>> hint("1-3", "")
    'it reads like a range; write one number, or empty the cell'
    """
    if decimal == "," and number(text, ".") is not None:
        return "--decimal , expects a decimal comma"
    if DECIMAL_COMMA.fullmatch(text):
        thousands = "; commas between thousands are not read" if THOUSANDS.fullmatch(text) else ""
        return f"for a decimal comma, --decimal ,{thousands}"
    minus = next((sign for sign in MINUS_SIGNS if text.startswith(sign)), "")
    if minus and number(text.replace(minus, "-"), decimal or ".") is not None:
        return f"its sign is U+{ord(minus):04X}, not the hyphen '-' of numbers"
    said = next((said for pattern, said in _PATTERNS if pattern.fullmatch(text)), "")
    qualified = _QUALIFIER.fullmatch(text.lower())
    if said or not qualified:
        return said
    return hint(qualified[1], decimal) or "the qualifiers that are read are >, >=, <, <= and ~"
