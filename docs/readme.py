"""Fill the generated sections of the README and of the pages: tables, audits, commands.

Usage: ``python docs/readme.py`` (or ``make readme``); with ``--check`` it writes nothing and leaves
with 1 where a file is not what it would write.
"""

from __future__ import annotations

import csv
import importlib.util
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chmr_bench.report.aggregate import Row, Table

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/results.md", "docs/audits.md", "docs/cells.md", "docs/cli.md")
"""Files with sections ``<!-- NAME: made by ... -->`` to ``<!-- /NAME -->``."""
LEADERBOARD = REPOSITORY / "leaderboards" / "README.md"
RECORDS = REPOSITORY / "leaderboards"
TABLES = RECORDS / "tables"
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


def filled(text: str) -> str:
    """Return a page with its generated sections made anew."""
    makers = {
        "small": small_table,
        "table": main_table,
        "chmr": chmr_tables,
        "finetuned": finetuned_table,
        "pretrainings": pretrainings_table,
        "audit": audit_table,
        "molecules": molecule_table,
        "against": against_printed,
        "before": lambda: _section_of("boards_before"),
        "joined": lambda: _section_of("joined"),
        "matching": lambda: _section_of("matching"),
        "own": lambda: _section_of("own_profiles"),
        "adds": lambda: _section_of("own_profiles", "adds"),
        "masked": lambda: _section_of("masked_profiles"),
        "weaker": lambda: _section_of("own_profiles", "weaker"),
        "encoder": lambda: _section_of("own_profiles", "encoder"),
        "families": lambda: _section_of("own_profiles", "families"),
        "strict": lambda: _section_of("strict_splits"),
        "commands": commands,
    }
    for name, make in makers.items():
        pattern = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if pattern.search(text):
            content = make()
            text = pattern.sub(lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text)
    return text


def small_table() -> str:
    """Return the models that cover all nine datasets: two datasets, the mean and the rank."""
    path = RECORDS / "overall.csv"
    if not path.is_file():
        return NO_TABLE
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["n_covered"] == row["n_datasets"]]
    lines = [f"| {' | '.join(SMALL)} |", "|:--|" + "--:|" * (len(SMALL) - 1)]
    for row in rows:
        keys = ("chembl2k", "broad6k", *(f"classification_{k}" for k in ("mean", "low", "high")))
        chembl, broad, mean, low, high = (f"{100 * float(row[key]):.1f}" for key in keys)
        rank = row["average_rank"]  # of a row that may have seen labels: none
        rank = f"{float(rank):.1f}" if rank else "labels possibly seen"
        mae = f"{float(row['biogen3k']):.3f}"
        cells = [row["row"], chembl, broad, mae, mean, f"{low} to {high}", rank]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", SMALL_NOTE])


def main_table() -> str:
    """Return the first table of the leaderboard's page with its notes, or a line without one."""
    if not LEADERBOARD.is_file():
        return NO_TABLE
    sections = re.split(r"^## .*$", LEADERBOARD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    first = next((s.strip() for s in sections if re.search(r"^\|", s, re.MULTILINE)), "")
    return first or NO_TABLE


def audit_table() -> str:
    """Return how much of each published test part training has seen, by the audits on record."""
    from chmr_bench.report.audits import audited_grid
    from chmr_bench.report.grids import markdown

    real = [t for t in _tables(RECORDS) if t.kind == "benchmark" and "+" not in t.name]
    grid = audited_grid([t for t in real if t.split_name == "reference"])
    return markdown(grid) if grid else "*No audit is on record yet.*"


def molecule_table() -> str:
    """Return how many molecules each dataset has at each level, by the audits on record."""
    from chmr_bench.report.audits import LEVEL_WORDS

    lines: list[str] = []
    for table in _tables(RECORDS):
        audit, n = table.audited, table.facts["n_molecules"]
        if table.kind != "benchmark" or table.split_name != "reference" or not audit:
            continue
        if not audit.molecules or "+" in table.name:
            continue
        levels = [level for level in LEVEL_WORDS if level in audit.molecules]
        if not lines:
            words = (LEVEL_WORDS[level].replace("same", "by") for level in levels)
            lines = [
                f"| dataset | rows | {' | '.join(words)} |",
                "|:--|" + "--:|" * (1 + len(levels)),
            ]
        counts = (f"{audit.molecules[level]:,}" for level in levels)
        lines.append(f"| {table.name} | {n:,} | {' | '.join(counts)} |")
    return "\n".join(lines) or "*No audit is on record yet.*"


def against_printed() -> str:
    """Return our rows beside the printed rows they answer to, and why they differ."""
    return _section_of("against_printed")


def _section_of(name: str, function: str = "section") -> str:
    """Return what a function of another file of this folder gives."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be read")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return str(getattr(module, function)())


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
    lines = ["| dataset | pairs | real | permuted | difference |", "|:--|--:|--:|--:|--:|"]
    for table in _tables(RECORDS):
        if table.split_name != "reference":
            continue
        real, permuted = (_row_of(table, name) for name in (PRETRAININGS, PRETRAININGS_PERMUTED))
        if real is None or permuted is None or real.score is None or permuted.score is None:
            continue
        scale, digits = (100, 1) if table.metric in PERCENT else (1, 3)
        scores = " | ".join(f"{scale * row.score:.{digits}f}" for row in (real, permuted))
        gain = _gain(table, PRETRAININGS, PRETRAININGS_PERMUTED)
        lines.append(f"| {_named(table)} | {len(real.lines)} | {scores} | {gain} |")
    return "\n".join(lines)


@cache
def _tables(folder: Path) -> tuple[Table, ...]:
    """Return the tables of a folder of records, in the order of its first board."""
    from chmr_bench.records import RecordStore
    from chmr_bench.report import leaderboard
    from chmr_bench.report.boards import load_boards

    boards = load_boards(folder / leaderboard.BOARDS)
    return leaderboard.collect(RecordStore(folder), boards).tables


def _rows(path: Path) -> dict[str, dict[str, str]]:
    """Return row name -> what one dataset's table says of it, where it says a score."""
    with path.open(encoding="utf-8", newline="") as file:
        scored = [row for row in csv.DictReader(file) if row["score"]]
    return {row["row"]: row for row in scored if row["split"] == "reference"}


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
    names = " | ".join(other.replace("[", r"\[").replace("]", r"\]") for other in shown)
    lines = [f"| {base} minus | {names} |", "|:--|" + "--:|" * len(shown)]
    for table in tables:
        cells = [_gain(table, base, other) for other in shown]
        lines.append(f"| {_named(table)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(table: Table) -> str:
    """Return the dataset's name, with the metric where it is no percentage."""
    return table.name if table.metric in PERCENT else f"{table.name} ({table.metric.upper()})"


def _gain(table: Table, base: str, other: str) -> str:
    """Return the paired difference and its interval, above zero where `base` is better.

    It is of the seeds that both rows have.
    """
    from chmr_bench.report.digits import difference_text
    from chmr_bench.statistics.changes import change_of

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
    heading = f"| {ours['dataset']} (simulated) | {ours['metric']}{_unit(ours)} | 95 % | runs |"
    lines = [heading, "|:--|--:|:--|--:|"]
    for row in rows.values():
        score, low, high = (_shown(row, key) for key in ("score", "low", "high"))
        lines.append(f"| {row['row']} | {score} | {low} to {high} | {row['n_runs']} |")
    return "\n".join(lines)


def _unit(row: Mapping[str, str]) -> str:
    return " %" if row["metric"] in PERCENT else ""


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
    import typer.main

    from chmr_bench.cli.app import app

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
