"""Pictures: what masked cells cost, and how near test molecules are to training molecules."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench.audit import Audit
from chmr_bench.lazy import load_object
from chmr_bench.report.audits import label, split_label
from chmr_bench.report.families import Curve, Family, Point
from chmr_bench.report.grids import PERCENT, heading, scale_of
from chmr_bench.report.runs import REFERENCE, registered_spec
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2
AUDITS_A_LINE = 3
LEGEND_COLUMNS = 3
LONG_LABEL = 32
"""Characters; a panel's own legend with a longer label has one column."""
PER_PANEL = 6
"""Models in a panel; of more, those whose names begin alike get one of their own."""
LEAST_RANGE = 4.0
"""Points that an axis in percent spans at least."""
PALETTE = 96
"""Colours of a picture."""
MARKERS = "os^DvPX*"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#666666", "#000000")
"""Those of Paul Tol's bright scheme first, which the colour-blind can tell apart."""
ACTUAL = "_actual"
"""What a ceiling on the very labels of the test part ends in, beside the expected one."""


def draw(families: Sequence[Family]) -> bytes:
    """Return a picture as PNG."""
    panels = [part for family in families for part in parts(family)]
    n_columns = min(COLUMNS, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    colours = _colours(panels)
    shown = {c.title for f in families for c in f.curves}
    own = len(set(colours.values())) < len(colours)  # one colour for several: a legend each
    wide = 5.4 * n_columns if n_columns > 1 else 7.5
    high = (4.9 if own else 4.0) * n_rows + 0.2 * math.ceil(len(shown) / LEGEND_COLUMNS) + 0.3
    figure = blank(wide, high)
    alike: dict[str, Axes] = {}
    for i, panel in enumerate(panels):
        beside = alike.get(panel.title)
        axes = figure.add_subplot(n_rows, n_columns, i + 1, sharey=beside)
        alike.setdefault(panel.title, axes)
        _panel(axes, panel, colours)
    for axes, panel in zip(figure.axes, panels, strict=True):  # once all that share it are drawn
        stretch(axes, panel.metric)
    _legends(figure, own)
    figure.suptitle(f"{families[0].setting}; band: 95 % interval of the change", fontsize=10)
    return png(figure, dpi=130)


def blank(wide: float, high: float) -> Figure:
    """Return a figure of that size in inches, drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, high), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dpi: int) -> bytes:
    """Return a figure as PNG with a palette, a quarter of the size of one without."""
    from PIL import Image

    figure.set_dpi(dpi)
    figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba()))  # type: ignore[attr-defined]
    picture = BytesIO()
    pixels.convert("RGB").quantize(PALETTE).save(picture, "PNG", optimize=True)
    return picture.getvalue()


def stretch(axes: Axes, metric: MetricName) -> None:
    """Give an axis in percent `LEAST_RANGE` points at least: less makes noise look like a trend.

    Its labels then have one decimal at most: ticks are half a point apart or more.
    """
    if metric not in PERCENT:
        return
    low, high = axes.get_ylim()
    more = max(LEAST_RANGE - (high - low), 0.0) / 2
    axes.set_ylim(low - more, high + more)


def _legends(figure: Figure, own: bool) -> None:
    """Write one legend below all panels, or each panel's own below it."""
    per_panel = [
        dict(zip(*reversed(a.get_legend_handles_labels()), strict=True)) for a in figure.axes
    ]
    style: dict[str, Any] = {"frameon": False, "fontsize": 8}
    if own:
        style |= {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12)}
        for axes, handles in zip(figure.axes, per_panel, strict=True):
            columns = 1 if max(map(len, handles)) > LONG_LABEL else LEGEND_COLUMNS - 1
            axes.legend(handles.values(), handles.keys(), ncols=columns, **style)
        return
    together = {label: handle for handles in per_panel for label, handle in handles.items()}
    style |= {"ncols": LEGEND_COLUMNS, "loc": "outside lower center"}
    figure.legend(together.values(), together.keys(), **style)


def parts(family: Family) -> list[Family]:
    """Return what each panel of a table shows: all of it, or those whose names begin alike.

    Those of a group without a curve to draw are named in the first panel that has one.
    """
    if len({curve.label for curve in family.curves}) <= PER_PANEL:
        return [family]
    groups: dict[str, list[Curve]] = {}
    for curve in family.curves:
        groups.setdefault(curve.facts["model"].partition(".")[0], []).append(curve)
    drawn = [curves for curves in groups.values() if any(c.is_line for c in curves)]
    for curves in groups.values():
        if drawn and not any(c.is_line for c in curves):
            drawn[0].extend(curves)
    return [dataclasses.replace(family, curves=tuple(curves)) for curves in drawn]


