"""The cells of a user's file as text, whatever its format, with the row each stands in.

Rows are counted as a spreadsheet does: from 1, the header being row 1; in formats without a header
row the first molecule is row 1.

pandas reads sheets and Parquet. Text is split by the standard library's csv: pandas' parser fills
short rows, and joins what follows a closing quote, without a word or a row number.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import gzip
import hashlib
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chmr_bench.contracts import DroppedRow
from chmr_bench.data.counts import plural
from chmr_bench.data.requests import TableOptions, unusable_path
from chmr_bench.data.structure_records import read_records
from chmr_bench.data.table_cells import TableCells, as_text
from chmr_bench.data.text_encoding import decoded
from chmr_bench.errors import DataError, SettingError

MAX_BYTES = 1 << 31
"""An unpacked file bigger than this is refused, not read."""
LINE_LENGTH = 10_000_000
"""Characters of a line; a million columns fit. A longer one is refused, not split."""
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|", "blank": " "}
_WORDS = DELIMITERS | {"space": " ", "pipe": "|", "\\t": "\t"}
_SMI_LINE = re.compile(r"(\S+(?:\s+\|[^|]*\|)?)\s*(.*)", re.DOTALL)
"""SMILES, extensions between bars, and the name that the rest of the line is."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"])"?\s*$', re.IGNORECASE)
"""What a spreadsheet takes for the delimiter's name, not for a row."""


def read_cells(path: Path, options: TableOptions) -> TableCells:
    """Return the cells of a file.

    Raises
    ------
    DataError
        There is no such file, it is of another format, or it cannot be read; with the row where
        that is known, and the option that helps.
    """
    problem = unusable_path(path)
    if problem:
        raise DataError(f"{path}: {problem}")
    try:
        content = path.read_bytes()
        cells = TableCells(sha256=hashlib.sha256(content).hexdigest())
        if content.startswith(b"version https://git-lfs."):
            raise OSError("it is a pointer of Git LFS; 'git lfs pull' brings the file itself")
        inner, content = _unpacked(path, content)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        packed = {".gz": " as gzip", ".zip": " as zip"}.get(path.suffix.lower(), "")
        raise DataError(f"{path}: cannot be read{packed}: {error}") from error
    read = _READERS.get(Path(inner).suffix.lower())
    if read is None:
        *rest, last = _READERS
        raise DataError(
            f"{path}: expected a file called {', '.join(rest)} or {last}, or one of these with "
            ".gz or .zip"
        )
    start = content.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:20].lower()
    if not start:
        raise _empty(path)
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise DataError(
            f"{path}: it looks like a web page (HTML or XML), no table; download the file itself"
        )
    csv.field_size_limit((1 << 31) - 1)  # of the whole process; a long cell is no error
    read(cells, content, path, options)
    if not cells.n_rows:
        where = f" (row {cells.header_row})" if cells.header_row else ""
        raise DataError(f"{path}: there is a header{where} but no molecule under it")
    return cells


def same_name(first: str, second: str) -> bool:
    """Return whether two column names are one text: accents, micro signs, '#' before a header."""
    return _canonical(first) == _canonical(second)


def _canonical(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lstrip("# ")


def plain_name(path: Path) -> str:
    """Return the file's name without ``.gz`` or ``.zip``."""
    return path.stem if path.suffix.lower() in (".gz", ".zip") else path.name


def _unpacked(path: Path, content: bytes) -> tuple[str, bytes]:
    """Return the name that says the format, and the unpacked bytes."""
    if path.suffix.lower() == ".gz":
        with gzip.open(io.BytesIO(content)) as stream:
            return path.stem, _limited(stream.read(MAX_BYTES + 1))
    if path.suffix.lower() != ".zip":
        return path.name, content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if Path(n).suffix.lower() in _READERS]
        names = [n for n in names if not n.startswith("__MACOSX")]
        if len(names) != 1:
            shown = ", ".join(names[:5]) or "none"
            raise OSError(f"expected one table in it; there are: {shown}")
        with archive.open(names[0]) as stream:
            return names[0], _limited(stream.read(MAX_BYTES + 1))


