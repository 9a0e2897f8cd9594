"""Grids to Markdown pages: everything a page says that is no number stands in ``templates/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chmr_bench.errors import writing
from chmr_bench.report.aggregate import KINDS, Collected, Kind, Table
from chmr_bench.report.audits import audited_grid
from chmr_bench.report.boards import FilledBoard
from chmr_bench.report.exports import by_file
from chmr_bench.report.grids import Grid, board_grid, heading, number, table_grid, time_grid
from chmr_bench.report.printed import printed_grids
from chmr_bench.report.provenance import provenance_grids
from chmr_bench.report.published import Published
from chmr_bench.report.words import macros, page

MARK = "<!-- made by `chmr-bench leaderboard build` from the records; edit nothing here -->"
OLD_MARK = "<!-- made by `chmr-bench leaderboard build`"
"""How the mark of any version begins."""
MOST_BYTES = 30_000
"""A page with more is split: the tables of datasets then stand on pages of their own alone."""


def leaderboard_page(
    collected: Collected,
    boards: Sequence[FilledBoard],
    papers: Sequence[Published],
    *,
    missing: bool = False,
    inline: bool = True,
) -> str:
    """Return the main page, with the tables of datasets on it where they are short.

    Parameters
    ----------
    missing :
        Whether there is a page on masked cells beside it.
    inline :
        False where those tables are known to be too long.
    """
    real = [t for t in collected.tables if t.kind == "benchmark"]
    content = {
        "boards": [board_grid(board) for board in boards],
        "leaks": audited_grid(real),
        "printed": printed_grids(papers, [t.name for t in real]),
        "parts": [_part(kind, collected.tables, inline) for kind in KINDS],
        "number": number,
        "heading": heading,
        "missing": missing,
        "problems": collected.problems,
        "mark": MARK,
    }
    text = page("leaderboard", **content, inline=inline)
    if inline and len(text.encode()) > MOST_BYTES:
        text = page("leaderboard", **content, inline=False)
    return text


def dataset_page(name: str, tables: Sequence[Table]) -> str:
    """Return the page of a dataset's tables."""
    return sections_page(name, [_grid(table) for table in tables])


def printed_page(papers: Sequence[Published], tables: Sequence[Table]) -> str:
    """Return the page of printed figures, "" where no dataset of theirs was measured."""
    grids = printed_grids(papers, [t.name for t in tables if t.kind == "benchmark"])
    lead = (
        "Carried over from papers, in their units, on their splits; none was measured here, and "
        "none stands in a column with a measured figure."
    )
    return sections_page("As printed", grids, lead) if grids else ""


def provenance_page(tables: Sequence[Table]) -> str:
    """Return the page that says where numbers come from, and what they took."""
    timed = [t for t in tables if t.kind == "benchmark"] or tables
    timed = [t for t in timed if t.facts["split"] == "reference"] or timed
    time = time_grid(timed)
    grids = [*provenance_grids(tables), *([time] if time.rows else [])]
    return sections_page("Provenance", grids)


def sections_page(
    title: str,
    grids: Sequence[Grid],
    lead: str = "",
    pictures: Sequence[str] = (),
    alt: str = "",
) -> str:
    """Return a page of tables under each other."""
    context = {"title": title, "lead": lead, "pictures": pictures, "alt": alt, "mark": MARK}
    return page("sections", grids=grids, **context)


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


# --------------------------------------------------------------------------------------- sections


def _part(kind: Kind, tables: Sequence[Table], inline: bool) -> dict[str, Any]:
    """Return the tables of one kind, as grids where wanted, and by the file that holds them."""
    shown = [table for table in tables if table.kind == kind]
    grids = [_grid(table) for table in shown] if inline else []
    return {"kind": kind, "grids": grids, "files": by_file(shown)}


def _grid(table: Table) -> Grid:
    about = str(macros().about(table.facts)).strip()
    return replace(table_grid(table), about=about, folded=table.facts["split_seed"] is not None)
