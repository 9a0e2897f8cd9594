"""``chmr-bench explain``: what a model can show of itself on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.cli import options, requests
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.runner import Job
    from chmr_bench.sweep import Request, Session

INTERRUPTED = 130


@options.takes(options.TableGroup, options.FetchGroup, options.WorkGroup)
def explain(
    table: options.TableGroup,
    fetch: options.FetchGroup,
    work: options.WorkGroup,
    model: Annotated[str, typer.Argument(help="Model; 'chmr-bench list models' shows them.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Registered name or FILE.")],
    seed: Annotated[int, typer.Option(help="Seed of the run it explains.")] = 0,
    setting: options.Setting = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the files, one a model and dataset.")
    ] = Path("explained"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> int:
    """Write what the model can show of a dataset's molecules: tables and pictures.

    The weights it starts from are made where they are not there.
    """
    from chmr_bench.sweep import Session

    request = requests.make_request([model], None, [dataset], table.options(), (seed,), setting)
    request = requests.with_choices(request, options.SplitGroup(), work)
    session = Session(work.run_options(fetch))
    job = _job(request, session, quiet)
    return _explain(job, session, out / model / job.data.spec.name, quiet)


def _job(request: Request, session: Session, quiet: bool) -> Job:
    """Return the one job of the request, as a run would plan it."""
    from chmr_bench import sweep
    from chmr_bench.cli.progress import fetching
    from chmr_bench.records import RecordStore

    with fetching(quiet=quiet) as opening:
        (item,) = sweep.plan(request, RecordStore(Path("leaderboards")), session, opening).items
    if item.job is None:
        raise UsageError(f"cannot run: {item.reason}")
    return item.job


def _explain(job: Job, session: Session, out: Path, quiet: bool) -> int:
    from chmr_bench.cli.console import console, print_note
    from chmr_bench.cli.progress import display
    from chmr_bench.runner.explaining import explain as write
    from chmr_bench.runner.run import Clock
    from chmr_bench.sweep.interrupt import stoppable

    with stoppable(), display(1, quiet=quiet) as shown:
        shown.begun(str(job))
        try:
            files = write(job, session.options, session.weights, out, Clock(shown))
        except KeyboardInterrupt:
            print_note("interrupted")
            return INTERRUPTED
    for path in files:
        console.print(str(path), markup=False, soft_wrap=True)
    return 0
