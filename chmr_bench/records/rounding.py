"""Numbers and JSON as generated files hold them: rounded, compact, and long values on more lines.

The same values give the same bytes on every machine, and one changed row is one changed line.
"""

from __future__ import annotations

import json
from typing import Any

DIGITS = 12
"""Significant digits: all that single-precision replicates hold, and the same on every machine."""
LONGEST = 1200
"""Characters up to which a value stands on one line."""


def rounded(value: Any) -> Any:
    """Return the value with every number in it rounded to `DIGITS` digits, and lists for tuples."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def as_json(value: Any) -> str:
    """Return JSON with rounded numbers, an item a line where a line would be long, and a line end.

    Examples
    --------
    >>> as_json({"rows": [{"score": 0.1}, {"score": None}]})
    '{"rows":[{"score":0.1},{"score":null}]}\\n'
    """
    return _text(rounded(value)) + "\n"


def _text(value: Any) -> str:
    line = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    if len(line) <= LONGEST or not isinstance(value, dict | list):
        return line
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_text, value)) + "\n]"
    items = (f"{json.dumps(key, ensure_ascii=False)}:{_text(v)}" for key, v in value.items())
    return "{\n" + ",\n".join(items) + "\n}"
