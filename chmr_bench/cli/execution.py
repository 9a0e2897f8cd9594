"""A sweep on the command line, the same for every command that has one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench.display.console import console, plural, print_json, print_note
from chmr_bench.errors import INTERRUPTED

if TYPE_CHECKING:
    from chmr_bench.api.sweeps import Sweep
    from chmr_bench.sweep import Request

FOLDER_OF_ATLAS = re.compile(r"(?<=\bfolder:)/(?:[^/\"',]*/)*(?=[^/])")
"""What stands before the last component of the absolute path in ``folder:PATH``."""


def sweep(request: Request, options: dict[str, Any], show: Callable[[Sweep, bool], None]) -> int:
    """Plan, do what is to be done, show the results, write the tables; return the exit code.

    `show` prints a sweep that is done, as JSON or not.
    """
    from chmr_bench.api.sweeps import Sweep

    options["command"] = ("chmr-bench", *public_arguments(sys.argv[1:]))
    work = Sweep(request, options, plan_only=options["plan_only"])
    _show_plan(work, options)
    if options["plan_only"]:
        return 0
    work.execute()
    show(work, options["as_json"])
    work.close()
    return _interrupted(work) if work.summary.interrupted else _exit_code(work)


def _show_plan(work: Sweep, options: dict[str, Any]) -> None:
    """Print the plan as the options want it."""
    from chmr_bench.cli import run_tables

    plan_shown = not options["as_json"] and not options["quiet"]
    work.remark(plan_shown=plan_shown)
    limits = work.session.options.limits
    if options["plan_only"] and options["as_json"]:
        words = {"time_limit": limits.seconds, "memory_limit": limits.memory_gb}
        print_json({**run_tables.plan_json(work.plan, work.session.options.n_jobs), **words})
    elif plan_shown:
        run_tables.show_plan(work.plan, work.session.options.n_jobs)
        said = f"A job may use {limits.memory_gb:g} GB; its time has no limit.\n"
        if limits.seconds is not None:
            said = f"A job may take {limits.seconds:g} s and {limits.memory_gb:g} GB.\n"
        console.print(said if work.plan.todo else "", markup=False)


def _interrupted(work: Sweep) -> int:
    done = len(work.summary.outcomes)
    print_note(
        f"interrupted: {plural(done, 'job')} done, {len(work.plan.todo) - done} left; nothing is "
        "half written. The same command goes on from here."
    )
    return INTERRUPTED


def _exit_code(work: Sweep) -> int:
    """Return 4 where nothing could run at all, 1 where a job failed or none has a score, else 0."""
    plan = work.plan
    if plan.items and all(item.state == "impossible" for item in plan.items):
        return 4
    failed = work.summary.failed or (plan.keep_failed and plan.count("failed"))
    scored = any(r.metrics is not None and r.metrics.macro is not None for r in work.records())
    return 1 if failed or plan.count("impossible") or not scored else 0


def public_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line for the record: of an absolute path only the last component."""
    return [_public(a) for a in arguments]


def _public(argument: str) -> str:
    option, equals, value = argument.partition("=")  # --out=/a/b, or weights=/a/b of --set
    if equals and Path(value).is_absolute():
        return f"{option}={Path(value).name}"
    argument = FOLDER_OF_ATLAS.sub("", argument)
    return Path(argument).name if Path(argument).is_absolute() else argument
