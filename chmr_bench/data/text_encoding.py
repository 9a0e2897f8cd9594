"""The encoding of a user's file: said by its mark or by the user, or guessed for the message."""

from __future__ import annotations

import codecs
from pathlib import Path

from chmr_bench.errors import DataError, SettingError

_MARKS = (  # a UTF-32 mark begins with that of UTF-16, so the order matters
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = {
    b"\x1f\x8b": ("a gzip file", ".csv.gz"),
    b"PK\x03\x04": ("an Excel sheet or a zip file", ".xlsx or .zip"),
    b"\xd0\xcf\x11\xe0": ("an Excel sheet", ".xls"),
    b"PAR1": ("a Parquet file", ".parquet"),
}
"""How files begin that are no text."""


def decoded(content: bytes, path: Path, given: str) -> tuple[str, str]:
    """Return the text of a file, and the encoding that its mark names, "" where it has none.

    Parameters
    ----------
    content :
        Of the file.
    path :
        Of the file, for messages.
    given :
        What the user says the encoding is; empty = UTF-8, unless there is a mark.

    Raises
    ------
    DataError
        The encoding does not fit; with the row, and what the file looks like.
    SettingError
        There is no encoding of that name.

    Examples
    --------
    >>> decoded("smiles,y".encode("utf-16"), Path("my.csv"), "")
    ('smiles,y', 'utf-16')
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    encoding = given or marked or "utf-8"
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise SettingError(f"--encoding {encoding!r}: there is no such encoding") from error
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        row = content.count(b"\n", 0, start) + 1
        raise DataError(
            f"{path}, row {row}: cannot be read as {encoding.upper()} text: byte "
            f"0x{content[start]:02x}; {_likely(content)}"
        ) from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, row {row}: cannot be read as text: a NUL; {_likely(content)}")
    return text, marked


def _likely(content: bytes) -> str:
    """Return what a file that is no UTF-8 looks like, and what to do."""
    for mark, (kind, ending) in _MAGIC.items():
        if content.startswith(mark):
            return f"it looks like {kind}; if it is, call it {ending}"
    wide = {"utf-16-le": content[1::2], "utf-16-be": content[::2]}
    for name, halves in wide.items():
        if halves.count(0) > 0.8 * len(halves):
            return f"it looks like UTF-16 without its mark: --encoding {name}"
    if 0 in content:
        return "it looks like no text at all"
    for name, words in {"utf-8": "UTF-8", "cp1252": "cp1252 or latin-1"}.items():
        if _is_in(name, content):
            return f"it looks like {words}: --encoding {name}, or save it as UTF-8"
    return "name its encoding (--encoding shift_jis, gb18030, ...), or save it as UTF-8"


def _is_in(encoding: str, content: bytes) -> bool:
    try:
        content.decode(encoding)
    except UnicodeError:
        return False
    return True
