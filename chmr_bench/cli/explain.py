"""``chmr-bench explain``: what a model can show of itself on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.group import stopping
from chmr_bench.contracts import PendingWeights
from chmr_bench.display.console import print_lines, print_note
from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.runner import Job
    from chmr_bench.sweep import Request, Session


@options.takes(options.TableGroup, options.FetchGroup, options.WorkGroup)
def explain(
    given: dict[str, Any],
    model: Annotated[str, typer.Argument(help="Model; 'chmr-bench list models' shows them.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Registered name or FILE.")],
    seed: Annotated[int, typer.Option(help="Seed of the run it explains.")] = 0,
    setting: options.Setting = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            parser=options.folder,
            help="Folder for the files, one a model and dataset.",
        ),
    ] = Path("explained"),
    quiet: options.Quiet = False,
) -> None:
    """Write what the model can show of a dataset's molecules: tables and pictures.

    The weights it starts from are made where they are not there.
    """
    from chmr_bench.api.options import run_options
    from chmr_bench.api.requests import make_request
    from chmr_bench.sweep import Session

    given.update(model=model, dataset=dataset, seed=[seed], setting=setting)
    session = Session(run_options(given))
    job = _job(make_request(given), session, quiet)
    _explain(job, session, out / model / job.data.spec.name, quiet)


def _job(request: Request, session: Session, quiet: bool) -> Job:
    """Return the one job of the request, as a run would plan it."""
    from chmr_bench import sweep
    from chmr_bench.display.progress import fetching
    from chmr_bench.records import RecordStore

    with fetching(quiet=quiet) as opening:
        (item,) = sweep.plan(request, RecordStore(options.OUT_FOLDER), session, opening).items
    if item.job is None:
        raise UsageError(f"cannot run: {item.reason}")
    return item.job


def _explain(job: Job, session: Session, out: Path, quiet: bool) -> None:
    from chmr_bench.display.progress import display
    from chmr_bench.display.remarks import announcement
    from chmr_bench.runner.clock import Clock
    from chmr_bench.runner.explaining import explain as write

    if isinstance(job.weights, PendingWeights) and not quiet:
        print_note(f"first, {announcement(job.weights, session.options.n_jobs)}")
    with stopping("interrupted"), display(1, quiet=quiet) as shown:
        shown.begun(str(job))
        files = write(job, session.options, session.weights, out, Clock(shown))
    print_lines(*map(str, files))