def _limited(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise OSError(f"it unpacks to more than {MAX_BYTES >> 30} GB")
    return content


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the file is empty; expected a header row and molecules")


# -------------------------------------------------------------------------------------------- text


def _decoded(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> str:
    """Return the text; DataError where there is none, or with the row that cannot be read."""
    text, marked = decoded(content, path, options.encoding)
    if not text.strip():
        raise _empty(path)
    if marked and marked != "utf-8-sig":
        cells.notes.append(f"read as {marked.upper()}")
    return text


def _lines(text: str, path: Path) -> list[str]:
    """Return the lines; DataError where one is so long that it is none of a table."""
    lines = list(io.StringIO(text, newline=""))
    for row, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH:
            raise DataError(
                f"{path}, row {row}: a line of {len(line):,} characters; expected at most "
                f"{LINE_LENGTH:,}. Are its line ends lost?"
            )
    return lines


def _read_delimited(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> None:
    """Split a text with a header row; blank lines and comments are counted, and left out."""
    lines = _lines(_decoded(cells, content, path, options), path)
    said = _SEPARATOR_LINE.match(lines[0])
    if said:
        lines[0] = "\n"  # a blank line, so that rows are counted as before
        cells.notes.append(f"its first line says that {said[1]!r} separates the cells")
        options = dataclasses.replace(options, delimiter=options.delimiter or said[1])
    first, delimiter = _header(lines, path, options)
    if delimiter == " ":
        lines = [line.strip() for line in lines]
    cells.header_row = first + 1
    cells.comma_free = delimiter != ","
    if not options.delimiter and delimiter != _usual_delimiter(path):
        name = next(n for n, d in DELIMITERS.items() if d == delimiter)
        cells.notes.append(f"read as {name}-separated")
    records = _records(lines[first:], delimiter, first + 1, path)
    _, header = next(records)
    if isinstance(header, str):
        raise DataError(f"{path}, row {first + 1}: {header}")
    n_comments = sum(line.startswith("#") for line in lines[: first + 1])
    rows = []
    for number, record in records:
        if isinstance(record, str):
            cells.bad.append(DroppedRow(number, record))
        elif len(record) == len(header):
            rows.append((number, record))
        elif record and record[0].startswith("#"):
            n_comments += 1
        elif any(cell.strip() for cell in record):
            n = "1 cell" if len(record) == 1 else f"{len(record)} cells"
            way = "quote a cell that holds the delimiter"
            if len(record) < len(header):
                way = "write the delimiter for an empty cell too"
            reason = f"{n}, expected {len(header)} as in the header; {way}"
            cells.bad.append(DroppedRow(number, reason))
    if n_comments:
        cells.notes.append(f"{plural(n_comments, 'line')} begin{'s' * (n_comments == 1)} with '#'")
    cells.fill(header, rows)


def _usual_delimiter(path: Path) -> str:
    return "," if Path(plain_name(path)).suffix.lower() in (".csv", ".zip") else "\t"


def _header(lines: Sequence[str], path: Path, options: TableOptions) -> tuple[int, str]:
    """Return the line that names the columns, and the delimiter under which it does."""
    given = _WORDS.get(options.delimiter, options.delimiter)
    if len(given) > 1 or given in ("\n", "\r", '"'):
        raise SettingError(f"--delimiter {given!r}: expected one character, or {', '.join(_WORDS)}")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if not filled:
        raise _empty(path)
    plain = next((i for i in filled if not lines[i].startswith("#")), filled[0])
    comments = [i for i in reversed(filled) if i < plain]  # the last may name the columns
    tried = [given] if given else list(dict.fromkeys((_usual_delimiter(path), *_WORDS.values())))
    for line in (plain, *comments):
        for delimiter in tried:
            if any(same_name(options.smiles, n) for n in _names(lines[line], delimiter)):
                return line, delimiter
    tried = [d for d in tried if d != " "] or tried
    return plain, max(tried, key=lambda d: len(_names(lines[plain], d)))


def _names(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _records(
    lines: Sequence[str], delimiter: str, number: int, path: Path
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the row number and cells of each record, or what is wrong with it."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise DataError(
                    f"{path}, row {number}: a quote opens here and nothing closes it; a quote "
                    'inside a cell is written twice ("")'
                ) from error
            yield (
                number,
                'text follows a closing quote; a quote inside a cell is written twice ("")',
            )
        number += 1


def _read_smi(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> None:
    """Read ``SMILES name`` lines; with a header row it is a table like others."""
    lines = _lines(_decoded(cells, content, path, options), path)
    first = next(line for line in lines if line.strip())
    if any(same_name(options.smiles, n) for d in _WORDS.values() for n in _names(first, d)):
        _read_delimited(cells, content, path, options)
        return
    matches = (_SMI_LINE.match(line.strip()) for line in lines)
    rows = ((n, match.groups()) for n, match in enumerate(matches, 1) if match)
    cells.fill((options.smiles, "name"), (row for row in rows if row[1][0][0] != "#"))


# ------------------------------------------------------------------------------------- other files


def _read_excel(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> None:
    import pandas as pd

    with _refusing(path, "a sheet"):
        sheets = pd.read_excel(
            io.BytesIO(content),
            sheet_name=None,
            header=None,
            dtype=object,
            keep_default_na=False,
            engine="calamine",
        )
    names, sheet = list(sheets), next(iter(sheets.values()))
    if len(names) > 1:
        cells.notes.append(f"the first of {len(names)} sheets is read: {names[0]}")
    rows = enumerate(sheet.to_numpy().tolist(), 1)
    filled = [(n, row) for n, row in rows if any(map(as_text, row))]
    if not filled:
        raise _empty(path)
    cells.header_row = filled[0][0]
    cells.fill(filled[0][1], filled[1:])


def _read_parquet(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> None:
    import pandas as pd

    with _refusing(path, "Parquet"):
        table = pd.read_parquet(io.BytesIO(content))
        rows = enumerate(table.astype(object).to_numpy().tolist(), 1)
        cells.fill(list(table.columns), rows)


def _read_sdf(cells: TableCells, content: bytes, path: Path, options: TableOptions) -> None:
    """Read the records of an SD file: properties, name, and a SMILES made of the structure."""
    text = _decoded(cells, content, path, options)
    numbered: list[tuple[int, dict[str, str]]] = []
    with _refusing(path, "an SD file"):
        for number, record in read_records(text):
            if isinstance(record, str):
                cells.bad.append(DroppedRow(number, record))
            else:
                numbered.append((number, record))
    columns = list(dict.fromkeys(name for _, record in numbered for name in record))
    cells.fill(columns, [(n, [record.get(c, "") for c in columns]) for n, record in numbered])


@contextlib.contextmanager
def _refusing(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into a DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # each library has errors of its own
        first = str(error).strip().partition("\n")[0]
        raise DataError(f"{path}: cannot be read as {kind}: {first}") from error


_READERS: dict[str, Callable[[TableCells, bytes, Path, TableOptions], None]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".txt": _read_delimited,
    ".smi": _read_smi,
    ".sdf": _read_sdf,
    ".xlsx": _read_excel,
    ".xls": _read_excel,
    ".parquet": _read_parquet,
}
