"""Records to tables on disk: pages, CSV and JSON files, from the records alone.

The same records give the same bytes, so a committed table can be checked against its records.
"""

from __future__ import annotations

import difflib
import gc
import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from chmr_bench.errors import UsageError, writing
from chmr_bench.paths import read_bytes
from chmr_bench.records import RecordStore, no_records
from chmr_bench.records.audited import read_all
from chmr_bench.records.rounding import as_json
from chmr_bench.report import curve_tables, exports, render
from chmr_bench.report.aggregate import Collected, Table, collect, memory_of
from chmr_bench.report.boards import FilledBoard, fill, load_boards
from chmr_bench.report.evidence import Evidence
from chmr_bench.report.published import all_published

PAGE = "README.md"
OTHER_PAGE = "LEADERBOARD.md"
PRINTED, PROVENANCE = "printed.md", "provenance.md"
BOARDS = "boards"
DIFF_LINES = 12
OURS = {
    ".json": rb'\{\s*"schema":\s*"chmr-bench ',
    ".csv": rb"(dataset|datasets|paper),(synthetic|table),|row,[^\n]*,classification_mean,",
    ".md": re.escape(render.OLD_MARK).encode(),
}
"""How the files of a build begin, in any version."""
PLACES = (f"{exports.TABLES}/*", "overall*", "missing", "printed", "provenance", "settings")
"""Where a build may have put them."""


@dataclass(frozen=True)
class Rendered:
    """The tables of a store as text, by relative path, the page first; and what they show."""

    texts: Mapping[str, str]
    collected: Collected
    pictures: Sequence[str]


def build(store: RecordStore, out: Path, *, anew: bool = False) -> list[Path]:
    """Write the tables of a store below `out`; return their paths, the page first.

    Each file is replaced as a whole, and two builds take turns. Tables that an earlier build made
    and no record gives any more are removed. Without a record nothing is written.

    Parameters
    ----------
    anew :
        Take nothing over from an earlier build: neither intervals of the same runs, nor that their
        stored predictions are sound.

    Raises
    ------
    UsageError
        `out` cannot be written.
    DataError
        A board is not what it should be.
    """
    check(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = store.lock_path("tables")
        lock.parent.mkdir(parents=True, exist_ok=True)
        # Under the lock from reading to writing: the last build to finish has seen every record
        # that was there when it began.
        with FileLock(lock), _no_collector():
            memory = lock.with_name("statistics.jsonl")
            rendered = render_all(store, out, {} if anew else _remembered(memory))
            texts = rendered.texts
            changed = {name for name, text in texts.items() if _write(out / name, text.encode())}
            _draw(rendered, out, redraw=curve_tables.JSON in changed)
            for path in _stale(out, texts) if texts else []:
                path.unlink(missing_ok=True)
            _write(memory, _sealed(memory_of(rendered.collected)))
    return [out / name for name in texts]


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep Python from looking for cycles: a tenth of the time, and runs are in none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _remembered(path: Path) -> dict[str, Any]:
    """Return what the last build left; nothing where there is none, or it is not as it was left."""
    try:
        content = read_bytes(path)
    except OSError:
        return {}
    digest, _, memory = content.partition(b"\n")
    return dict(json.loads(memory)) if digest == _digest(memory) else {}


def _sealed(memory: Mapping[str, Any]) -> bytes:
    """Return what `_remembered` reads; what nobody computes again must be what it was."""
    content = json.dumps(memory).encode()
    return _digest(content) + b"\n" + content


def _digest(content: bytes) -> bytes:
    return json.dumps(hashlib.sha256(content).hexdigest()).encode()


def _draw(rendered: Rendered, out: Path, *, redraw: bool) -> None:
    """Draw the pictures on masked cells, where their figures changed or one is not there.

    They are no part of `render_all`: another version of matplotlib draws other bytes.
    """
    names = rendered.pictures
    for path in out.glob(f"{curve_tables.STEM}-*.png"):
        if path.name not in names:
            path.unlink(missing_ok=True)
    if redraw or not all((out / name).is_file() for name in names):
        from chmr_bench.report import curves, families, figures

        collected = rendered.collected
        drawn = curves.curves_of(collected.runs.frame, collected.evidence)
        for name, shown in figures.pictures(families.families(drawn)).items():
            _write(out / name, figures.draw(shown))


def check(out: Path) -> None:
    """Raise what `build` would raise for things that lie in its way; write nothing.

    Raises
    ------
    UsageError
        A file where a folder belongs, or the other way round.
    DataError
        A board, or an audit, is not what it should be.
    """
    load_boards(out / BOARDS)
    read_all(out)
    tables = out / exports.TABLES
    if tables.exists() and not tables.is_dir():
        raise UsageError(
            f"{tables} is a file, where the folder of tables belongs; move it away, or choose "
            "another folder with --out DIR"
        )
    pages = [out / PAGE, *out.glob("*.csv"), *out.glob("overall*.json")]
    for path in [*pages, *tables.glob("*.csv"), *tables.glob("*.json"), *tables.glob("*.md")]:
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder, where a table belongs; move it away, or choose another "
                "folder with --out DIR"
            )