def _colours(panels: Sequence[Family]) -> dict[str, str]:
    """Return label -> colour: different in a panel, and the same for one model in all of them.

    Different over all panels where there are enough.
    """
    colours: dict[str, str] = {}
    for panel in panels:
        labels = dict.fromkeys(curve.label for curve in panel.curves)
        taken = {colours[label] for label in labels if label in colours}
        free = [colour for colour in COLOURS if colour not in taken] or [*COLOURS]
        free.sort(key=lambda colour: colour in colours.values())  # those no panel has come first
        new = [label for label in labels if label not in colours]
        colours |= {label: free[i % len(free)] for i, label in enumerate(new)}
    return colours


def _panel(axes: Axes, family: Family, colours: Mapping[str, str]) -> None:
    first = family.curves[0]
    scale = scale_of(family.metric)
    for curve in family.curves:
        _curve(axes, curve, colours[curve.label], scale)
    for name, value in _ceilings(first, family.metric).items():
        axes.axhline(scale * value, color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
        place: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 7, "color": "#777777"}
        place["transform"] = axes.get_yaxis_transform()
        axes.text(1.0, scale * value, f"ceiling: {name} ", **place)
    axes.set_title(family.title.partition(":")[0], fontsize=10)
    hit = family.setting.mechanism == "asymmetric"
    axes.set_xlabel("molecules hit, %" if hit else "masked, %", fontsize=9)
    axes.set_ylabel(heading(family.metric), fontsize=9)
    axes.tick_params(labelsize=8)


def _curve(axes: Axes, curve: Curve, colour: str, scale: float) -> None:
    if curve.unmoved:
        text = f"{curve.title}: {curve.why_unmoved}"
        axes.plot([], [], color=colour, label=text, linestyle="")
        return
    points = [p for p in curve.points if p.score is not None]
    x = [100 * p.rate for p in points]
    y = [scale * _height(curve, p) for p in points]
    style: dict[str, Any] = {"color": colour, "linestyle": "--" if curve.shuffled else "-"}
    style["marker"] = MARKERS[COLOURS.index(colour) % len(MARKERS)]
    axes.plot(x, y, markersize=3.5, linewidth=1.4, label=curve.title, **style)
    changes = [p.change for p in points]
    ends = [(c.low - c.mean, c.high - c.mean) if c else (0.0, 0.0) for c in changes]
    low = [b + scale * e[0] for b, e in zip(y, ends, strict=True)]
    high = [b + scale * e[1] for b, e in zip(y, ends, strict=True)]
    axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _height(curve: Curve, point: Point) -> float:
    """Return where a point is drawn: at the table's start plus the change, over paired seeds."""
    start = curve.start()
    if point.change is None or start is None or curve.shuffled:
        return point.score or 0.0
    return float(start.scores.mean()) + point.change.mean


def _ceilings(curve: Curve, metric: MetricName) -> dict[str, float]:
    """Return the computed ceilings of a simulated dataset in its metric, on the labels it has."""
    facts, spec = curve.facts, registered_spec(curve.facts)
    is_simulated = facts["synthetic"] and facts["split"] == REFERENCE
    if spec is None or not spec.ceilings or not is_simulated:
        return {}
    known = {
        name.removeprefix(f"{metric}_"): value
        for name, value in load_object(spec.ceilings)().items()
        if name.startswith(f"{metric}_")
    }
    actual = {n.removesuffix(ACTUAL): v for n, v in known.items() if n.endswith(ACTUAL)}
    return actual or known


# ---------------------------------------------------------------------------------------- audits


def draw_similarity(audits: Sequence[Audit]) -> bytes:
    """Return a PNG: the share of test rows in each tenth of similarity to the nearest training row.

    The part of the last bar that has the very same bits is red.
    """
    columns = min(AUDITS_A_LINE, len(audits))
    lines = math.ceil(len(audits) / columns)
    width = 8.0 if columns > 1 else 4.5
    figure = blank(width, 2.5 * lines + 0.6)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, one in zip(panels, audits, strict=False):
        similarity = one.similarity
        shares = [100 * count / similarity.n for count in similarity.counts]
        alike = 100 * similarity.identical / similarity.n
        places = [i / 10 + 0.05 for i in range(len(shares))]
        axes.bar(places, shares, width=0.09, color=COLOURS[0])
        axes.bar(places[-1:], [alike], width=0.09, color=COLOURS[1])
        axes.axvline(similarity.median, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"{label(one)}, {split_label(one)} ({similarity.n:,} test rows)", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xlim(0, 1)
    for axes in panels[len(audits) :]:
        axes.set_visible(False)
    for i, axes in enumerate(panels[: len(audits)]):
        axes.tick_params(labelbottom=i + columns >= len(audits))
    figure.supxlabel("Tanimoto similarity to the nearest training molecule", fontsize=9)
    figure.supylabel("% of test rows", fontsize=9)
    figure.suptitle("red: the same bits; dotted: median", fontsize=8)
    return png(figure, dpi=150)
