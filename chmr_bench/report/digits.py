"""Numbers that may not be known, and how many digits one needs to be told from others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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


def decimals_needed(values: Iterable[float | None], widths: Iterable[float | None]) -> int:
    """Return how many decimals tell numbers that stand together apart.

    Enough for three significant digits of the largest, and to tell the ends of the narrowest
    interval apart: targets in small units would all read 0.000 otherwise.

    Parameters
    ----------
    values, widths :
        As they are shown, in percent where that is how; None where there is none.

    Examples
    --------
    >>> decimals_needed([0.000123, None], []), decimals_needed([0.4999], [0.00004])
    (6, 5)
    """
    sizes = [abs(value) for value in values if value]
    largest = max(sizes, default=0.0)
    resolved = [width for width in widths if width is not None and width > NOISE * largest]
    needed = [0]
    if largest:
        needed.append(2 - math.floor(math.log10(largest)))
    if resolved:
        needed.append(-math.floor(math.log10(min(resolved))))
    return max(needed)


def fixed(value: float, usual: int, needed: int = 0) -> str:
    """Return a number with the usual decimals, or with those needed where these are more.

    With an exponent where they are too many. What rounds to zero has no sign.

    Examples
    --------
    >>> fixed(2.98e39, usual=3), fixed(1.23456e-12, usual=3, needed=15)
    ('2.98e+39', '1.235e-12')
    """
    decimals = max(usual, needed)
    if decimals - usual <= MOST_EXTRA and abs(value) < LARGE:
        return f"{value:z.{decimals}f}"
    before = math.floor(math.log10(abs(value))) + 1 if value else 0
    return f"{value:.{min(max(decimals + before, 4), MOST_DIGITS)}g}"


def difference_text(mean: float, low: float, high: float, decimals: int = 1) -> str:
    """Return a difference and its interval as Markdown, bold where the interval excludes 0.

    An end that would round to 0 has more decimals, so that it can be told from 0.

    Examples
    --------
    >>> difference_text(2.5, 0.5, 4.5), difference_text(-2.1, -4.3, -0.02)
    ('**+2.5** (0.5 to 4.5)', '**-2.1** (-4.3 to -0.02)')
    """
    bold = "**" if low > 0 or high < 0 else ""
    ends = []
    for end in (low, high):
        needed = -math.floor(math.log10(abs(end))) if end else 0
        shown = needed if abs(end) < 0.5 * 10**-decimals else decimals
        ends.append(fixed(end, decimals, min(shown, decimals + 3)))
    return f"{bold}{mean:+z.{decimals}f}{bold} ({' to '.join(ends)})"


def finite(value: float | None) -> float | None:
    """Return the number, None for NaN and infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def without_nan(value: Any) -> Any:
    """Return the value as JSON can hold it: None for NaN and infinity, and lists for tuples.

    Examples
    --------
    >>> without_nan({"p": math.nan, "groups": (("a", "b"),)})
    {'p': None, 'groups': [['a', 'b']]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value


def sample_sd(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample, None below two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def known_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean, None where there is no value or one is not known.

    Examples
    --------
    >>> known_mean([0.25, 0.75]), known_mean([0.25, None])
    (0.5, None)
    """
    every = [*values]
    known = [value for value in every if value is not None]
    return statistics.fmean(known) if known and len(known) == len(every) else None
