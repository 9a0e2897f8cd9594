"""Tables as text, whatever the file: csv, tsv, xlsx, or csv in a zip; read with one call each."""

from __future__ import annotations

import fnmatch
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from chmr_bench import DataError
from chmr_bench.cells.sources.tables import check_size, file_named
from chmr_bench_atlases.layouts import Layout


def tables(path: Path, layout: Layout) -> Iterator[tuple[str, Any]]:
    """Yield (name, table of text) of each table in a file: one, or one a member of a zip.

    Raises
    ------
    DataError
        The file cannot be read as what its ending says.
    """
    if path.suffix == ".zip":
        yield from _members(path, layout)
        return
    with file_named(path, f"a table in {layout.encoding}, or an xlsx"):
        table = _sheet(path, layout) if path.suffix == ".xlsx" else _text(path, path, layout)
    yield path.name.partition(".")[0], table


def chunks(path: Path, layout: Layout, n_rows: int) -> Iterator[Any]:
    """Yield the table of text in a csv or tsv, `n_rows` at a time, its rows numbered throughout.

    Raises
    ------
    DataError
        The file cannot be read as what its ending says.
    """
    where = file_named(path, f"a table in {layout.encoding}")
    with where, _text(path, path, layout, n_rows) as reader:
        yield from reader


def _text(source: Any, path: Path, layout: Layout, n_rows: int | None = None) -> Any:
    import pandas as pd

    tabs = {".tsv", ".txt"} & set(path.suffixes)
    return pd.read_csv(
        source,
        sep="\t" if tabs else ",",
        dtype=str,
        keep_default_na=False,
        encoding=layout.encoding,
        chunksize=n_rows,
        compression="gzip" if source is path and path.suffix == ".gz" else None,
    )


def _sheet(path: Path, layout: Layout) -> Any:
    import pandas as pd
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as book:
        if layout.sheet not in book.sheet_names:
            raise DataError(
                f"{path}: no sheet {layout.sheet!r}; it has {', '.join(book.sheet_names)}"
            )
        header, *rows = book.get_sheet_by_name(layout.sheet).to_python()
    return pd.DataFrame(rows, columns=[str(name) for name in header]).astype(str)


def _members(path: Path, layout: Layout) -> Iterator[tuple[str, Any]]:
    """Yield the tables of a zip in the order of their names; nothing is unpacked to the disk."""
    with file_named(path, "a zip of CSV tables"), zipfile.ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.filename)
        check_size(path, sum(member.file_size for member in members))
        for member in members:
            _check_inside(path, member.filename)
        kept = [m for m in members if fnmatch.fnmatchcase(m.filename, layout.members)]
        if not kept:
            raise DataError(f"{path}: no member is called {layout.members}")
        for member in kept:
            name = PurePosixPath(member.filename)
            table = _text(io.BytesIO(archive.read(member)), Path(name), layout)
            yield name.stem, table


def _check_inside(path: Path, member: str) -> None:
    """Raise DataError where a member's name leads out of the folder a zip would be unpacked in."""
    name = PurePosixPath(member.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise DataError(
            f"{path}: the member {member!r} lies outside the archive's folder; expected none "
            "that does. Fetch the archive again from its source"
        )
