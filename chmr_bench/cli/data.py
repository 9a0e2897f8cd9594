"""``chmr-bench data fetch | verify | list``: the pinned source files and the cache of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from chmr_bench import paths
from chmr_bench.cli import options
from chmr_bench.cli.group import Group
from chmr_bench.contracts import Progress, SourceFile
from chmr_bench.data.fetch import (
    MIRROR_VARIABLE,
    FetchOptions,
    fetch_file,
    options_from_env,
    state_of,
)
from chmr_bench.display.console import notes, print_error, print_json, print_note, print_table
from chmr_bench.errors import DataError, FetchError
from chmr_bench.plugins import registry

app = typer.Typer(
    cls=Group,
    help=(
        "Fetch the source files of datasets and atlases, verify and list them. Every file is "
        "pinned by its sha256; the cache folder is the platform's, or CHMR_BENCH_HOME."
    ),
    no_args_is_help=True,
)

SuiteOption = Annotated[
    str | None, typer.Option("--suite", help="The datasets of this suite, for instance all.")
]
DatasetOption = Annotated[
    list[str] | None, typer.Option("--dataset", help="This dataset; may be given more than once.")
]
AtlasOption = Annotated[
    list[str] | None, typer.Option("--atlas", help="This atlas; may be given more than once.")
]
MirrorOption = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        envvar=MIRROR_VARIABLE,
        metavar="FOLDER_OR_URL",
        help="Take the files from here (same layout, same hashes), not from the public addresses.",
    ),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Use no network: the cache and a mirror folder only.")
]


@dataclass(frozen=True)
class Wanted:
    """A source file, and the first dataset or atlas that uses it."""

    kind: Literal["dataset", "atlas"]
    name: str
    source: SourceFile


@app.command()
def fetch(
    suite: SuiteOption = None,
    dataset: DatasetOption = None,
    atlas: AtlasOption = None,
    mirror: MirrorOption = None,
    offline: OfflineOption = False,
    as_json: options.Json = False,
) -> None:
    """Fetch what is missing or damaged in the cache; `--suite all` where nothing is named.

    A run fetches what it needs by itself: this is for doing it beforehand. Exit code 3 where a file
    could not be had; the others are fetched all the same.
    """
    if not (suite or dataset or atlas):
        suite = "all"
    wanted = _wanted(suite, dataset, atlas)
    source = options_from_env(mirror, offline)
    with _display() as start:
        entries = [_fetch_one(w, source, start(w)) for w in wanted]
    _report(entries, as_json)
    if any(e["state"] == "failed" for e in entries):
        raise typer.Exit(FetchError.exit_code)


@app.command()
def verify(
    suite: SuiteOption = None,
    dataset: DatasetOption = None,
    atlas: AtlasOption = None,
    as_json: options.Json = False,
) -> None:
    """Hash again what is in the cache; exit code 3 where a file is not the pinned one.

    Files that were never fetched are counted, and are no difference.
    """
    entries = [_state(w) for w in _wanted(suite, dataset, atlas)]
    held = [e for e in entries if e["state"] != "missing"]
    damaged = [e for e in held if e["state"] == "damaged"]
    _report(held, as_json)
    for entry in damaged:
        print_error(f"{entry['path']}: {entry['detail']}")
    print_note(
        f"{len(held) - len(damaged)} of {len(entries)} files in the cache are as pinned, "
        f"{len(damaged)} differ, {len(entries) - len(held)} are not fetched"
        + ("; 'chmr-bench data fetch' replaces what differs" if damaged else "")
    )
    if damaged:
        raise typer.Exit(DataError.exit_code)


@app.command("list")
def list_files(
    suite: SuiteOption = None,
    dataset: DatasetOption = None,
    atlas: AtlasOption = None,
    as_json: options.Json = False,
) -> None:
    """List the source files: whose they are, how big, and whether the cache holds them."""
    entries = [_state(w) for w in _wanted(suite, dataset, atlas)]
    _report(entries, as_json)
    if not as_json:
        print_note(f"cache: {paths.data_folder()}; addresses and hashes: --json")


def _wanted(
    suite: str | None, datasets: Sequence[str] | None, atlases: Sequence[str] | None
) -> list[Wanted]:
    """Return the files of what is named, each once; those of everything where nothing is named."""
    table = registry()
    names, cells = list(datasets or ()), list(atlases or ())
    if suite:
        names += table.suite(suite)
    if not (names or cells):
        names, cells = list(table.datasets), list(table.atlases)
    files: dict[str, Wanted] = {}
    for name in names:
        for source in table.dataset(name).spec.sources:
            files.setdefault(source.path, Wanted("dataset", name, source))
    for name in cells:
        for source in table.atlas(name).spec.sources:
            files.setdefault(source.path, Wanted("atlas", name, source))
    if not files:
        print_note(f"{', '.join([*names, *cells]) or 'no dataset'}: needs no file of these")
    return list(files.values())


def _state(wanted: Wanted) -> dict[str, Any]:
    file = state_of(wanted.source)
    return {
        "file": wanted.source.path,
        "used_by": wanted.name,
        wanted.kind: wanted.name,
        "bytes": wanted.source.n_bytes,
        "state": file.state,
        "detail": file.detail,
        "path": str(file.path),
        "sha256": wanted.source.sha256,
        "address": wanted.source.address,
    }


def _fetch_one(wanted: Wanted, source: FetchOptions, progress: Progress) -> dict[str, Any]:
    entry = _state(wanted)
    before = entry["state"]
    try:
        fetch_file(wanted.source, source, progress)
    except FetchError as error:
        print_error(str(error))
        return entry | {"state": "failed", "detail": str(error)}
    return entry | {"state": "cached" if before == "ok" else "fetched", "detail": ""}


@contextmanager
def _display() -> Iterator[Callable[[Wanted], Progress]]:
    """Show a bar a file on stderr while the files come."""
    from rich import progress as bars

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn())
    with bars.Progress(*columns, console=notes, transient=True) as display:

        def start(wanted: Wanted) -> Progress:
            task = display.add_task(wanted.source.path, total=wanted.source.n_bytes)
            return lambda done, total, unit: display.update(task, completed=done)

        yield start


def _report(entries: Sequence[dict[str, Any]], as_json: bool) -> None:
    columns = ("file", "used_by", "bytes", "state")
    if as_json:
        print_json({"folder": str(paths.data_folder()), "files": list(entries)})
    elif entries:
        rows = [[f"{e[c]:,}" if c == "bytes" else str(e[c]) for c in columns] for e in entries]
        print_table("", columns, rows, right=["bytes"])
