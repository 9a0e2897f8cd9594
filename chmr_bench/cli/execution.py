"""Doing a plan on the command line, the same for every command that has one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chmr_bench.cli import requests

if TYPE_CHECKING:
    from chmr_bench.data.fetch import FetchOptions
    from chmr_bench.records import Record, RecordStore
    from chmr_bench.runner import Workspace
    from chmr_bench.sweep import Plan, Request, Summary

INTERRUPTED = 130
PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class How:
    """How a plan is done, and told of.

    Attributes
    ----------
    out : folder of records and tables. plan_only : print the plan and stop.
    """

    out: Path
    n_jobs: int
    plan_only: bool = False
    as_json: bool = False
    quiet: bool = False


def sweep(
    request: Request,
    options: FetchOptions,
    how: How,
    show: Callable[[Plan, Summary, RecordStore, How], None],
) -> int:
    """Plan, do what is to be done, show the results, write the tables; return the exit code."""
    from chmr_bench.records import RecordStore
    from chmr_bench.report import leaderboard
    from chmr_bench.runner import Workspace

    store = RecordStore(how.out)
    if not how.plan_only:
        store.check_writable()
        leaderboard.check(how.out)
    workspace = Workspace(options, how.n_jobs)
    plan = _planned(request, store, workspace, how)
    if how.plan_only:
        return 0
    store.check_places((item.dataset, item.model) for item in plan.todo)
    store.prepare()
    summary = _execute(plan, store, workspace, how.quiet)
    show(plan, summary, store, how)
    _tables(store, how.out)
    return _interrupted(plan, summary) if summary.interrupted else _exit_code(plan, summary)


def _planned(request: Request, store: RecordStore, workspace: Workspace, how: How) -> Plan:
    """Return the plan, told as it was asked for."""
    from chmr_bench import sweep
    from chmr_bench.cli import remarks, run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.cli.progress import fetching

    with fetching(quiet=how.quiet) as opening:
        plan = sweep.plan(request, store, workspace, opening)
    remarks.show(request, plan, workspace, plan_shown=not how.as_json and not how.quiet)
    if how.plan_only and how.as_json:
        print_json(run_tables.plan_json(plan))
    elif not how.as_json and not how.quiet:
        run_tables.show_plan(plan)
    return plan


def _execute(plan: Plan, store: RecordStore, workspace: Workspace, quiet: bool) -> Summary:
    from chmr_bench import sweep
    from chmr_bench.cli.progress import display

    with display(len(plan.todo), quiet=quiet) as shown:
        return sweep.execute(
            plan, store, workspace, shown, ["chmr-bench", *requests.told(sys.argv[1:])]
        )


def records(plan: Plan, summary: Summary) -> list[Record]:
    """Return the record of every job of the plan that has one, in the plan's order."""
    done = {id(o.item): o.record for o in summary.outcomes}
    found = [done.get(id(item)) or item.before for item in plan.items]
    return [record for record in found if record is not None]


def _interrupted(plan: Plan, summary: Summary) -> int:
    from chmr_bench.cli.console import plural, print_note

    done, left = len(summary.outcomes), len(plan.todo) - len(summary.outcomes)
    print_note(
        f"interrupted: {plural(done, 'job')} done, {left} left; nothing is half written. "
        "The same command goes on from here."
    )
    return INTERRUPTED


def _tables(store: RecordStore, out: Path) -> None:
    from chmr_bench.cli.console import print_note
    from chmr_bench.report.leaderboard import build

    written = build(store, out)
    problems = store.problems()
    for problem in problems[:PROBLEMS_SHOWN]:
        print_note(f"not a record, left alone: {problem.path}: {problem.reason}")
    if len(problems) > PROBLEMS_SHOWN:
        print_note(f"and {len(problems) - PROBLEMS_SHOWN} more; 'chmr-bench verify' lists them")
    if written:
        print_note(f"tables: {written[0]}" + (f" and {len(written) - 1} more" * (len(written) > 1)))


def _exit_code(plan: Plan, summary: Summary) -> int:
    """Return 4 where nothing could run at all, 1 where a job failed, else 0."""
    if plan.items and all(item.state == "impossible" for item in plan.items):
        return 4
    kept = plan.keep_failed and plan.count("failed")
    return 1 if summary.failed or kept or plan.count("impossible") else 0
