"""How many digits a number needs: enough to tell scores and the ends of intervals apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

NONE = "-"
"""Stands where there is no value."""
NOISE = 1e-6
"""Intervals narrower than that share of the score are rounding of single precision."""
MOST_EXTRA = 6
"""With more decimals than that beyond the usual ones, a number is written with an exponent."""

LARGE = 1e12
"""From here on a number is written with an exponent."""
MOST_DIGITS = 7
"""Significant digits that tell apart all that is no noise."""


def extra_decimals(values: Iterable[float], widths: Iterable[float], usual: int) -> int:
    """Return how many decimals numbers need beyond the usual ones.

    Enough for three significant digits of the largest, and to tell the ends of the narrowest
    interval apart: targets in small units would all read 0.000 otherwise.

    Example
    -------
    >>> extra_decimals([0.000123], [], usual=3)
    3
    """
    largest = max((abs(value) for value in values), default=0.0)
    resolved = [width for width in widths if width > NOISE * largest]
    needed = [usual]
    if largest:
        needed.append(2 - math.floor(math.log10(largest)))
    if resolved:
        needed.append(-math.floor(math.log10(min(resolved))))
    return max(needed) - usual


def fixed(value: float, usual: int, extra: int = 0) -> str:
    """Return a number with that many decimals, with an exponent where these are too many.

    What rounds to zero has no sign.

    Example
    -------
    >>> fixed(2.98e39, usual=3), fixed(1.23456e-12, usual=3, extra=12)
    ('2.98e+39', '1.2346e-12')
    """
    if extra <= MOST_EXTRA and abs(value) < LARGE:
        return f"{value:z.{usual + extra}f}"
    before = math.floor(math.log10(abs(value))) + 1 if value else 0
    return f"{value:.{min(max(usual + extra + before, 4), MOST_DIGITS)}g}"
