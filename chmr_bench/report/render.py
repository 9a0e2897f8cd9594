"""Grids to Markdown pages: everything a page says that is no number stands in ``templates/``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chmr_bench.report.aggregate import Collected, Kind, Table
from chmr_bench.report.boards import FilledBoard
from chmr_bench.report.exports import TABLES, by_file
from chmr_bench.report.grids import Grid, board_grid, heading, number, table_grid, time_grid
from chmr_bench.report.leaks import audited_grid
from chmr_bench.report.printed import printed_grids
from chmr_bench.report.provenance import provenance_grids
from chmr_bench.report.published import Published
from chmr_bench.report.words import macros, page, tightened

MARK = "<!-- made by `chmr-bench leaderboard build` from the records; edit nothing here -->"
OLD_MARK = "<!-- made by `chmr-bench leaderboard build`"
"""How the mark of any version begins."""
MOST_BYTES = 30_000
"""A page with more is split: the tables of datasets then stand on pages of their own alone."""
PARTS: dict[Kind, tuple[str, str]] = {
    "benchmark": ("Datasets", ""),
    "user": ("Users' own tables", "On no board."),
    "synthetic": (
        "SYNTHETIC data",
        "Simulated labels on real molecules: a check of harness and models, not a result about "
        "chemistry. On no board.",
    ),
}


@dataclass(frozen=True)
class Section:
    """A grid and the words between its heading and its table."""

    grid: Grid
    about: str = ""


@dataclass(frozen=True)
class Part:
    """The tables of one kind, and a list of their pages."""

    title: str
    lead: str
    tables: tuple[Section, ...]
    index: Sequence[Mapping[str, str]]


def leaderboard_page(
    collected: Collected,
    boards: Sequence[FilledBoard],
    papers: Sequence[Published],
    *,
    missing: bool = False,
) -> str:
    """Return the main page; `missing` says whether there is one on masked cells beside it."""
    real = [t for t in collected.tables if t.kind == "benchmark"]
    content = {
        "boards": [board_grid(board) for board in boards],
        "leaks": audited_grid(real),
        "printed": printed_grids(papers, [t.name for t in real]),
        "parts": [_part(kind, collected.tables) for kind in PARTS if _of(kind, collected.tables)],
        "missing": missing,
        "problems": collected.problems,
        "mark": MARK,
    }
    text = page("leaderboard", **content, inline=True)
    if len(text.encode()) > MOST_BYTES:
        text = page("leaderboard", **content, inline=False)
    return text


def dataset_page(name: str, tables: Sequence[Table]) -> str:
    """Return the page of a dataset's tables."""
    return sections_page(name, [_section(table) for table in tables])


def printed_page(papers: Sequence[Published], tables: Sequence[Table]) -> str:
    """Return the page of printed figures, "" where no dataset of theirs was measured."""
    found = printed_grids(papers, [t.name for t in tables if t.kind == "benchmark"])
    lead = (
        "Carried over from papers, in their units, on their splits; none was measured here, and "
        "none stands in a column with a measured figure."
    )
    return sections_page("As printed", map(Section, found), lead) if found else ""


def provenance_page(tables: Sequence[Table]) -> str:
    """Return the page that says where numbers come from, and what they took."""
    timed = [t for t in tables if t.kind == "benchmark"] or tables
    timed = [t for t in timed if t.facts["split"] == "reference"] or timed
    time = time_grid(timed)
    grids = [*provenance_grids(tables), *([time] if time.rows else [])]
    return sections_page("Provenance", map(Section, grids))


def sections_page(
    title: str,
    sections: Iterable[Section],
    lead: str = "",
    pictures: Sequence[str] = (),
    alt: str = "",
) -> str:
    """Return a page of tables under each other."""
    told = {"title": title, "lead": lead, "pictures": pictures, "alt": alt, "mark": MARK}
    return page("sections", sections=list(sections), **told)


def markdown(grid: Grid) -> str:
    """Return a grid as a Markdown table."""
    return str(macros().table(grid)).rstrip("\n")


def section(level: str, grid: Grid) -> str:
    """Return a grid as Markdown under a heading of that level, its notes below."""
    return tightened(str(macros().section(level, grid))).rstrip("\n")


# --------------------------------------------------------------------------------------- sections


def _of(kind: Kind, tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.kind == kind]


def _part(kind: Kind, tables: Sequence[Table]) -> Part:
    title, lead = PARTS[kind]
    shown = _of(kind, tables)
    return Part(title, lead, tuple(_section(table) for table in shown), _index(shown))


def _section(table: Table) -> Section:
    grid = replace(table_grid(table), folded=table.facts["split_seed"] is not None)
    return Section(grid, str(macros().about(table.facts)).strip())


def _index(tables: Sequence[Table]) -> list[dict[str, str]]:
    """Return a line a dataset, with its page."""
    lines = []
    for stem, found in by_file(tables).items():
        best = next((row for row in found[0].rows if row.score is not None), None)
        lines.append(
            {
                "name": found[0].name,
                "page": f"{TABLES}/{stem}.md",
                "splits": ", ".join(dict.fromkeys(str(table.facts["split"]) for table in found)),
                "models": str(len(found[0].rows)),
                "best": best.label if best else "-",
                "score": number(found[0].metric, best.score) if best else "-",
                "metric": heading(found[0].metric),
            }
        )
    return lines
