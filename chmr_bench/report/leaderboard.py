"""Records to tables on disk: pages, CSV and JSON files, from the records alone.

The same records give the same bytes, so a committed table can be checked against its records.
"""

from __future__ import annotations

import difflib
import gc
import hashlib
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from chmr_bench.errors import UsageError, writing
from chmr_bench.paths import read_bytes, write_whole
from chmr_bench.records import RecordStore, no_records
from chmr_bench.records.audited import read_all
from chmr_bench.records.rounding import as_json, texts_of
from chmr_bench.report import curve_tables, curves, exports, figures, render
from chmr_bench.report.aggregate import Table, tables_of
from chmr_bench.report.boards import Board, fill, load_boards
from chmr_bench.report.evidence import Collected, measure
from chmr_bench.report.exports import TABLES
from chmr_bench.report.families import Family
from chmr_bench.report.masking import masked_of
from chmr_bench.report.published import all_published
from chmr_bench.report.runs import load_runs

PAGE = "README.md"
OTHER_PAGE = "LEADERBOARD.md"
BOARDS = "boards"
DIFF_LINES = 12
EMPTY: Mapping[str, Any] = {
    "statistics": {},
    "sound": (),
    "datasets": {},
    "curves": {"key": "", "texts": {}, "pictures": ()},
}
"""The memory of no build."""
OURS = {
    ".json": rb'\{\s*"schema":\s*"chmr-bench ',
    ".csv": (
        rb"(dataset|datasets|paper),(synthetic|table),|row,[^\n]*,classification_mean,|"
        rb"dataset,split,row,n_runs,fit_and_predict_seconds,"
    ),
    ".md": re.escape(render.OLD_MARK).encode(),
}
"""How the files of a build begin, in any version."""
PLACES = (f"{TABLES}/*", "overall*", "missing", "printed", "provenance", "settings")
"""Where a build may have put them."""
LAST_PLACES = (PAGE.removesuffix(".md"), OTHER_PAGE.removesuffix(".md"), "timing")
"""Where every build puts something."""


@dataclass(frozen=True)
class Rendered:
    """The tables of a store as text, by relative path, the page first.

    Attributes
    ----------
    pictures :
        File name -> the tables of curves that it shows; none where an earlier build has drawn it
        and nothing has changed.
    memory :
        What spares the next build work: what it need not compute, nor render, again.
    """

    texts: Mapping[str, str]
    pictures: Mapping[str, Sequence[Family]]
    memory: Mapping[str, Any]


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
            present = _content(out / curve_tables.JSON).decode(errors="replace")
            same = present == rendered.texts.get(curve_tables.JSON, "")
            shown = rendered.pictures
            # Drawn where figures changed: another version of matplotlib draws other bytes.
            redraw = not same or not all((out / name).is_file() for name in shown)
            drawn = {name: figures.draw(of) for name, of in shown.items() if of and redraw}
            _write_all(out, rendered, drawn)
            _write(memory, _sealed(rendered.memory))
    return [out / name for name in rendered.texts]


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
    content = _content(path)
    digest, _, memory = content.partition(b"\n")
    return dict(json.loads(memory)) if digest == _digest(memory) else {}


def _content(path: Path) -> bytes:
    """Return what a file holds, nothing where it cannot be read."""
    try:
        return read_bytes(path)
    except OSError:
        return b""


def _sealed(memory: Mapping[str, Any]) -> bytes:
    """Return what `_remembered` reads; what nobody computes again must be what it was."""
    content = json.dumps(memory).encode()
    return _digest(content) + b"\n" + content


def _digest(content: bytes) -> bytes:
    return json.dumps(hashlib.sha256(_code() + content).hexdigest()).encode()


@cache
def _code() -> bytes:
    """Return a hash of the code and words that what is remembered depends on."""
    package = Path(__file__).resolve().parents[1]
    patterns = (
        "metrics.py",
        "records/*.py",
        "statistics/*.py",
        "report/*.py",
        "report/templates/*",
    )
    files = [path for pattern in patterns for path in sorted(package.glob(pattern))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).digest()


def _write_all(out: Path, rendered: Rendered, drawn: Mapping[str, bytes]) -> None:
    """Write all files, and remove those of earlier builds that no record gives any more."""
    texts = {name: text.encode() for name, text in rendered.texts.items()}
    for name, content in {**texts, **drawn}.items():
        _write(out / name, content)
    for path in out.glob(f"{curve_tables.STEM}-*.png"):
        if path.name not in rendered.pictures:
            path.unlink(missing_ok=True)
    for path in _stale(out, texts) if texts else []:
        path.unlink(missing_ok=True)


