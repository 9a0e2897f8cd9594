"""What to say where nothing at all can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chmr_bench.errors import UsageError
from chmr_bench.report.comparison.gains import Gain
from chmr_bench.report.comparison.selection import Query, comparable, instead, named
from chmr_bench.report.runs import LoadedRuns

if TYPE_CHECKING:
    import pandas as pd

MOST = 3
"""Datasets, rows or reasons that are named one by one, at most."""


def refuse_nothing(
    loaded: LoadedRuns, query: Query, gains: Mapping[str, Mapping[str, Gain]]
) -> None:
    """Raise UsageError, which says what is on record, where no model could be compared anywhere.

    Parameters
    ----------
    loaded : LoadedRuns
        All runs.
    query : Query
        What was to be compared.
    gains : dict
        Dataset -> model -> gain.
    """
    if any(gain.difference is not None for of in gains.values() for gain in of.values()):
        return
    on_split = f" on split {query.split}" if query.split else ""
    reasons = [
        f"{name}: {note}"
        for name, of in gains.items()
        for note in dict.fromkeys(note for gain in of.values() for note in gain.notes)
    ]
    runs = comparable(loaded)
    known = "; ".join(_known(runs, model) for model in query.models)
    why = f". {'; '.join(_some(reasons))}" if reasons else ""
    raise UsageError(
        f"nothing to compare{on_split}: {query.models[0]!r} has no dataset, split and seed in "
        f"common with another of the models. On record: {known}{why}. Choose a split of both with "
        "--split METHOD, name rows as the tables call them, or run the models on the same splits "
        "and seeds"
    )


def _known(runs: pd.DataFrame, model: str) -> str:
    """Return the splits and datasets on which a model is on record, or what else is."""
    own = named(runs, [model])
    scored = own[own["score"].notna()]
    if len(own):
        return f"{model!r} on {_places(scored)}" if len(scored) else f"{model!r} without a score"
    others = instead(runs, model).groupby("row", sort=False)
    rows = _some([f"{label!r} on {_places(of)}" for label, of in others])
    return f"not {model!r}, but {' and '.join(rows)}"


def _places(runs: pd.DataFrame) -> str:
    """Return splits with their datasets, in words."""
    return ", ".join(
        f"{split} ({', '.join(_some(list(names.unique())))})"
        for split, names in runs.groupby("split")["dataset"]
    )


def _some(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST
    return [*items[:MOST], *([f"{more} more"] if more > 0 else [])]
