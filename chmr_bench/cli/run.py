"""``chmr-bench run``: models x datasets x seeds -> records and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chmr_bench.cli import execution, options, requests
from chmr_bench.cli.table_options import NO_TABLE, takes_table
from chmr_bench.data.requests import TableOptions

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore
    from chmr_bench.sweep import Plan, Summary


@takes_table
def run(
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Model; may be given repeatedly.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", help="Datasets by suite: all, demo, cells, moleculenet, ..."),
    ] = None,
    dataset: options.DatasetName = None,
    split: options.Split = "",
    split_seed: options.SplitSeed = None,
    split_seeds: options.SplitSeeds = None,
    table: TableOptions = NO_TABLE,
    mirror: options.Mirror = None,
    offline: options.Offline = False,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds 0 to N-1; 1 if not said.", rich_help_panel=options.RUN)
    ] = None,
    seed: options.Seed = None,
    setting: options.SettingOf = None,
    jobs: options.Jobs = 0,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    keep_failed: options.KeepFailed = False,
    out: options.Out = Path("leaderboards"),
    plan_only: options.PlanOnly = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Run models on datasets; what is on record is not computed again.

    Prints the plan, shows progress, then the table. Results go to OUT/records, tables to OUT.
    """
    from chmr_bench.data.fetch import options_from_env

    chosen = requests.chosen_seeds(seeds, seed)
    request = requests.make_request(model, suite, dataset, table, chosen, setting)
    drawn = requests.chosen_seeds(split_seeds, split_seed, "--split-seed")
    request = requests.with_choices(request, split, drawn, device, precision, keep_failed)
    source = options_from_env(mirror, offline)
    how = execution.How(out, requests.cores(jobs), plan_only, as_json, quiet)
    return execution.sweep(request, source, how, _show)


def _show(plan: Plan, summary: Summary, store: RecordStore, how: execution.How) -> None:
    from chmr_bench.cli import run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.sweep import results

    records = execution.records(plan, summary)
    rows = results.rows(records, store)
    if how.as_json:
        print_json(run_tables.result_json(rows, summary))
    elif len({item.split_seed for item in plan.items}) > 1:
        run_tables.show_over_splits(results.over_splits(records, store))
    elif rows:
        run_tables.show_results(rows)
