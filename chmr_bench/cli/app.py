"""The command tree."""

from __future__ import annotations

from typing import Annotated

import typer

from chmr_bench.cli import checks, data, leaderboard, listing, records
from chmr_bench.cli.ablate import ablate
from chmr_bench.cli.audit import audit
from chmr_bench.cli.compare import compare
from chmr_bench.cli.ensemble import ensemble
from chmr_bench.cli.explain import explain
from chmr_bench.cli.group import Group
from chmr_bench.cli.match import match
from chmr_bench.cli.pretrain import pretrain
from chmr_bench.cli.run import run
from chmr_bench.cli.show import show

app = typer.Typer(
    cls=Group,
    name="chmr-bench",
    help=(
        "Benchmark molecular property models honestly: nine datasets, 728 tasks, every number "
        "backed by stored predictions."
    ),
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        from chmr_bench import __version__

        typer.echo(f"chmr-bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command(rich_help_panel="Benchmark")(run)
app.command(rich_help_panel="Benchmark")(ablate)
app.command(rich_help_panel="Benchmark")(pretrain)
app.command(rich_help_panel="Benchmark")(explain)
app.command(rich_help_panel="Benchmark")(match)
app.command(rich_help_panel="Benchmark")(compare)
app.command(rich_help_panel="Benchmark")(ensemble)
app.add_typer(leaderboard.app, name="leaderboard", rich_help_panel="Benchmark")
app.add_typer(listing.list_app, name="list", rich_help_panel="Look around")
app.command(rich_help_panel="Look around")(show)
app.add_typer(data.app, name="data", rich_help_panel="Data")
app.command(rich_help_panel="Check")(audit)
app.add_typer(records.app, name="records", rich_help_panel="Benchmark")
app.command(name="score", rich_help_panel="Check")(checks.score)
app.command(name="verify", rich_help_panel="Check")(checks.verify)