def clear(store: RecordStore, out: Path) -> int:
    """Remove what earlier builds made where no record is left; return the number of files.

    Nothing is removed where there is a run, or something that cannot be read and may be one.
    """
    if not store.exists() or store.stored() or store.problems():
        return 0
    with writing(out), FileLock(store.lock_path("tables")):
        stale = _stale(out, (), (*PLACES, *LAST_PLACES))
        drawn = out / curve_tables.JSON in stale
        stale += out.glob(f"{curve_tables.STEM}-*.png") if drawn else ()
        for path in stale:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # where something of others is in it
        (out / TABLES).rmdir()
    return len(stale)


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
    tables = out / TABLES
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

    Parameters
    ----------
    known :
        The memory of an earlier build.
    """
    known = {**EMPTY, **(known or {})}
    if not all((out / name).is_file() for name in known["curves"]["pictures"]):
        known["curves"] = EMPTY["curves"]
    papers = all_published()
    found = collect(store, load_boards(out / BOARDS), known)
    of_curves, pictures = _curves(found, known["curves"])
    texts = {**of_curves, **texts_of(exports.documents(found.tables, found.boards, papers))}
    texts |= render.pages(found.tables, papers)
    datasets = {}
    for stem, tables in exports.by_file(found.tables).items():
        digest = exports.digest_of(tables)
        datasets[digest] = files = known["datasets"].get(digest) or _dataset_files(tables)
        texts |= {f"{TABLES}/{stem}{suffix}": text for suffix, text in files["texts"].items()}
    if found.tables:
        settings = exports.settings_json(files["settings"] for files in datasets.values())
        texts["settings.json"] = as_json(settings)
        page = render.leaderboard_page(found, papers, texts)
        texts = {_page_name(out): page, **dict(sorted(texts.items()))}
    masked = {"key": found.masked.key, "texts": of_curves, "pictures": [*pictures]}
    memory = {**memory_of(found), "datasets": datasets, "curves": masked}
    return Rendered(texts, pictures, memory)


def _curves(
    found: Collected, known: Mapping[str, Any]
) -> tuple[Mapping[str, str], Mapping[str, Sequence[Family]]]:
    """Return the files on masked cells, and what their pictures show; as known where that holds."""
    key, frozen = found.masked.key, found.masked.frozen
    if key == known["key"]:
        return known["texts"], dict.fromkeys(known["pictures"], ())
    if not key:
        return {}, {}
    families = curves.families(curves.curves_of(found.curves))
    texts = texts_of(curve_tables.documents(families, frozen))
    texts[curve_tables.PAGE] = render.page("missing", families=families, frozen=frozen)
    return texts, curves.pictures(families)


def _dataset_files(tables: Sequence[Table]) -> dict[str, Any]:
    """Return the files of a dataset, by suffix, and what its rows are set to, by hash."""
    content, settings = exports.dataset_json(tables)
    rows = [exports.row_numbers(table, row) for table in tables for row in table.rows]
    texts = texts_of({".csv": rows, ".json": content})
    return {"texts": {**texts, ".md": render.page("dataset", tables=tables)}, "settings": settings}


def memory_of(found: Collected) -> dict[str, Any]:
    """Return what spares measuring: statistics by hash, and the seals of sound runs."""
    return {"statistics": found.used, "sound": [line["seal"] for line in found.runs.lines]}


def collect(
    store: RecordStore, boards: Sequence[Board] = (), known: Mapping[str, Any] | None = None
) -> Collected:
    """Read a store into tables, in the order of the first board, and measure what they hold.

    Parameters
    ----------
    known :
        The memory of an earlier build, or what `memory_of` gives.
    """
    known = {**EMPTY, **(known or {})}
    loaded = load_runs(store, sound=frozenset(known["sound"]))
    order = {name: i for i, name in enumerate(boards[0].datasets if boards else ())}
    tables = tables_of(loaded.lines, read_all(store.root))
    tables.sort(key=lambda table: order.get(table.name, len(order)))
    filled = [one for board in boards if (one := fill(board, tables)) is not None]
    masked = masked_of(loaded.lines, known["curves"]["key"])
    return measure(loaded, tables, filled, masked, known["statistics"])


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


def _stale(out: Path, texts: Container[str], places: Sequence[str] = PLACES) -> list[Path]:
    """Return tables that an earlier build made and the records give no more."""
    candidates = (path for place in places for path in sorted(out.glob(f"{place}.*")))
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
    write_whole(path, content)
    return True
