"""The files on missing cells: page, CSV, JSON, and pictures, from the records alone."""

from __future__ import annotations

from collections.abc import Iterator

from chmr_bench.records import RecordStore
from chmr_bench.report.curves import curves
from chmr_bench.report.files import as_csv, as_json
from chmr_bench.report.missing_figure import draw, pictures
from chmr_bench.report.missing_tables import (
    INTRODUCTION,
    Family,
    as_document,
    as_rows,
    families,
    grids,
)
from chmr_bench.report.page import missing_page

STEM = "missing"
PAGE, CSV, JSON = f"{STEM}.md", f"{STEM}.csv", f"{STEM}.json"


def families_of(store: RecordStore) -> list[Family]:
    """Return the tables of a store; none where nothing was ever hidden."""
    return families(curves(store))


def texts(found: list[Family]) -> dict[str, str]:
    """Return file name -> text; nothing where there is no table."""
    if not found:
        return {}
    return {
        PAGE: missing_page(INTRODUCTION, grids(found), list(pictures(found))),
        CSV: as_csv(as_rows(found)),
        JSON: as_json(as_document(found)),
    }


def names(found: list[Family]) -> list[str]:
    """Return the file names of the pictures."""
    return list(pictures(found))


def images(found: list[Family]) -> Iterator[tuple[str, bytes]]:
    """Yield file name and PNG of every picture."""
    for name, shown in pictures(found).items():
        yield name, draw(shown)
