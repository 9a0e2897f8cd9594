"""Numbers, JSON and CSV as generated files hold them: rounded and compact.

The same values give the same bytes on every machine, and one changed row is one changed line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV with rounded numbers; an unknown value is an empty cell."""
    import pandas as pd

    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame([rounded(dict(row)) for row in rows], columns=columns, dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def texts_of(documents: Mapping[str, Any]) -> dict[str, str]:
    """Return file name -> text, of contents that go into a CSV or a JSON file."""
    return {
        name: as_csv(content) if name.endswith(".csv") else as_json(content)
        for name, content in documents.items()
    }


def _text(value: Any) -> str:
    line = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    if len(line) <= LONGEST or not isinstance(value, dict | list):
        return line
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_text, value)) + "\n]"
    items = (f"{json.dumps(key, ensure_ascii=False)}:{_text(v)}" for key, v in value.items())
    return "{\n" + ",\n".join(items) + "\n}"
