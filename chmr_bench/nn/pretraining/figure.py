"""The loss terms over the epochs as a picture: one panel a term, training and validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from chmr_bench.nn.pretraining.files import write_atomically

COLUMNS = 4
PARTS = {"train": "#4477aa", "valid": "#ee6677"}


def draw(path: Path, history: Sequence[Mapping[str, Any]], title: str) -> bool:
    """Write the picture; False where there are no two epochs, so nothing to join by a line.

    Parameters
    ----------
    history : Sequence[Mapping[str, Any]]
        Rows with ``epoch``, ``part`` (train, valid) and one number a loss term.
    """
    terms = terms_of(history)
    if not terms or len({row["epoch"] for row in history}) < 2:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    n_rows = math.ceil(len(terms) / COLUMNS)
    height = 2.5 * n_rows
    figure = Figure(figsize=(3.2 * COLUMNS, height))
    FigureCanvasAgg(figure)
    # Margins in inches: matplotlib's own search for them takes longer than the drawing.
    margins = {"bottom": 0.45 / height, "top": 1 - 0.65 / height, "left": 0.04, "right": 0.99}
    figure.subplots_adjust(**margins, wspace=0.25, hspace=0.55)
    for i, term in enumerate(terms):
        axes = figure.add_subplot(n_rows, COLUMNS, i + 1)
        for part, colour in PARTS.items():
            rows = [row for row in history if row["part"] == part and term in row]
            points = [(row["epoch"], row[term]) for row in rows]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, label=part, marker=".")
        axes.set_title(term, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_atomically(path, picture.getvalue())
    return True


def terms_of(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the loss terms in their order, the total first."""
    columns = {name: None for row in history for name in row}
    names = [name for name in columns if name not in ("epoch", "part")]
    return sorted(names, key=lambda name: name != "total")
