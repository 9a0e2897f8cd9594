"""Counts of rows, cells and labels in a sentence."""

from __future__ import annotations


def plural(n: int, noun: str) -> str:
    """Return a count and what is counted.

    Examples
    --------
    >>> plural(1, "row"), plural(2, "row")
    ('1 row', '2 rows')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def be(n: int) -> str:
    """Return the verb that goes with a count."""
    return "is" if n == 1 else "are"
