"""Ours against printed: each row of ours beside the printed row it answers to.

The two never share a column. A gap of more than two s.d. has a sentence that says why; the s.d. is
the root of the sum of both squares, of ours over seeds and of the printed one as it stands.
Printed figures are those of `baselines/published`, ours those of `leaderboards/tables`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sections import TABLES, markdown, rows_in

from chmr_bench.report.printed import around
from chmr_bench.report.published import Figure, all_published

FILE = Path(__file__).with_suffix(".toml")
LARGE = 2.0
"""Gaps of more s.d. than this are explained."""
UNEXPLAINED = "Not explained yet."
HEAD = ("dataset", "printed row", "printed", "our row", "ours", "ours minus printed", "in s.d.")


@dataclass(frozen=True)
class Gap:
    """A printed figure and ours, both in the printed unit; `size` is in s.d., None without one."""

    dataset: str
    printed: str
    ours: str
    theirs: tuple[float, float]
    own: tuple[float, float]

    @property
    def difference(self) -> float:
        """Ours minus printed."""
        return self.own[0] - self.theirs[0]

    @property
    def size(self) -> float:
        """The difference in s.d.; infinite where neither varies."""
        spread = math.hypot(self.own[1], self.theirs[1])
        return abs(self.difference) / spread if spread else math.inf


def section() -> str:
    """Return the table, and a sentence on each large gap, as Markdown."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    found = gaps(content["pair"])
    table = markdown(HEAD, map(_cells, found), left=("printed row", "our row"))
    return "\n".join([table, "", *explained(found, content["reason"])])


def gaps(pairs: Sequence[Mapping[str, str]]) -> list[Gap]:
    """Return every printed figure whose row of ours is on record, pair by pair."""
    found = []
    for pair in pairs:
        for figure in _printed(pair["paper"], pair["table"], pair["printed"]):
            own = _ours(figure.dataset, pair["ours"])
            if own is not None and figure.mean is not None:
                theirs = figure.mean, figure.std or 0.0
                found.append(Gap(figure.dataset, figure.model, pair["ours"], theirs, own))
    return found


def explained(found: Sequence[Gap], reasons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line a reason, with the large gaps it is of."""
    lines: dict[str, dict[str, None]] = {}
    for gap in found:
        if gap.size > LARGE:
            fits = (
                reason["why"]
                for reason in reasons
                if gap.printed in reason["printed"] and gap.dataset in reason["datasets"]
            )
            named = lines.setdefault(next(fits, UNEXPLAINED), {})
            named[f"{gap.printed} on {gap.dataset}"] = None  # several rows of ours may answer
    return [f"- {', '.join(named)}: {why}" for why, named in lines.items()]


def _printed(paper: str, name: str, model: str) -> list[Figure]:
    """Return what a table of a paper prints of a model."""
    (table,) = (
        table
        for published in all_published()
        for table in published.table
        if (published.paper.key, table.name) == (paper, name)
    )
    return [figure for figure in table.figures if figure.model == model]


def _ours(dataset: str, name: str) -> tuple[float, float] | None:
    """Return our mean and s.d. over seeds, times 100 as printed; None where there is no row."""
    for row in rows_in(TABLES / f"{dataset}.csv"):
        if (row["split"], row["row"]) == ("reference", name) and row["score"]:
            return 100 * float(row["score"]), 100 * float(row["sd_over_seeds"] or 0)
    return None


def _cells(gap: Gap) -> tuple[str, ...]:
    """Return the cells of a gap's row."""
    size = "no s.d." if math.isinf(gap.size) else f"{gap.size:.1f}"
    down = " (MAE × 100 ↓)" if gap.dataset == "biogen3k" else ""
    theirs, own = (around(mean, sd or None) for mean, sd in (gap.theirs, gap.own))
    shown = (theirs, gap.ours, own, f"{gap.difference:+.1f}", size)
    return (f"{gap.dataset}{down}", gap.printed, *shown)
