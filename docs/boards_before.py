"""The section on the board before and after: an older commit's scores beside today's.

Usage: ``python docs/boards_before.py COMMIT`` reads ``leaderboards/overall.csv`` of that commit
through git and keeps its scores in ``docs/boards_before.csv``; the section is made from that file.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from sections import RECORDS, REPOSITORY, markdown, rows_in

from chmr_bench.plugins import registry

KEPT, TODAY = Path(__file__).with_suffix(".csv"), RECORDS / "overall.csv"
ROWS = (
    *("chmr", "chmr.molecule-only", "chmr.shuffled-cells", "chmr.head-only"),
    *("fingerprint.mlp", "fingerprint.forest"),
)
"""What the table shows."""
DATASETS = tuple(registry().suite("all"))
ERRORS = ("biogen3k",)
"""Datasets whose score is an MAE, where less is better."""
NOTE = (
    "Each cell: before, after, and in brackets the difference. ROC-AUC in percent, MAE on "
    "biogen3k (there a difference below zero is better). same: to the digits shown. Means over the "
    "runs on the board then and now; no intervals."
)
Scores = dict[str, dict[str, float]]
"""Row -> dataset -> score."""


def section() -> str:
    """Return the table of both boards, for rows that stand on both."""
    kept = rows_in(KEPT)
    before, after = scores(kept), scores(rows_in(TODAY))
    rows = (
        (row, *(_cell(name, before[row], after[row]) for name in DATASETS))
        for row in ROWS
        if row in before and row in after
    )
    commit = kept[0]["commit"]
    return f"{markdown(('row', *DATASETS), rows)}\n\n- Before: commit `{commit}`. {NOTE}"


def scores(board: Iterable[Mapping[str, str]]) -> Scores:
    """Return what the rows of a board say."""
    return {row["row"]: {d: float(row[d]) for d in DATASETS if row.get(d)} for row in board}


def _cell(dataset: str, before: dict[str, float], after: dict[str, float]) -> str:
    """Return both scores and their difference, or that they are the same."""
    if dataset not in before or dataset not in after:
        return "-"
    scale, digits = (1, 3) if dataset in ERRORS else (100, 1)
    was, now = (scale * scores[dataset] for scores in (before, after))
    shown = f"{was:.{digits}f}", f"{now:.{digits}f}"
    if shown[0] == shown[1]:
        return f"{shown[0]}, same"
    return f"{shown[0]}, {shown[1]} ({now - was:+.{digits}f})"


def keep(commit: str) -> None:
    """Write what the board of a commit said of the rows that are shown."""
    git = ["git", "-C", str(REPOSITORY), "show", f"{commit}:leaderboards/overall.csv"]
    text = subprocess.run(git, check=True, capture_output=True, text=True).stdout
    board = scores(csv.DictReader(io.StringIO(text)))
    with KEPT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("commit", "row", *DATASETS))
        for row in ROWS:
            if row in board:
                writer.writerow((commit, row, *(board[row].get(d, "") for d in DATASETS)))


if __name__ == "__main__":
    keep(sys.argv[1])
