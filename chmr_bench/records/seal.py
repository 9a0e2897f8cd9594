"""The seal of a record: a hash over every field, so that none can be changed without a trace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson


def to_bytes(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number of more than 64 bits, or half a character
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha256(value: Any) -> str:
    """Return the sha256 of a value's JSON."""
    return hashlib.sha256(to_bytes(value)).hexdigest()


def seal(content: Mapping[str, Any]) -> str:
    """Return the seal of a record as it is stored: of all its fields but ``seal``.

    In place of the list ``metrics.per_task`` stands the sha256 of it, so that a seal can be
    checked without the scores of the tasks.
    """
    whole = {name: value for name, value in content.items() if name != "seal"}
    metrics = whole.get("metrics")
    if isinstance(metrics, Mapping):
        tasks = metrics.get("per_task")
        scores = tasks.get("sha256") if isinstance(tasks, Mapping) else sha256(tasks)
        whole["metrics"] = {**metrics, "per_task": scores}
    return sha256(whole)


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Return whether a stored record is as it was when it was sealed."""
    return bool(content.get("seal") == seal(content))
