"""``chmr-bench run``: models x datasets x seeds -> records and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chmr_bench.cli import execution, options
from chmr_bench.display.console import print_json

if TYPE_CHECKING:
    from chmr_bench.api.sweeps import Sweep


@options.takes(
    options.ModelGroup,
    options.SplitGroup,
    options.TableGroup,
    options.FetchGroup,
    options.WorkGroup,
    options.OutputGroup,
)
def run(given: dict[str, Any]) -> int:
    """Run models on datasets; what is on record is not computed again.

    Prints the plan, shows progress, then the table. Results go to OUT/runs, tables to OUT.
    """
    from chmr_bench.api.requests import make_request

    return execution.sweep(make_request(given), given, _show)


def _show(work: Sweep, as_json: bool) -> None:
    from chmr_bench.cli import run_tables
    from chmr_bench.report import results

    records = work.records()
    rows = results.rows(records, work.store)
    if as_json:
        print_json(run_tables.result_json(rows, work.summary))
    elif len({item.split_seed for item in work.plan.items}) > 1:
        run_tables.show_over_splits(results.over_splits(records, work.store))
    elif rows:
        run_tables.show_results(rows)
