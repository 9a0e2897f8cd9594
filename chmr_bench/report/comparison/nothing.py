"""What to say where nothing at all can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chmr_bench.errors import UsageError
from chmr_bench.records import RecordStore
from chmr_bench.report.comparison.choosing import Query, comparable
from chmr_bench.report.comparison.naming import Row, instead, named
from chmr_bench.report.comparison.pairs import Gain

MOST = 3
"""Datasets, rows or reasons that are named one by one, at most."""


def refuse_nothing(
    store: RecordStore, query: Query, found: Mapping[str, Mapping[str, Gain]]
) -> None:
    """Raise UsageError, which says what is on record, where no model could be compared anywhere.

    Parameters
    ----------
    found : dataset -> model -> gain.
    """
    if any(gain.difference is not None for gains in found.values() for gain in gains.values()):
        return
    asked = f" on split {query.split}" if query.split else ""
    reasons = [
        f"{name}: {note}"
        for name, gains in found.items()
        for note in dict.fromkeys(note for gain in gains.values() for note in gain.notes)
    ]
    rows = comparable(store)
    known = "; ".join(_known(rows, model) for model in query.models)
    why = f". {'; '.join(_some(reasons))}" if reasons else ""
    raise UsageError(
        f"nothing to compare{asked}: {query.models[0]!r} has no dataset, split and seed in common "
        f"with another of the models. On record: {known}{why}. Choose a split of both with --split "
        "METHOD, name rows as the tables call them, or run the models on the same splits and seeds"
    )


def _known(rows: Sequence[Row], model: str) -> str:
    """Return the splits and datasets on which a model is on record, or what else is."""
    own = [f.row for f in named(rows, [model])]
    good = [r for r in own if r.record.metrics and r.record.metrics.macro is not None]
    if own:
        return f"{model!r} on {_places(good)}" if good else f"{model!r} without a score"
    by_label: dict[str, list[Row]] = {}
    for row in instead(rows, model):
        by_label.setdefault(row.label, []).append(row)
    told = _some([f"{label!r} on {_places(of)}" for label, of in by_label.items()])
    return f"not {model!r}, but {' and '.join(told)}"


def _places(rows: Iterable[Row]) -> str:
    """Return splits with their datasets, in words."""
    by_split: dict[str, dict[str, None]] = {}
    for row in rows:
        by_split.setdefault(row.method, {})[row.dataset] = None
    return ", ".join(
        f"{split} ({', '.join(_some(list(names)))})" for split, names in sorted(by_split.items())
    )


def _some(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST
    return [*items[:MOST], *([f"{more} more"] if more > 0 else [])]
