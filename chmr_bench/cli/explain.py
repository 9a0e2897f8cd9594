"""``chmr-bench explain``: what a model can show of itself on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.cli import requests
from chmr_bench.cli.table_options import NO_TABLE, takes_table
from chmr_bench.data.requests import TableOptions
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.runner import Job, Workspace
    from chmr_bench.sweep import Request

INTERRUPTED = 130


@takes_table
def explain(
    model: Annotated[str, typer.Argument(help="Model; 'chmr-bench list models' shows them.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Registered name or FILE.")],
    table: TableOptions = NO_TABLE,
    seed: Annotated[int, typer.Option(help="Seed of the run it explains.")] = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the model; repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="Of the run it explains: float32 or bfloat16.")
    ] = "float32",
    mirror: Annotated[
        str | None,
        typer.Option(envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the files, one a model and dataset.")
    ] = Path("explained"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> int:
    """Write what the model can show of a dataset's molecules: tables and pictures.

    The weights it starts from are made where they are not there.
    """
    from chmr_bench.data.fetch import options_from_env
    from chmr_bench.runner import Workspace

    request = requests.make_request([model], None, [dataset], table, (seed,), setting)
    request = requests.with_choices(request, "", (0,), device, precision, keep_failed=False)
    workspace = Workspace(options_from_env(mirror, offline), requests.cores(jobs))
    job = _job(request, workspace, quiet)
    return _explain(job, workspace, out / model / job.opened.spec.name, quiet)


def _job(request: Request, workspace: Workspace, quiet: bool) -> Job:
    """Return the one job of the request, as a run would plan it."""
    from chmr_bench import sweep
    from chmr_bench.cli.progress import fetching
    from chmr_bench.records import RecordStore

    with fetching(quiet=quiet) as opening:
        (item,) = sweep.plan(request, RecordStore(Path("leaderboards")), workspace, opening).items
    if item.job is None:
        raise UsageError(f"cannot run: {item.reason}")
    return item.job


def _explain(job: Job, workspace: Workspace, out: Path, quiet: bool) -> int:
    from chmr_bench.cli.console import console, print_note
    from chmr_bench.cli.progress import display
    from chmr_bench.runner.explaining import explain as write
    from chmr_bench.sweep.interrupt import stoppable

    with stoppable(), display(1, quiet=quiet) as shown:
        shown.begun(str(job))
        try:
            files = write(job, workspace, out, shown.progress, shown.step)
        except KeyboardInterrupt:
            print_note("interrupted")
            return INTERRUPTED
    for path in files:
        console.print(str(path), markup=False, soft_wrap=True)
    return 0
