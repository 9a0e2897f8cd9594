"""``chmr-bench leaderboard build`` and ``chmr-bench leaderboard show``."""

from __future__ import annotations

from typing import Annotated

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import Group
from chmr_bench.display.console import plural, print_grids, print_json, print_lines, print_note
from chmr_bench.errors import UnknownNameError

app = typer.Typer(
    cls=Group, help="Make tables from the records, and look at them.", no_args_is_help=True
)


@app.command()
def build(
    out: options.OutFolder = options.OUT_FOLDER,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; fail where the tables on disk differ."),
    ] = False,
) -> None:
    """Write README.md, CSV and JSON tables from the records alone.

    Where the last record is gone, the tables of an earlier build are removed.
    """
    from chmr_bench.display.damage import show_damage
    from chmr_bench.records import RecordStore, no_records
    from chmr_bench.report import leaderboard

    store = RecordStore(out)
    if check:
        differences = leaderboard.differences(store, out)
        print_lines(*differences)
        if differences:
            print_note(f"{len(differences)} tables differ; mend with: chmr-bench leaderboard build")
            raise typer.Exit(1)
        print_note(f"the tables in {out} are what the records give")
        return
    written = leaderboard.build(store, out, anew=True) if store.exists() else []
    show_damage(store)
    cleared = 0 if written else leaderboard.clear(store, out)
    if cleared:
        print_note(f"no records are left in {out}: {plural(cleared, 'file')} of a build removed")
        return
    if not written:
        raise no_records(out)
    print_note(f"{written[0]} and {len(written) - 1} tables")


@app.command()
def show(
    out: options.OutFolder = options.OUT_FOLDER,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the tables of this dataset.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print the overall table, or the tables of one dataset with the printed figures below."""
    from chmr_bench.data.requests import settled_name
    from chmr_bench.display.damage import show_damage
    from chmr_bench.records import RecordStore, no_records
    from chmr_bench.report import exports, grids, leaderboard
    from chmr_bench.report.boards import load_boards
    from chmr_bench.report.printed import printed_grids
    from chmr_bench.report.published import all_published

    store = RecordStore(out)
    show_damage(store)
    collected = leaderboard.collect(store, load_boards(out / leaderboard.BOARDS))
    if not collected.tables:
        raise no_records(out)
    names = {t.name for t in collected.tables}
    if dataset is not None and dataset not in names:
        dataset = settled_name(dataset)
    if dataset is not None and dataset not in names:
        raise UnknownNameError("dataset", dataset, names, f"in {store.folder}")
    tables = [t for t in collected.tables if dataset in (None, t.name)]
    boards = collected.boards if dataset is None else ()
    if as_json:
        print_json(
            {
                "boards": [exports.board_json(b) for b in boards],
                "tables": [exports.table_json(t) for t in tables],
            }
        )
        return
    on_board = {id(t) for b in boards for drawn in b.tables.values() for t in drawn}
    for board in boards:
        print_grids([grids.board_grid(board)])
        print_note("one dataset with its intervals: chmr-bench leaderboard show --dataset NAME")
    print_grids(grids.table_grid(table) for table in tables if id(table) not in on_board)
    if dataset is not None:
        print_grids(printed_grids(all_published(), [dataset], only=True))
