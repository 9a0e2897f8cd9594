"""The section on the board before and after: an older commit's scores beside today's.

Usage: ``python docs/boards_before.py COMMIT`` reads ``leaderboards/overall.csv`` of that commit
through git and keeps its scores in ``docs/boards_before.csv``; the section is made from that file.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT, TODAY = HERE / "boards_before.csv", HERE.parent / "leaderboards" / "overall.csv"
ROWS = (
    *("chmr", "chmr.molecule-only", "chmr.shuffled-cells", "chmr.head-only"),
    *("fingerprint.mlp", "fingerprint.forest"),
)
"""What the table shows."""
DATASETS = (
    *("chembl2k", "broad6k", "biogen3k", "toxcast", "bbbp", "bace", "clintox", "sider", "hiv"),
)
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
    commit, before = _kept()
    after = scores(TODAY.read_text(encoding="utf-8"))
    lines = [f"| row | {' | '.join(DATASETS)} |", "|:--|" + "--:|" * len(DATASETS)]
    for row in ROWS:
        if row in before and row in after:
            cells = (_cell(name, before[row], after[row]) for name in DATASETS)
            lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"- Before: commit `{commit}`. {NOTE}"])


def scores(text: str) -> Scores:
    """Return what a board's CSV says of each row."""
    table = csv.DictReader(io.StringIO(text))
    return {row["row"]: {d: float(row[d]) for d in DATASETS if row.get(d)} for row in table}


def _kept() -> tuple[str, Scores]:
    """Return the older commit, and its scores."""
    text = KEPT.read_text(encoding="utf-8")
    return next(csv.DictReader(io.StringIO(text)))["commit"], scores(text)


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
    git = ["git", "-C", str(HERE), "show", f"{commit}:leaderboards/overall.csv"]
    board = scores(subprocess.run(git, check=True, capture_output=True, text=True).stdout)
    with KEPT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("commit", "row", *DATASETS))
        for row in ROWS:
            if row in board:
                writer.writerow((commit, row, *(board[row].get(d, "") for d in DATASETS)))


if __name__ == "__main__":
    keep(sys.argv[1])
