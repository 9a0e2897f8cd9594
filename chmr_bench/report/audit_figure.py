"""How near test molecules are to training molecules, as a picture: one panel a dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO

from chmr_bench.audit import Audit
from chmr_bench.report.audits import label, split_label

COLUMNS = 3
BLUE, RED = "#4477aa", "#ee6677"


def draw(audits: Sequence[Audit]) -> bytes:
    """Return a PNG: the share of test rows in each tenth of similarity to the nearest training row.

    The part of the last bar that has the very same bits is red.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(audits))
    lines = math.ceil(len(audits) / columns)
    width = 8.0 if columns > 1 else 4.5
    figure = Figure(figsize=(width, 2.5 * lines + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, one in zip(panels, audits, strict=False):
        found = one.similarity
        shares = [100 * count / found.n for count in found.counts]
        alike = 100 * found.identical / found.n
        places = [i / 10 + 0.05 for i in range(len(shares))]
        axes.bar(places, shares, width=0.09, color=BLUE)
        axes.bar(places[-1:], [alike], width=0.09, color=RED)
        axes.axvline(found.median, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"{label(one)}, {split_label(one)} ({found.n:,} test rows)", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xlim(0, 1)
    for axes in panels[len(audits) :]:
        axes.set_visible(False)
    for i, axes in enumerate(panels[: len(audits)]):
        axes.tick_params(labelbottom=i + columns >= len(audits))
    figure.supxlabel("Tanimoto similarity to the nearest training molecule", fontsize=9)
    figure.supylabel("% of test rows", fontsize=9)
    figure.suptitle("red: the same bits; dotted: median", fontsize=8)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": ""})
    return picture.getvalue()
