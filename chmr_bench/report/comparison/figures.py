"""Two pictures: the gains with their intervals, and the average ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chmr_bench.metrics import METRICS
from chmr_bench.report import figures
from chmr_bench.report.comparison.results import Comparison, OnDataset
from chmr_bench.report.grids import PERCENT, scale_of
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, TALLEST = 7.5, 10.0
"""Inches: a page with its margins."""
COLOURS = (*figures.COLOURS[:6], "#bbbbbb")
MARKERS = "osD^v<>Ph*"
DPI = 150
LONGEST = 30
"""Characters of a model's name that fit beside the axis of ranks at full size."""
MANY = 7
"""Models from which marks are made smaller."""


def draw_gains(comparison: Comparison) -> bytes:
    """Return a PNG: gains over the baseline with intervals, a row a dataset, a panel a metric.

    A filled mark is a verdict of better or worse; empty where there is nothing to draw.
    """
    shown = [d for d in comparison.datasets if any(g.difference for g in d.gains.values())]
    if not shown:
        return b""
    metrics = list(dict.fromkeys(d.metric for d in shown))
    groups = [[d for d in shown if d.metric == m] for m in metrics]
    models = comparison.models[1:]
    per_row = max(0.34, 0.17 * len(models) + 0.1)
    height = per_row * len(shown) + 0.75 * len(groups) + 0.45 + 0.2 * ((len(models) + 2) // 3)
    figure = figures.blank(WIDTH, min(height, TALLEST))
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
    return figures.png(figure, DPI)


def _title(comparison: Comparison) -> str:
    title = f"against {comparison.baseline}; filled: better or worse after Holm's correction"
    gains = [gain for on in comparison.datasets for gain in on.gains.values()]
    alone = any(gain.verdict == "no interval" for gain in gains)
    return f"{title}; no line: no interval" if alone else title


def _panel(
    axes: Axes, metric: MetricName | None, group: Sequence[OnDataset], comparison: Comparison
) -> None:
    models = comparison.models[1:]
    scale = scale_of(metric)
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
            difference, at = gain.difference, i + offset
            clear = gain.verdict in ("better", "worse")
            axes.hlines(
                at, scale * difference.low, scale * difference.high, color=colour, linewidth=1.3
            )
            axes.plot(
                scale * difference.mean,
                at,
                MARKERS[j % len(MARKERS)],
                color=colour,
                markerfacecolor=colour if clear else "white",
                markersize=size,
            )
    for i in range(1, len(group)):
        axes.axhline(i - 0.5, color="#e5e5e5", linewidth=0.6)
    axes.set_yticks(range(len(group)), [on.marked_name for on in group], fontsize=8)
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


def draw_ranks(comparison: Comparison) -> bytes:
    """Return a PNG: the critical-difference diagram of average ranks; empty where there are none.

    A bar joins models that Nemenyi's test does not tell apart (Demsar, JMLR 2006, figure 1).
    """
    import pandas as pd
    from scikit_posthocs import critical_difference_diagram

    overall = comparison.overall
    if overall is None:
        return b""
    ranks = pd.Series(overall.average_rank)
    near = abs(ranks.to_numpy()[:, None] - ranks.to_numpy()) < overall.difference
    p = pd.DataFrame(near.astype(float), index=ranks.index, columns=ranks.index)
    k = len(ranks)
    figure = figures.blank(WIDTH, 1.3 + 0.27 * ((k + 1) // 2))
    axes = figure.add_subplot()
    drawn = critical_difference_diagram(
        ranks,
        p,
        ax=axes,
        label_fmt_left="{label}  {rank:.2f} ",
        label_fmt_right=" {rank:.2f}  {label}",
        text_h_margin=0.03 * (k - 1),
        label_props={"fontsize": min(8.0, 8.0 * LONGEST / max(map(len, ranks.index)))},
        marker_props={"color": "black", "s": 14},
        elbow_props={"color": "#555555", "linewidth": 0.8},
        crossbar_props={"color": "#222222", "linewidth": 3.0, "marker": None},
    )
    for bar in (line for lines in drawn["crossbars"] for line in lines):
        bar.set_xdata(sorted(bar.get_xdata()))  # a bar is drawn through a set, in any order
    axes.set_xlim(1 - 0.02 * (k - 1), k + 0.02 * (k - 1))
    axes.set_xticks(range(1, k + 1))
    axes.tick_params(labelsize=8)
    title = f"average rank over {len(overall.datasets)} datasets, 1 = best"
    axes.set_title(f"{title}; critical difference {overall.difference:.2f}", fontsize=9)
    return figures.png(figure, DPI)
