"""``chmr-bench run``: models x datasets x seeds -> records and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.cli import asking, sweeping

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore
    from chmr_bench.sweep import Plan, Summary

_DATA = "Data"
_RUN = "Run"
_OUT = "Output"


def run(
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Model; may be given repeatedly.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", help="Datasets by suite: all, demo, cells, moleculenet, ..."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", "-d", help="Registered name, FILE, or molnet:NAME; repeatable."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="reference, scaffold, strict, random, cv5x5 or deepchem:NAME; "
            "else each dataset's own.",
            rich_help_panel=_DATA,
        ),
    ] = "",
    split_seed: Annotated[
        list[int] | None,
        typer.Option(help="This seed of a drawn split; repeatable.", rich_help_panel=_DATA),
    ] = None,
    split_seeds: Annotated[
        int | None,
        typer.Option(
            help="Split seeds 0 to N-1, a split each; 1 if not said.", rich_help_panel=_DATA
        ),
    ] = None,
    smiles: Annotated[str, typer.Option(help="SMILES column of FILE.", rich_help_panel=_DATA)] = "",
    tasks: Annotated[
        str, typer.Option(help="Task columns of FILE: A,B.", rich_help_panel=_DATA)
    ] = "",
    task_type: Annotated[
        str,
        typer.Option(
            help="classification or regression; else seen from FILE.", rich_help_panel=_DATA
        ),
    ] = "",
    metric: Annotated[
        str,
        typer.Option(
            help="Metric of FILE: roc_auc, average_precision, mae, rmse, r2.",
            rich_help_panel=_DATA,
        ),
    ] = "",
    on_invalid: Annotated[
        str,
        typer.Option(
            help="Unreadable rows of FILE: stop, or drop and count them.", rich_help_panel=_DATA
        ),
    ] = "stop",
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="CHMR_BENCH_MIRROR",
            help="Folder or URL to take the data from.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use no network.", rich_help_panel=_DATA)
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds 0 to N-1; 1 if not said.", rich_help_panel=_RUN)
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="This seed; repeatable.", rich_help_panel=_RUN)
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A model's setting; model:key=value aims at one model.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Cores; 0 = all.", rich_help_panel=_RUN)
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_RUN)] = "auto",
    precision: Annotated[
        str,
        typer.Option(help="float32, or bfloat16 where the model offers it.", rich_help_panel=_RUN),
    ] = "float32",
    keep_failed: Annotated[
        bool,
        typer.Option(
            "--keep-failed", help="Leave failed jobs; else try again.", rich_help_panel=_RUN
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder of records and tables.", rich_help_panel=_OUT)
    ] = Path("leaderboards"),
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print the plan and stop.", rich_help_panel=_OUT)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Plan or results as JSON.", rich_help_panel=_OUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No plan, no progress.", rich_help_panel=_OUT)
    ] = False,
) -> int:
    """Run models on datasets; what is on record is not computed again.

    Prints the plan, shows progress, then the table. Results go to OUT/records, tables to OUT.
    """
    from chmr_bench.fetch import options_from_env

    table = asking.TableOptions(smiles, tasks, task_type, metric, on_invalid)
    chosen = asking.chosen_seeds(seeds, seed)
    request = asking.make_request(model, suite, dataset, table, chosen, setting)
    drawn = asking.chosen_seeds(split_seeds, split_seed, "--split-seed")
    request = asking.with_choices(request, split, drawn, device, precision, keep_failed)
    options = options_from_env(mirror, offline)
    how = sweeping.How(out, asking.cores(jobs), plan_only, as_json, quiet)
    return sweeping.sweep(request, options, how, _show)


def _show(plan: Plan, summary: Summary, store: RecordStore, how: sweeping.How) -> None:
    from chmr_bench.cli import run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.sweep import results

    records = sweeping.records(plan, summary)
    rows = results.rows(records, store)
    if how.as_json:
        print_json(run_tables.result_json(rows, summary))
    elif len({item.split_seed for item in plan.items}) > 1:
        run_tables.show_over_splits(results.over_splits(records, store))
    elif rows:
        run_tables.show_results(rows)
