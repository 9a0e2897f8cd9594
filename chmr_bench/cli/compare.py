"""``chmr-bench compare``: is one model better than another, or is it chance?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.cli.console import notes, print_json, print_note
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.report.comparison import Comparison, Query
    from chmr_bench.runner.loading import Datasets

PROTOCOLS = ("", "cv5x5")


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="BASELINE MODEL...", help="Models, or rows as the tables call them."
        ),
    ],
    suite: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Datasets of this suite; repeatable.")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", "-d", metavar="NAME", help="This dataset; repeatable."),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="METHOD", help="Records on this split; reference if not said.")
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="cv5x5: analysis of variance and Tukey over 25 folds."),
    ] = "",
    out: Annotated[Path, typer.Option("--out", help="Folder of records.")] = Path("leaderboards"),
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Write Markdown, CSV, JSON and pictures there."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Compare models with the first named one, on the predictions that are on record.

    Paired over test molecules, seeds and splits; p corrected for the datasets of each model, not
    for the models named.
    """
    from chmr_bench.cli.requests import choice, cores
    from chmr_bench.data.fetch import options_from_env
    from chmr_bench.report.comparison import CV5X5
    from chmr_bench.runner.loading import Datasets

    choice("--protocol", protocol, PROTOCOLS)
    if protocol and split not in ("", CV5X5):
        raise UsageError(f"--protocol {protocol} is of the split {CV5X5}, not {split}")
    query = _query(models, suite, dataset, split)
    datasets = Datasets(options_from_env(mirror, offline), cores(jobs))
    comparison = _compared(query, datasets, out, protocol)
    _show(comparison, to, as_json)


def _query(
    models: list[str], suite: list[str] | None, dataset: list[str] | None, split: str
) -> Query:
    from chmr_bench.plugins import registry
    from chmr_bench.report.comparison import Query

    names = [n for s in suite or () for n in registry().suite(s).datasets]
    return Query(tuple(models), tuple(dict.fromkeys([*names, *(dataset or ())])), split)


def _compared(query: Query, datasets: Datasets, out: Path, protocol: str) -> Comparison:
    from chmr_bench.records import RecordStore
    from chmr_bench.report.comparison import compare as compare_models

    store = RecordStore(out)
    if not store.exists():
        raise UsageError(f"{store.folder}: no such folder; name the output folder with --out DIR")
    with notes.status("comparing") as status:
        return compare_models(
            store,
            datasets,
            query,
            protocol=protocol,
            progress=lambda name: status.update(f"comparing {name}"),
        )


def _show(comparison: Comparison, to: Path | None, as_json: bool) -> None:
    from chmr_bench.cli.leaderboard import print_grid
    from chmr_bench.report.comparison import as_dict, grids, write

    written = [] if to is None else write(comparison, to)
    if as_json:
        print_json(as_dict(comparison))
    else:
        for grid in grids(comparison):
            print_grid(grid)
    for path in written:
        print_note(f"written: {path}")
