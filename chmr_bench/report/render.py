"""Plain data to Markdown pages: what is said, and how a number is shown, stands in templates.

What makes a table of text out of plain data is a filter of theirs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench.errors import writing
from chmr_bench.report.aggregate import KINDS, Table
from chmr_bench.report.audits import audited_grid
from chmr_bench.report.curve_tables import curve_grid, frozen_grids
from chmr_bench.report.curves import pictures
from chmr_bench.report.evidence import Collected
from chmr_bench.report.exports import TABLES, by_file
from chmr_bench.report.grids import best_of, board_grid, heading, number, table_grid, time_grid
from chmr_bench.report.printed import printed_grids
from chmr_bench.report.published import Published
from chmr_bench.report.runs import Run
from chmr_bench.report.words import environment, grouped, tightened

if TYPE_CHECKING:
    from jinja2 import Environment

PRINTED, PROVENANCE = "printed.md", "provenance.md"
OLD_MARK = "<!-- made by `chmr-bench leaderboard build`"
"""How the mark of any version begins."""
MOST_BYTES = 30_000
"""A page with more is split: the tables of datasets then stand on pages of their own alone."""


def pages(tables: Sequence[Table], papers: Sequence[Published]) -> dict[str, str]:
    """Return file name -> text of the pages of several datasets, but the first."""
    texts = {PROVENANCE: page("provenance", tables=tables)} if tables else {}
    names = {table.name for table in tables if table.kind == "benchmark"}
    if any(names & {*table.datasets} for paper in papers for table in paper.table):
        texts[PRINTED] = page("printed", papers=papers, datasets=names)
    return texts


def leaderboard_page(
    found: Collected, papers: Sequence[Published], others: Mapping[str, str]
) -> str:
    """Return the first page, with the tables of datasets on it where they are short.

    Parameters
    ----------
    others :
        The other files by name: where their pages of datasets are long, that is known beforehand.
    """
    content = {"found": found, "tables": found.tables, "papers": papers, "kinds": KINDS}
    beside = (f"{TABLES}/", PROVENANCE)
    of_tables = [n for n in others if n.startswith(beside) and n.endswith(".md")]
    if sum(len(others[name]) for name in of_tables) < 2 * MOST_BYTES:
        text = page("leaderboard", inline=True, **content)
        if len(text.encode()) <= MOST_BYTES:
            return text
    return page("leaderboard", inline=False, **content)


def page(template: str, **values: Any) -> str:
    """Return a template of a page with its values, as Markdown."""
    text = _environment().get_template(f"{template}.md.j2").render(**values)
    return tightened(text).strip("\n") + "\n"


@cache
def _environment() -> Environment:
    """Return what loads the templates of pages, with what they show plain data by."""
    jinja = environment()
    jinja.filters.update({one.__name__: one for one in FILTERS})
    return jinja


def write_files(
    folder: Path, files: Mapping[str, str | bytes], option: str = "--out DIR"
) -> list[Path]:
    """Write texts and pictures by name below a folder; return the files.

    Raises
    ------
    UsageError
        The folder cannot be written; `option` names another.
    """
    with writing(folder, option):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [folder / name for name in files]


def machines(tables: Sequence[Table]) -> list[tuple[tuple[str, ...], int]]:
    """Return commit, processor, device, cores, platform and Python, and how many records of each.

    Sorted.
    """
    counts = Counter(
        (
            (run["commit"] or "installed")[:12] + (" + changes" if run["dirty"] else ""),
            run["cpu"],
            run["device_name"] or run["device"],
            str(run["n_jobs"]),
            run["platform"],
            run["python"],
        )
        for run in _runs(tables)
    )
    return sorted(counts.items())


def packages(tables: Sequence[Table]) -> str:
    """Return which versions of packages runs were made with, "" where none says."""
    installed = {
        item for of in {run["packages"] for run in _runs(tables)} for item in json.loads(of).items()
    }
    listed = (f"{name} {' and '.join(of)}" for name, of in grouped(sorted(installed)).items())
    return f"Packages: {', '.join(listed)}." if installed else ""


def _runs(tables: Sequence[Table]) -> list[Run]:
    return [run for table in tables for row in table.rows for run in row.lines]


FILTERS = (
    *(audited_grid, best_of, board_grid, by_file, curve_grid, frozen_grids, heading, machines),
    *(number, packages, pictures, printed_grids, table_grid, time_grid),
)
"""What templates of pages show plain data by, under these names."""