def render_all(store: RecordStore, out: Path, known: Mapping[str, Any] | None = None) -> Rendered:
    """Return every table as text; nothing without a record.

    `out` is read for its boards, and to leave a README.md alone that is not ours.
    """
    collected, boards = gather(store, out, known)
    texts, pictures = curve_tables.masked_files(collected.runs.frame, collected.evidence)
    tables = collected.tables
    if tables:
        papers = all_published()
        files = _files(collected, boards)
        length = sum(len(text) for name, text in files.items() if name.endswith(".md"))
        page = render.leaderboard_page(
            collected, boards, papers, missing=bool(texts), inline=length < 2 * render.MOST_BYTES
        )
        texts = {_page_name(out): page, **files, **texts}
        if printed := render.printed_page(papers, tables):
            texts[PRINTED] = printed
        texts["printed.csv"] = exports.printed_csv(papers)
    return Rendered(texts, collected, pictures)


def _files(collected: Collected, boards: list[FilledBoard]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for board in boards:
        stem = exports.board_stem(board)
        texts[f"{stem}.csv"] = exports.board_csv(board)
        texts[f"{stem}.json"] = as_json(exports.board_json(board))
    settings: dict[str, Any] = {}
    for stem, tables in exports.by_file(collected.tables).items():
        what = f"files {_digest_of(tables)}"  # one new run leaves those of other datasets alone
        made, own = collected.evidence.remembered(what, (), partial(_dataset_files, tables))
        texts |= {f"{exports.TABLES}/{stem}{suffix}": text for suffix, text in made.items()}
        settings |= own
    texts["settings.json"] = exports.settings_json(settings)
    texts[PROVENANCE] = render.provenance_page(collected.tables)
    texts["timing.csv"] = exports.timing_csv(collected.tables)
    return texts


def _digest_of(tables: Sequence[Table]) -> str:
    """Return a hash of all that tables say."""
    import orjson

    def other(value: Any) -> str:
        return "" if isinstance(value, Evidence) else repr(value)

    try:
        said = orjson.dumps(tables, default=other)
    except TypeError:  # a whole number of more than 64 bits, or half a character: made anew
        said = secrets.token_bytes()
    return hashlib.sha256(said).hexdigest()


def _dataset_files(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return the files of a dataset by suffix, and what their rows are set to."""
    settings: dict[str, Any] = {}
    texts = {
        ".md": render.dataset_page(tables[0].name, tables),
        ".csv": exports.tables_csv(tables),
        ".json": exports.tables_json(tables, settings),
    }
    return [texts, settings]


def gather(
    store: RecordStore, out: Path, known: Mapping[str, Any] | None = None
) -> tuple[Collected, list[FilledBoard]]:
    """Return the tables of a store, in the order of its first board, and its boards filled in."""
    collected = collect(store, known)
    boards = load_boards(out / BOARDS)
    filled = [fill(board, collected.tables) for board in boards]
    order = {name: i for i, name in enumerate(boards[0].datasets if boards else ())}
    tables = sorted(collected.tables, key=lambda t: order.get(t.name, len(order)))
    return replace(collected, tables=tuple(tables)), [b for b in filled if b is not None]


def differences(store: RecordStore, out: Path) -> list[str]:
    """Return what on disk is not what the records give, a line or a short diff each.

    Everything is computed anew.
    """
    texts = render_all(store, out).texts
    if not texts:
        raise no_records(store.root)
    lines = []
    for name, text in texts.items():
        path = out / name
        if not path.is_file():
            lines.append(f"{name}: is missing")
        elif (present := path.read_bytes()) != text.encode():
            lines.append(_difference(name, present, text))
    lines += [f"{path.relative_to(out)}: no record gives it" for path in _stale(out, texts)]
    return lines


def _difference(name: str, content: bytes, expected: str) -> str:
    try:
        present = content.decode()
    except UnicodeDecodeError as error:
        return f"{name}: is no UTF-8 text ({error.reason} at byte {error.start})"
    if present.split() == expected.split():
        return f"{name}: differs in line ends or blanks alone; a table's lines end in LF"
    names = f"{name} on disk", f"{name} from the records"
    compared = difflib.unified_diff(
        present.splitlines(), expected.splitlines(), *names, lineterm="", n=0
    )
    lines = [line if len(line) <= 500 else f"{line[:497]}..." for line in compared]
    more = f"\n... {len(lines) - DIFF_LINES} more lines" if len(lines) > DIFF_LINES else ""
    return "\n".join(lines[:DIFF_LINES]) + more


def _page_name(out: Path) -> str:
    """Return the page's name: README.md unless somebody else's is there."""
    readme = out / PAGE
    return PAGE if not readme.is_file() or _is_ours(readme) else OTHER_PAGE


def _stale(out: Path, texts: Mapping[str, str]) -> list[Path]:
    """Return tables that an earlier build made and the records give no more."""
    candidates = (path for place in PLACES for path in sorted(out.glob(f"{place}.*")))
    return [p for p in candidates if p.relative_to(out).as_posix() not in texts and _is_ours(p)]


def _is_ours(path: Path) -> bool:
    """Return whether a file begins as ours do; a CSV, or lies beside a JSON file of ours."""
    if not path.is_file():  # a pipe would never end
        return False
    try:
        with path.open("rb") as file:
            known = re.match(OURS.get(path.suffix, b"(?!)"), file.read(10_000)) is not None
    except OSError:
        return False
    return known or (path.suffix == ".csv" and _is_ours(path.with_suffix(".json")))


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
