"""Records to tables on disk: a page, a CSV and a JSON file a table, from the records alone.

The same records give the same bytes, so a committed table can be checked against its records.
"""

from __future__ import annotations

import difflib
import json
import secrets
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from chmr_bench.errors import UsageError
from chmr_bench.records import RecordStore
from chmr_bench.records.audited import read_all
from chmr_bench.report import missing
from chmr_bench.report.boards import Overall, load_boards
from chmr_bench.report.files import BOARD_SCHEMA, TABLE_SCHEMA, TABLES, files
from chmr_bench.report.missing_tables import SCHEMA as MISSING_SCHEMA
from chmr_bench.report.over_splits import OverSplits, fill_any
from chmr_bench.report.page import MARK, page
from chmr_bench.report.published import all_published
from chmr_bench.report.rows import Collected, collect

PAGE = "README.md"
OTHER_PAGE = "LEADERBOARD.md"
BOARDS = "boards"
DIFF_LINES = 12
CSV_HEADS = (b"dataset,synthetic,split,metric,row,", b",classification_mean,")
"""How the first line of a dataset's CSV begins, and what stands in that of a board."""


def build(store: RecordStore, out: Path) -> list[Path]:
    """Write the tables of a store below `out`; return their paths, the page first.

    Each file is replaced as a whole, and two builds take turns. Tables that an earlier build made
    and no record gives any more are removed. Without a record nothing is written.

    Raises
    ------
    UsageError : `out` cannot be written. DataError : a board is not what it should be.
    """
    check(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Under the lock from reading to writing: the last build to finish has seen every record
        # that was there when it began.
        with _lock(store):
            texts = render(store, out)
            changed = {name for name, text in texts.items() if _write(out / name, text.encode())}
            _draw(store, out, texts, redraw=missing.JSON in changed)
            for path in _stale(out, texts) if texts else []:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write tables to {out}: {error.strerror or error}; choose another folder with "
            "--out DIR, or make this one writable"
        ) from error
    return [out / name for name in texts]


def _draw(store: RecordStore, out: Path, texts: dict[str, str], *, redraw: bool) -> None:
    """Draw the pictures on missing cells, where their figures changed or one is not there.

    They are no part of `render`: another version of matplotlib draws other bytes.
    """
    found = missing.families_of(store) if missing.JSON in texts else []
    names = missing.names(found)
    for path in out.glob(f"{missing.STEM}-*.png"):
        if path.name not in names:
            path.unlink(missing_ok=True)
    if redraw or not all((out / name).is_file() for name in names):
        for name, content in missing.images(found):
            _write(out / name, content)


def check(out: Path) -> None:
    """Raise what `build` would raise for things that lie in its way; write nothing.

    Raises
    ------
    UsageError : a file where a folder belongs, or the other way round.
    DataError : a board, or an audit, is not what it should be.
    """
    load_boards(out / BOARDS)
    read_all(out)
    tables = out / TABLES
    if tables.exists() and not tables.is_dir():
        raise UsageError(
            f"{tables} is a file, where the folder of tables belongs; move it away, or choose "
            "another folder with --out DIR"
        )
    pages = [out / PAGE, *out.glob("*.csv"), *out.glob("overall*.json")]
    for path in [*pages, *tables.glob("*.csv"), *tables.glob("*.json")]:
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder, where a table belongs; move it away, or choose another "
                "folder with --out DIR"
            )


def render(store: RecordStore, out: Path) -> dict[str, str]:
    """Return relative path -> text of every table, the page first; nothing without a record.

    `out` is read for its boards, and to leave a README.md alone that is not ours.
    """
    collected, boards = gather(store, out)
    more = missing.texts(missing.families_of(store))
    if not collected.tables:
        return more
    papers = all_published()
    return {
        _page_name(out): page(collected, boards, papers, missing=bool(more)),
        **files(collected, boards, papers),
        **more,
    }


def gather(store: RecordStore, out: Path) -> tuple[Collected, list[Overall | OverSplits]]:
    """Return the tables of a store, and its boards filled in."""
    collected = collect(store)
    boards = load_boards(out / BOARDS)
    filled = [fill_any(board, collected.tables) for board in boards]
    order = {name: i for i, name in enumerate(boards[0].datasets if boards else ())}
    tables = sorted(collected.tables, key=lambda t: order.get(t.dataset.name, len(order)))
    return replace(collected, tables=tuple(tables)), [b for b in filled if b is not None]


def differences(store: RecordStore, out: Path) -> list[str]:
    """Return what on disk is not what the records give, a line or a short diff each."""
    texts = render(store, out)
    if not texts:
        raise UsageError(f"there are no records in {store.folder}; nothing to check")
    found = []
    for name, text in texts.items():
        path = out / name
        if not path.is_file():
            found.append(f"{name}: is missing")
            continue
        present = path.read_bytes()
        if present != text.encode():
            found.append(_difference(name, present, text))
    found += [f"{path.relative_to(out)}: no record gives it" for path in _stale(out, texts)]
    return found


def _difference(name: str, content: bytes, expected: str) -> str:
    try:
        present = content.decode()
    except UnicodeDecodeError as error:
        return f"{name}: is no UTF-8 text ({error.reason} at byte {error.start})"
    if present.split() == expected.split():
        return f"{name}: differs in line ends or blanks alone; a table's lines end in LF"
    lines = list(
        difflib.unified_diff(
            present.splitlines(),
            expected.splitlines(),
            f"{name} on disk",
            f"{name} from the records",
            lineterm="",
            n=0,
        )
    )
    more = f"\n... {len(lines) - DIFF_LINES} more lines" if len(lines) > DIFF_LINES else ""
    return "\n".join(lines[:DIFF_LINES]) + more


def _page_name(out: Path) -> str:
    """Return the page's name: README.md unless somebody else's is there."""
    readme = out / PAGE
    if readme.is_file() and not readme.read_text(encoding="utf-8", errors="replace").startswith(
        MARK
    ):
        return OTHER_PAGE
    return PAGE


def _stale(out: Path, texts: dict[str, str]) -> list[Path]:
    """Return tables that an earlier build made and the records give no more."""
    stale: list[Path] = []
    places = [(out / TABLES, "*"), (out, "overall*"), (out, missing.STEM)]
    for path in sorted(p for folder, stem in places for p in folder.glob(f"{stem}.json")):
        if path.relative_to(out).as_posix() not in texts and _is_ours(path):
            beside = (path.with_suffix(".csv"), path.with_suffix(".md"))
            stale += [path, *(p for p in beside if p.is_file())]
    for path in sorted(p for folder, stem in places for p in folder.glob(f"{stem}.csv")):
        if path.relative_to(out).as_posix() not in texts and path not in stale and _is_csv(path):
            stale.append(path)
    return stale


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    schemas = (TABLE_SCHEMA, BOARD_SCHEMA, MISSING_SCHEMA)
    return isinstance(content, dict) and content.get("schema") in schemas


def _is_csv(path: Path) -> bool:
    """Return whether a CSV file begins as ours do: one of ours whose JSON file is gone."""
    try:
        with path.open("rb") as file:
            head = file.readline(10_000)
    except OSError:
        return False
    return head.startswith(CSV_HEADS[0]) or (head.startswith(b"row,") and CSV_HEADS[1] in head)


def _lock(store: RecordStore) -> FileLock:
    path = store.lock_path("tables")
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def _write(path: Path, content: bytes) -> bool:
    """Replace a file as a whole; False where it says the same already, and is left alone."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
