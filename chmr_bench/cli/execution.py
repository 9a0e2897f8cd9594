"""Doing a plan on the command line, the same for every command that has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chmr_bench.cli.options import OutputGroup
from chmr_bench.errors import UsageError
from chmr_bench.paths import is_utf8

if TYPE_CHECKING:
    from chmr_bench.records import Record, RecordStore
    from chmr_bench.runner import RunOptions
    from chmr_bench.sweep import Plan, Request, Session, Summary

INTERRUPTED = 130
PROBLEMS_SHOWN = 5


def sweep(
    request: Request,
    options: RunOptions,
    output: OutputGroup,
    show: Callable[[Plan, Summary, RecordStore, OutputGroup], None],
) -> int:
    """Plan, do what is to be done, show the results, write the tables; return the exit code."""
    from chmr_bench import sweep as sweeping
    from chmr_bench.cli.console import print_note
    from chmr_bench.records import RecordStore
    from chmr_bench.report import leaderboard

    output = replace(output, out=output.out.expanduser().resolve())  # whatever a model does
    if not is_utf8(str(output.out)):
        raise UsageError(f"--out {str(output.out)!r}: expected UTF-8; choose another folder")
    store = RecordStore(output.out)
    if not output.plan_only:
        store.check_writable()
        leaderboard.check(output.out)
    session = sweeping.Session(options)
    plan = _planned(request, store, session, output)
    if output.plan_only:
        return 0
    store.check_places((item.dataset, item.model) for item in plan.todo)
    store.prepare()
    summary = _execute(plan, store, session, output.quiet)
    show(plan, summary, store, output)
    for problem in store.pack().failed:
        print_note(f"{problem.path}: {problem.reason}")
    shown = records(plan, summary)
    _remark(shown)
    _tables(store, output.out)
    if summary.interrupted:
        return _interrupted(plan, summary)
    return _exit_code(plan, summary, shown)


def _planned(request: Request, store: RecordStore, session: Session, output: OutputGroup) -> Plan:
    """Return the plan, shown as the options want it."""
    from chmr_bench import sweep
    from chmr_bench.cli import remarks, run_tables
    from chmr_bench.cli.console import console, print_json
    from chmr_bench.cli.progress import fetching

    with fetching(quiet=output.quiet) as opening:
        plan = sweep.plan(request, store, session, opening)
    shows = not output.as_json and not output.quiet
    remarks.show(request, plan, session.datasets, plan_shown=shows)
    limits = session.options.limits
    if output.plan_only and output.as_json:
        words = {"time_limit": limits.seconds, "memory_limit": limits.memory_gb}
        print_json({**run_tables.plan_json(plan), **words})
    elif shows:
        run_tables.show_plan(plan)
        seconds = "any time" if limits.seconds is None else f"{limits.seconds:g} s"
        console.print(f"A job may take {seconds} and {limits.memory_gb:g} GB.\n", markup=False)
    return plan


def _execute(plan: Plan, store: RecordStore, session: Session, quiet: bool) -> Summary:
    from chmr_bench import isolation, sweep
    from chmr_bench.cli.progress import display

    if plan.todo:
        specs = [item.job.model.spec for item in plan.todo if item.job]
        isolation.warm_up(sorted({module for spec in specs for module in spec.requires}))
    with display(len(plan.todo), quiet=quiet) as shown:
        return sweep.execute(plan, store, session, shown)


def _remark(shown: Sequence[Record]) -> None:
    """Warn of what a reader of the scores should know."""
    from chmr_bench.cli.console import print_note

    remarks = [(r.model.id, r.dataset.name, text) for r in shown for text in r.remarks]
    for model, dataset, text in dict.fromkeys(remarks):
        print_note(f"warning: {model} on {dataset}: {text}")


def records(plan: Plan, summary: Summary) -> list[Record]:
    """Return the record of every job of the plan that has one, in the plan's order."""
    done = {id(o.item): o.record for o in summary.outcomes}
    known = [done.get(id(item)) or item.before for item in plan.items]
    return [record for record in known if record is not None]


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


def _exit_code(plan: Plan, summary: Summary, shown: Sequence[Record]) -> int:
    """Return 4 where nothing could run at all, 1 where a job failed or none has a score, else 0."""
    if plan.items and all(item.state == "impossible" for item in plan.items):
        return 4
    kept = plan.keep_failed and plan.count("failed")
    scored = any(r.metrics is not None and r.metrics.macro is not None for r in shown)
    return 1 if summary.failed or kept or plan.count("impossible") or not scored else 0
