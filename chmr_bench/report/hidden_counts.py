"""How many entries the runs of a curve had, and how many of them were hidden."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from chmr_bench.records import Record


def _counts(record: Record) -> dict[str, tuple[int, int]]:
    """Return where something was to be hidden -> entries observed there before, and hidden."""
    told: Mapping[str, Any] = record.model.pretraining or {}
    atlas = told["atlas"] if isinstance(told.get("atlas"), Mapping) else told
    hidden = atlas.get("hidden")
    parts: dict[str, Any] = dict(record.hidden or {})
    if isinstance(hidden, Mapping) and isinstance(hidden.get("counts"), Mapping):
        parts["pretrain"] = hidden["counts"]
    return {
        part: tuple(sum(m.get(n, 0) for m in counts.values()) for n in ("observed", "hidden"))
        for part, counts in parts.items()
    }


def shares(records: Sequence[Record]) -> dict[str, float]:
    """Return the share of entries that was hidden in each place, of all runs together."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for record in records:
        for part, (observed, hidden) in _counts(record).items():
            totals[part][0] += observed
            totals[part][1] += hidden
    return {part: hidden / observed for part, (observed, hidden) in totals.items() if observed}


def n_hidden(records: Sequence[Record]) -> int | None:
    """Return how many entries were hidden; None where no run had any to hide."""
    counts = [_counts(record) for record in records]
    if not any(counts):
        return None
    return sum(hidden for one in counts for _, hidden in one.values())
