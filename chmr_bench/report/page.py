"""The main page: Markdown made from the records, the same for the same records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chmr_bench.report.boards import Overall
from chmr_bench.report.grids import Grid, overall_grid, table_grid, time_grid
from chmr_bench.report.leaks import audited_grid
from chmr_bench.report.over_splits import OverSplits, splits_grid
from chmr_bench.report.printed import printed_grids
from chmr_bench.report.provenance import provenance_grids
from chmr_bench.report.published import Published
from chmr_bench.report.rows import Collected, Table

MARK = "<!-- made by `chmr-bench leaderboard build` from records/; edit nothing here -->"
INTRODUCTION = """\
Every measured number below stands in a record (`records/`), beside the predictions it was computed
from. `chmr-bench verify` re-hashes data, split and predictions and recomputes scores and intervals;
`chmr-bench leaderboard build --check` says whether these tables are what the records give.

How to read a row: the score is the mean over seeds; s.d. is over seeds (how much a rerun moves);
the 95 % interval is over resampled test molecules (how much another test set of this kind would
move it), by percentile bootstrap of the mean over seeds. "behind the best" is the difference to
the best row, paired over seeds and test molecules; its interval holds the spread over both.
Both draw molecules: test rows of one connectivity (stereoisomers) are drawn together. Models
without randomness run once ("no seed")."""


MISSING = (
    "What models lose where cell read-outs are hidden on purpose: [missing.md](missing.md), its "
    "figures in `missing.csv` and `missing.json`. Those runs are in no table here."
)


def page(
    collected: Collected,
    boards: Sequence[Overall | OverSplits],
    papers: Sequence[Published],
    *,
    missing: bool = False,
) -> str:
    """Return the whole page; `missing` says whether there is one on missing cells beside it."""
    parts = [MARK, "# Leaderboard", INTRODUCTION]
    for overall in boards:
        parts += [section("##", board_grid(overall))]
    real = [t for t in collected.tables if t.kind == "benchmark"]
    leaks = audited_grid(real)
    parts += [section("##", leaks)] if leaks else []
    parts += _printed(real, papers)
    parts += _tables("Datasets", real, "")
    users = [t for t in collected.tables if t.kind == "user"]
    parts += _tables("Users' own tables", users, "On no board.")
    synthetic = [t for t in collected.tables if t.kind == "synthetic"]
    parts += _tables(
        "SYNTHETIC data",
        synthetic,
        "Simulated labels on real molecules: a check of harness and models, not a result about "
        "chemistry. On no board.",
    )
    parts += _time(collected)
    parts += ["## Missing cells", MISSING] if missing else []
    parts += _problems(collected)
    parts += ["## Provenance"]
    parts += [section("###", grid) for grid in provenance_grids(collected)]
    return "\n\n".join(parts) + "\n"


def missing_page(introduction: str, grids: Sequence[Grid], pictures: Sequence[str]) -> str:
    """Return the page on missing cells."""
    parts = [MARK, "# Missing cells", introduction]
    parts += [f"![what is lost as more is hidden]({name})" for name in pictures]
    parts += [section("##", grid) for grid in grids]
    return "\n\n".join(parts) + "\n"


def board_grid(board: Overall | OverSplits) -> Grid:
    """Return a board's table, over splits where its split is drawn."""
    return splits_grid(board) if isinstance(board, OverSplits) else overall_grid(board)


def markdown(grid: Grid) -> str:
    """Return a grid as a Markdown table."""
    from tabulate import tabulate

    align = ["left" if column in grid.left else "right" for column in grid.columns]
    return str(
        tabulate(
            [[_escaped(cell) for cell in row] for row in grid.rows],
            headers=[_escaped(column) for column in grid.columns],
            tablefmt="pipe",
            disable_numparse=True,
            colalign=align if grid.rows else None,
        )
    )


def _escaped(text: str) -> str:
    for character in "\\|*_[]<>{}`":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def section(level: str, grid: Grid) -> str:
    """Return a grid as Markdown under a heading of that level, its notes below."""
    notes = [f"- {_note(line)}" for line in grid.notes]
    parts = [markdown(grid), *(["\n".join(notes)] if notes else [])]
    if grid.folded:
        summary = f"<summary>{len(grid.rows)} rows</summary>"
        parts = [f"<details>\n{summary}", *parts, "</details>"]
    return "\n\n".join([f"{level} {_escaped(grid.title)}", *parts])


def _note(line: str) -> str:
    """Return a note as Markdown: text in backquotes stays, all else is shown as it is."""
    pieces = line.split("`")
    return "`".join(piece if i % 2 else _escaped_words(piece) for i, piece in enumerate(pieces))


def _escaped_words(text: str) -> str:
    """Escape, and keep the blanks at both ends."""
    if not text.strip():
        return text
    left = " " if text[0].isspace() else ""
    right = " " if text[-1].isspace() else ""
    return left + _escaped(text) + right


def _printed(tables: Sequence[Table], papers: Sequence[Published]) -> list[str]:
    grids = printed_grids(papers, [t.dataset.name for t in tables])
    if not grids:
        return []
    lead = (
        "Carried over from papers, in their units, on their splits; none was measured here, and "
        "none stands in a column with a measured figure."
    )
    return ["## As printed", lead, *(section("###", grid) for grid in grids)]


def _tables(title: str, tables: Sequence[Table], lead: str) -> list[str]:
    if not tables:
        return []
    parts = [f"## {title}", *([lead] if lead else [])]
    for table in tables:
        grid = replace(table_grid(table), folded=table.split.seed is not None)
        heading, rest = section("###", grid).split("\n\n", 1)
        parts.append(f"{heading}\n\n{_about(table)}\n\n{rest}")
    return parts


def _about(table: Table) -> str:
    dataset, split = table.dataset, table.split
    unit = f" Unit: {_escaped(dataset.unit)}." if dataset.unit else ""
    title = _escaped(dataset.title)
    title += "" if title.endswith((".", "?", "!")) else "."
    tasks = "task" if dataset.n_tasks == 1 else "tasks"
    return (
        f"{title} {dataset.n_molecules} molecules, {dataset.n_tasks} {tasks}; "
        f"{split.n_train}/{split.n_valid}/{split.n_test} train/valid/test.{unit}"
    )


def _time(collected: Collected) -> list[str]:
    tables = [t for t in collected.tables if t.kind == "benchmark"] or collected.tables
    reference = [t for t in tables if t.split.name == "reference"] or list(tables)
    names = list(dict.fromkeys(t.dataset.name for t in reference))
    grid = time_grid(reference, names)
    return [section("##", grid)] if grid.rows else []


def _problems(collected: Collected) -> list[str]:
    if not collected.problems:
        return []
    lines = [
        f"- {_escaped(problem.path.as_posix())}: {_escaped(problem.reason)}"
        for problem in collected.problems
    ]
    return ["## Left out", "In the records folder, and in no table:", "\n".join(lines)]
