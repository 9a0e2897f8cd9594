"""Fill the generated sections of the README and of the pages: tables, audits, commands.

Usage: ``python docs/readme.py`` (or ``make readme``); with ``--check`` it writes nothing and leaves
with 1 where a file is not what it would write.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import against_printed
import boards_before
import joined
import masked_profiles
import matching
import own_profiles
import strict_splits
import typer.main
from sections import RECORDS, REPOSITORY, TABLES, escaped, markdown, rows_in

from chmr_bench.cli.app import app
from chmr_bench.records import RecordStore
from chmr_bench.report import grids, leaderboard
from chmr_bench.report.aggregate import Row, Table
from chmr_bench.report.audits import LEVEL_WORDS, audited_grid
from chmr_bench.report.boards import load_boards
from chmr_bench.report.digits import difference_text
from chmr_bench.statistics.changes import change_of

PAGES = ("README.md", "docs/results.md", "docs/audits.md", "docs/cells.md", "docs/cli.md")
"""Files with sections ``<!-- NAME: made by ... -->`` to ``<!-- /NAME -->``."""
LEADERBOARD = RECORDS / "README.md"
SMALL = ("model", "chembl2k", "broad6k", "biogen3k MAE ↓", "mean of 8", "95 %", "rank")
SMALL_NOTE = (
    "ROC-AUC in percent, mean over seeds; the mean is over the eight classification datasets, the "
    "rank over all nine: 1, plus 1 for each clearly better row and half for each tie (95 % "
    "overlap)."
)
NO_TABLE = "*No results are on record yet.*"
AGAINST = (
    "chmr.molecule-only",
    "chmr.shuffled-cells",
    "chmr.head-only",
    "chmr.random-encoder",
    "cells.regressor",
    "fingerprint.forest",
)
"""What the row `chmr` is set against."""
FINETUNED = "chmr.finetuned"
FINETUNED_AGAINST = (
    "chmr.finetuned [shuffle_cells=true]",
    "chmr.finetuned [encoder=random]",
    "fingerprint.mlp",
    "chmr",
)
"""What that row is set against: permuted profiles; an encoder untrained, none, a frozen one."""
PRETRAININGS = f"{FINETUNED} [pretrain_seed=run]"
PRETRAININGS_PERMUTED = f"{FINETUNED} [pretrain_seed=run, shuffle_cells=true]"
"""The same where each run has a pretraining of its own."""
SHARED_BY = 4
"""So many commands that have an option make it a shared one."""
PERCENT = ("roc_auc", "average_precision")


def makers() -> dict[str, Callable[[], str]]:
    """Return name of a section -> what makes it."""
    return {
        "small": small_table,
        "table": main_table,
        "chmr": chmr_tables,
        "finetuned": finetuned_table,
        "pretrainings": pretrainings_table,
        "audit": audit_table,
        "molecules": molecule_table,
        "against": against_printed.section,
        "before": boards_before.section,
        "joined": joined.section,
        "matching": matching.section,
        "own": own_profiles.section,
        "adds": own_profiles.adds,
        "masked": masked_profiles.section,
        "weaker": own_profiles.weaker,
        "encoder": own_profiles.encoder,
        "families": own_profiles.families,
        "strict": strict_splits.section,
        "commands": commands,
    }


def filled(text: str) -> str:
    """Return a page with its generated sections made anew."""
    for name, make in makers().items():
        pattern = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if pattern.search(text):
            content = make()
            text = pattern.sub(lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text)
    return text


def small_table() -> str:
    """Return the models that cover all nine datasets: two datasets, the mean and the rank."""
    rows = []
    for row in rows_in(RECORDS / "overall.csv"):
        if row["n_covered"] != row["n_datasets"]:
            continue
        keys = ("chembl2k", "broad6k", *(f"classification_{k}" for k in ("mean", "low", "high")))
        chembl, broad, mean, low, high = (f"{100 * float(row[key]):.1f}" for key in keys)
        rank = row["average_rank"]  # of a row that may have seen labels: none
        rank = f"{float(rank):.1f}" if rank else "labels possibly seen"
        mae = f"{float(row['biogen3k']):.3f}"
        rows.append((row["row"], chembl, broad, mae, mean, f"{low} to {high}", rank))
    return f"{markdown(SMALL, rows)}\n\n{SMALL_NOTE}" if rows else NO_TABLE


def main_table() -> str:
    """Return the first table of the leaderboard's page with its notes, or a line without one."""
    if not LEADERBOARD.is_file():
        return NO_TABLE
    sections = re.split(r"^## .*$", LEADERBOARD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    first = next((s.strip() for s in sections if re.search(r"^\|", s, re.MULTILINE)), "")
    return first or NO_TABLE


def audit_table() -> str:
    """Return how much of each published test part training has seen, by the audits on record."""
    real = [t for t in _tables(RECORDS) if t.kind == "benchmark" and "+" not in t.name]
    grid = audited_grid([t for t in real if t.split_name == "reference"])
    return grids.markdown(grid) if grid else "*No audit is on record yet.*"


def molecule_table() -> str:
    """Return how many molecules each dataset has at each level, by the audits on record."""
    audited = [
        (table, table.audited)
        for table in _tables(RECORDS)
        if table.kind == "benchmark" and table.split_name == "reference" and "+" not in table.name
    ]
    known = [(table, audit) for table, audit in audited if audit and audit.molecules]
    if not known:
        return "*No audit is on record yet.*"
    levels = [level for level in LEVEL_WORDS if level in known[0][1].molecules]
    heads = ("dataset", "rows", *(LEVEL_WORDS[level].replace("same", "by") for level in levels))
    rows = []
    for table, audit in known:
        counts = (table.facts["n_molecules"], *(audit.molecules[level] for level in levels))
        rows.append((table.name, *(f"{n:,}" for n in counts)))
    return markdown(heads, rows)


def chmr_tables() -> str:
    """Return what CHMR adds to its controls, paired, and its variants on simulated data."""
    tables = [t for t in _tables(RECORDS) if t.split_name == "reference" and _row_of(t, "chmr")]
    real = [t for t in tables if t.kind == "benchmark"]
    simulated = [t for t in tables if t.kind == "synthetic"]
    parts = [_gains(chosen, "chmr", AGAINST) for chosen in (real, simulated) if chosen]
    rows = [_rows(path) for path in sorted(TABLES.glob("*.csv"))]
    parts += [_variants(r) for r in rows if r.get("chmr", {}).get("synthetic") == "True"]
    return "\n\n".join(parts) or "*CHMR is not on record yet.*"


def finetuned_table() -> str:
    """Return what an encoder trained on adds, paired."""
    tables = [t for t in _tables(RECORDS) if t.split_name == "reference" and _row_of(t, FINETUNED)]
    return _gains(tables, FINETUNED, FINETUNED_AGAINST) or "*It is not on record yet.*"


def pretrainings_table() -> str:
    """Return what real profiles add where each run has a pretraining of its own, paired."""
    rows = []
    for table in _tables(RECORDS):
        if table.split_name != "reference":
            continue
        real, permuted = (_row_of(table, name) for name in (PRETRAININGS, PRETRAININGS_PERMUTED))
        if real is None or permuted is None or real.score is None or permuted.score is None:
            continue
        scale, digits = (100, 1) if table.metric in PERCENT else (1, 3)
        scores = (f"{scale * row.score:.{digits}f}" for row in (real, permuted))
        gain = _gain(table, PRETRAININGS, PRETRAININGS_PERMUTED)
        rows.append((_named(table), len(real.lines), *scores, gain))
    return markdown(("dataset", "pairs", "real", "permuted", "difference"), rows)


@cache
def _tables(folder: Path) -> tuple[Table, ...]:
    """Return the tables of a folder of records, in the order of its first board."""
    boards = load_boards(folder / leaderboard.BOARDS)
    return leaderboard.collect(RecordStore(folder), boards).tables


def _rows(path: Path) -> dict[str, dict[str, str]]:
    """Return row name -> what one dataset's table says of it, where it says a score."""
    rows = rows_in(path)
    return {row["row"]: row for row in rows if row["score"] and row["split"] == "reference"}


def _row_of(table: Table, name: str) -> Row | None:
    """Return a table's row with a score, None where it has none.

    A model stands for its only row as it comes, which may be called more than its name where
    another table has it with other weights.
    """
    scored = [row for row in table.rows if row.score is not None]
    plain = [r for r in scored if (r.first["model"], r.first["overrides"]) == (name, "{}")]
    called = [row for row in scored if row.label == name]
    return called[0] if called else plain[0] if len(plain) == 1 else None


def _gains(tables: Sequence[Table], base: str, against: Sequence[str]) -> str:
    """Return the differences between a row and what it is set against, a line a dataset."""
    shown = [o for o in against if any(_row_of(table, o) for table in tables)]
    if not shown:
        return ""
    rows = ((_named(t), *(_gain(t, base, other) for other in shown)) for t in tables)
    return markdown((f"{base} minus", *map(escaped, shown)), rows)


def _named(table: Table) -> str:
    """Return the dataset's name, with the metric where it is no percentage."""
    return table.name if table.metric in PERCENT else f"{table.name} ({table.metric.upper()})"


def _gain(table: Table, base: str, other: str) -> str:
    """Return the paired difference and its interval, above zero where `base` is better.

    It is of the seeds that both rows have.
    """
    ours, theirs = _row_of(table, base), _row_of(table, other)
    if ours is None or theirs is None or ours.score is None or theirs.score is None:
        return "-"
    sign = 1 if table.greater_is_better else -1
    scale, digits = (100 * sign, 1) if table.metric in PERCENT else (sign, 3)
    text = f"{scale * (ours.score - theirs.score):+.{digits}f}"
    if ours.runs is None or theirs.runs is None:
        return text
    difference, unpaired = change_of(ours.runs, theirs.runs)
    if difference is None:
        return f"{text} (no seed in common)"
    if math.isnan(difference.p):
        shared = f"{scale * difference.mean:+.{digits}f}" if unpaired else text
        return f"{shared} (no interval)"
    low, high = sorted((scale * difference.low, scale * difference.high))
    return difference_text(scale * difference.mean, low, high, digits)


def _variants(rows: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table of all models on one simulated dataset."""
    ours = rows["chmr"]
    unit = " %" if ours["metric"] in PERCENT else ""
    heads = (f"{ours['dataset']} (simulated)", f"{ours['metric']}{unit}", "95 %", "runs")
    shown = []
    for row in rows.values():
        score, low, high = (_shown(row, key) for key in ("score", "low", "high"))
        shown.append((row["row"], score, f"{low} to {high}", row["n_runs"]))
    return markdown(heads, shown, left=["95 %"])


def _shown(row: Mapping[str, str], key: str) -> str:
    if not row[key]:
        return "-"
    value = float(row[key])
    return f"{100 * value:.1f}" if row["metric"] in PERCENT else f"{value:.3f}"


def commands() -> str:
    """Return every command with its options, as Markdown; what many share stands once, above."""
    rows = {
        path: [_option(parameter) for parameter in command.params if parameter.name != "help"]
        for path, command in walk()
    }
    counts = Counter(row for own in rows.values() for row in own)
    common = [row for row, n in counts.items() if n >= SHARED_BY and row.startswith("| `--")]
    # Of two rows for one option the more frequent one is shared, or the first.
    by_name: dict[str, str] = {}
    for row in sorted(common, key=lambda row: counts[row]):
        name = row.split("`")[1]
        if counts[row] > counts[by_name.get(name, "")]:
            by_name[name] = row
    shared = {row: name for name, row in by_name.items()}
    head = ["| option | meaning |", "|---|---|"]
    parts = ["\n".join(["## Options that commands share", "", *head, *shared])]
    for path, command in walk():
        lines = [f"## `{path}`", "", " ".join((command.help or "").split())]
        own = [row for row in rows[path] if row not in shared]
        lines += ["", *head, *own] if own else []
        names = [f"`{shared[row]}`" for row in rows[path] if row in shared]
        lines += ["", f"Shared: {', '.join(names)}."] if names else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def walk() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its full name."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name, command
            return
        for child, inner in children.items():
            yield from below(f"{name} {child}", inner)

    yield from below("chmr-bench", typer.main.get_command(app))


def _option(parameter: Any) -> str:
    flag = getattr(parameter, "is_flag", False)
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{opt}`" for opt in parameter.opts)
    notes = []
    default = parameter.default
    if not flag and default not in (None, (), [], "") and not callable(default):
        notes.append(f"default `{default}`")
    if getattr(parameter, "envvar", None):
        notes.append(f"also `{parameter.envvar}`")
    text = _first_line(getattr(parameter, "help", "")).replace("|", "\\|")
    remarks = f" ({', '.join(notes)})" if notes else ""
    return f"| {name} | {text}{remarks} |"


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are out of date."""
    stale = 0
    for name in PAGES:
        path = REPOSITORY / name
        text = path.read_text(encoding="utf-8")
        wanted = filled(text)
        if wanted == text:
            continue
        stale += 1
        if "--check" in arguments:
            sys.stderr.write(f"{name} is out of date; mend with: make readme\n")
        else:
            path.write_text(wanted, encoding="utf-8")
    return int("--check" in arguments and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
