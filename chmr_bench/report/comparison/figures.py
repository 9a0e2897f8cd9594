"""Two pictures: the gains with their intervals, and the average ranks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from chmr_bench.metrics import METRICS
from chmr_bench.report.comparison.results import Comparison, OnDataset
from chmr_bench.report.grids import PERCENT
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from chmr_bench.report.comparison.overall import Overall

WIDTH, TALLEST = 7.5, 10.0
"""Inches: a page with its margins."""
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Paul Tol's bright scheme, which the colour-blind can tell apart."""
MARKERS = "osD^v<>Ph*"
DPI = 150
LONGEST = 22
"""Characters of a model's name that fit beside the axis of ranks at full size."""
MANY = 7
"""Models from which marks are made smaller."""


def draw_gains(path: Path, comparison: Comparison) -> bool:
    """Draw the gain over the baseline with its interval, a row a dataset, a panel a metric.

    A filled mark is a verdict of better or worse; False where there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [d for d in comparison.datasets if any(g.difference for g in d.gains.values())]
    if not shown:
        return False
    metrics = list(dict.fromkeys(d.metric for d in shown))
    groups = [[d for d in shown if d.metric == m] for m in metrics]
    models = comparison.models[1:]
    per_row = max(0.34, 0.17 * len(models) + 0.1)
    height = per_row * len(shown) + 0.75 * len(groups) + 0.45 + 0.2 * ((len(models) + 2) // 3)
    figure = Figure(figsize=(WIDTH, min(height, TALLEST)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(groups), 1, height_ratios=[len(g) + 0.3 for g in groups])
    for i, (metric, group) in enumerate(zip(metrics, groups, strict=True)):
        _panel(figure.add_subplot(grid[i]), metric, group, comparison)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=min(3, len(models)),
        fontsize=8,
        frameon=False,
        title=_title(comparison),
        title_fontsize=8,
    )
    figure.savefig(path, format="png", dpi=DPI)
    return True


def _title(comparison: Comparison) -> str:
    title = f"against {comparison.baseline}; filled: better or worse after Holm's correction"
    gains = [gain for on in comparison.datasets for gain in on.gains.values()]
    alone = any(gain.verdict == "no interval" for gain in gains)
    return f"{title}; no line: no interval" if alone else title


def _panel(
    axes: Axes, metric: MetricName | None, group: Sequence[OnDataset], comparison: Comparison
) -> None:
    models = comparison.models[1:]
    scale = 100.0 if metric in PERCENT else 1.0
    step = min(0.8 / len(models), 0.3)
    size = 5.0 if len(models) < MANY else 3.5
    axes.axvline(0.0, color="black", linewidth=0.9, zorder=0)
    for j, model in enumerate(models):
        colour = COLOURS[j % len(COLOURS)]
        offset = (j - (len(models) - 1) / 2) * step
        axes.plot([], [], MARKERS[j % len(MARKERS)], color=colour, label=model, markersize=size)
        for i, on in enumerate(group):
            gain = on.gains[model]
            if gain.difference is None:
                continue
            found, at = gain.difference, i + offset
            clear = gain.verdict in ("better", "worse")
            axes.hlines(at, scale * found.low, scale * found.high, color=colour, linewidth=1.3)
            axes.plot(
                scale * found.mean,
                at,
                MARKERS[j % len(MARKERS)],
                color=colour,
                markerfacecolor=colour if clear else "white",
                markersize=size,
            )
    for i in range(1, len(group)):
        axes.axhline(i - 0.5, color="#e5e5e5", linewidth=0.6)
    axes.set_yticks(
        range(len(group)), [on.name + ("*" if on.synthetic else "") for on in group], fontsize=8
    )
    axes.set_ylim(len(group) - 0.45, -0.55)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(_unit(metric), fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _unit(metric: MetricName | None) -> str:
    """Return what the axis shows, with its unit; to the right is better, whatever the metric."""
    if metric is None:
        return "gain"
    title = METRICS[metric].title
    unit = ", percentage points" if metric in PERCENT else ", unit of the label"
    less = "" if METRICS[metric].greater_is_better else "less "
    return f"gain: {less or 'more '}{title}{unit} (95 % interval; right of zero is better)"


# ------------------------------------------------------------------------------------------- ranks


def draw_ranks(path: Path, comparison: Comparison) -> bool:
    """Draw average ranks; a bar joins models that Nemenyi's test does not tell apart.

    After Demsar (JMLR 2006, figure 1). False where there are no ranks.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    overall = comparison.overall
    if overall is None:
        return False
    k = len(comparison.models)
    bars = [_ends(overall, group) for group in overall.groups]
    levels = _levels(bars)
    first = 0.55 + 0.2 * (max(levels, default=-1) + 1)
    bottom = first + 0.26 * ((k + 1) // 2) + 0.1
    figure = Figure(figsize=(WIDTH, bottom + 1.15))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    margin = 0.55 * (k - 1)
    axes.set_xlim(1 - margin, k + margin)
    axes.set_ylim(bottom, -1.15)
    axes.axis("off")
    _scale(axes, k, overall)
    for (left, right), level in zip(bars, levels, strict=True):
        at = 0.25 + 0.2 * level
        over = 0.012 * (k - 1)
        axes.plot([left - over, right + over], [at, at], color="#222222", linewidth=3.5)
    _names(axes, overall, first)
    figure.savefig(path, format="png", dpi=DPI)
    return True


def _ends(overall: Overall, group: Sequence[str]) -> tuple[float, float]:
    ranks = [overall.average_rank[model] for model in group]
    return min(ranks), max(ranks)


def _levels(bars: Sequence[tuple[float, float]]) -> list[int]:
    """Return a level for each bar, so that bars that overlap do not lie on one another."""
    ends: list[float] = []
    levels = []
    for left, right in bars:
        level = next((i for i, end in enumerate(ends) if end < left), len(ends))
        ends[level : level + 1] = [right]
        levels.append(level)
    return levels


def _scale(axes: Axes, k: int, overall: Overall) -> None:
    """Draw the axis of ranks, and the critical difference above it."""
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for rank in range(1, k + 1):
        axes.plot([rank, rank], [0, -0.08], color="black", linewidth=1)
        axes.text(rank, -0.13, str(rank), ha="center", va="bottom", fontsize=8)
    end = min(1 + overall.difference, k)
    axes.plot([1, end], [-0.5, -0.5], color="black", linewidth=1.2)
    for x in (1.0, end):
        axes.plot([x, x], [-0.55, -0.45], color="black", linewidth=1.2)
    more = " (beyond the scale)" if end < 1 + overall.difference else ""
    told = f"critical difference {overall.difference:.2f}{more}"
    axes.text(1, -0.6, told, ha="left", va="bottom", fontsize=8)
    title = f"average rank over {len(overall.datasets)} datasets, 1 = best"
    axes.text((1 + k) / 2, -0.9, title, ha="center", va="bottom", fontsize=9)


def _names(axes: Axes, overall: Overall, first: float) -> None:
    """Write the better half of the models on the left, the others on the right."""
    order = sorted(overall.average_rank, key=lambda m: overall.average_rank[m])
    k = len(order)
    half = (k + 1) // 2
    left, right = 1 - 0.06 * (k - 1), k + 0.06 * (k - 1)
    size = min(8.0, 8.0 * LONGEST / max(len(m) for m in order))
    places = [(m, left, "right", i) for i, m in enumerate(order[:half])]
    places += [(m, right, "left", i) for i, m in enumerate(reversed(order[half:]))]
    for model, x, side, i in places:
        rank, at = overall.average_rank[model], first + 0.26 * i
        for (x0, y0), (x1, y1) in pairwise([(rank, 0.0), (rank, at), (x, at)]):
            axes.plot([x0, x1], [y0, y1], color="#555555", linewidth=0.8)
        text = f"{model}  {rank:.2f}" if side == "right" else f"{rank:.2f}  {model}"
        gap = -0.01 * k if side == "right" else 0.01 * k
        axes.text(x + gap, at, text, ha=side, va="center", fontsize=size)
