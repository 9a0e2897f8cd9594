"""The printed figures as tables of their own; no measured number ever stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chmr_bench.report.grids import Grid
from chmr_bench.report.published import Figure, PrintedTable, Published
from chmr_bench.report.words import notes

UNITS = {"roc_auc_percent": "ROC-AUC %", "mae_x100": "MAE × 100 ↓"}
HARD = "*"
SMALL = 0.05
"""A smaller s.d. would be 0.0 with one digit, so both numbers have two."""


def around(mean: float, std: float | None) -> str:
    """Return a printed mean and its s.d. as one cell.

    Examples
    --------
    >>> around(84.7, 0.2), around(84.76, 0.02), around(72.0, None)
    ('84.7 ± 0.2', '84.76 ± 0.02', '72.0')
    """
    if std is None:
        return f"{mean:.1f}"
    digits = 2 if 0 < std < SMALL else 1
    return f"{mean:.{digits}f} ± {std:.{digits}f}"


def printed_grids(
    papers: Iterable[Published], datasets: Sequence[str], *, only: bool = False
) -> list[Grid]:
    """Return the printed tables that hold at least one of the datasets.

    Each is whole, or with `only` cut to the columns of these datasets. A table with endpoints of a
    dataset (``biogen3k/HLM``) gives a second grid for these.
    """
    wanted = set(datasets)
    grids = []
    for paper in papers:
        for table in paper.table:
            if wanted & set(table.datasets):
                kept = [f for f in table.figures if f.dataset.split("/")[0] in wanted]
                cut = table.model_copy(update={"figures": tuple(kept)}) if only else table
                grids += _grids(paper, cut)
    return grids


def _grids(paper: Published, table: PrintedTable) -> list[Grid]:
    whole = [f for f in table.figures if "/" not in f.dataset]
    parts = [f for f in table.figures if "/" in f.dataset]
    title = f"{paper.paper.key.upper()}, {table.name}: {table.title}"
    source = paper.paper
    where = f"{source.title}, {source.venue}, {source.address}".strip(", ")
    said = {"where": where, "table": table, "lines": (*table.notes, *source.notes)}
    grids = [replace(_grid(title, whole, said), folded=table.folded)]
    if parts:
        endpoints = _grid(f"{title}: by endpoint", parts, said | {"lines": ()})
        grids.append(replace(endpoints, folded=True))
    return grids


def _grid(title: str, figures: Sequence[Figure], said: Mapping[str, Any]) -> Grid:
    """Return the figures as a table; `said` is what its notes say beside footnotes and marks."""
    units = list(dict.fromkeys(UNITS.get(f.metric, f.metric) for f in figures))
    if len(units) == 1:
        title += f" ({units[0]})"
    footnotes = [f for f in figures if f.note and f.mean is not None]
    left = ("model", "venue") if any(f.venue for f in figures) else ("model",)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for f in figures:
        column = f.dataset if len(units) == 1 else f"{f.dataset} {UNITS.get(f.metric, f.metric)}"
        row = rows.setdefault((f.model, f.venue), {name: getattr(f, name) for name in left})
        row[column] = _cell(f, footnotes)
    hard = any(f.hard_labels for f in figures)
    below = notes("printed", has_hard_labels=hard, footnotes=footnotes, **said)
    return Grid.of(f"As printed: {title}", [*rows.values()], left, below)


def _cell(figure: Figure, footnotes: Sequence[Figure]) -> str:
    if figure.mean is None:
        return figure.note
    text = around(figure.mean, figure.std)
    if figure in footnotes:
        text += f" [{footnotes.index(figure) + 1}]"
    return f"{text} {HARD}" if figure.hard_labels else text
