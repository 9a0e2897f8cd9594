"""``chmr-bench run``: models x datasets x seeds -> records and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from chmr_bench.cli import execution, options, requests

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore
    from chmr_bench.sweep import Plan, Summary


@options.takes(
    options.SplitGroup,
    options.TableGroup,
    options.FetchGroup,
    options.WorkGroup,
    options.OutputGroup,
)
def run(
    split: options.SplitGroup,
    table: options.TableGroup,
    fetch: options.FetchGroup,
    work: options.WorkGroup,
    output: options.OutputGroup,
    model: options.Model = None,
    suite: options.Suite = None,
    dataset: options.DatasetName = None,
    seeds: Annotated[int | None, options.option(help="Seeds 0 to N-1; 1 if not said.")] = None,
    seed: options.Seed = None,
    setting: options.Setting = None,
) -> int:
    """Run models on datasets; what is on record is not computed again.

    Prints the plan, shows progress, then the table. Results go to OUT/records, tables to OUT.
    """
    chosen = requests.chosen_seeds(seeds, seed)
    request = requests.make_request(model, suite, dataset, table.options(), chosen, setting)
    request = requests.with_choices(request, split, work, output.keep_failed)
    return execution.sweep(request, work.run_options(fetch), output, _show)


def _show(plan: Plan, summary: Summary, store: RecordStore, output: options.OutputGroup) -> None:
    from chmr_bench.cli import run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.report import results

    records = execution.records(plan, summary)
    rows = results.rows(records, store)
    if output.as_json:
        print_json(run_tables.result_json(rows, summary))
    elif len({item.split_seed for item in plan.items}) > 1:
        run_tables.show_over_splits(results.over_splits(records, store))
    elif rows:
        run_tables.show_results(rows)
