"""A sweep from its request to its tables, as the command line and Python do it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench import isolation, sweep
from chmr_bench.api.options import Options, run_options
from chmr_bench.display import remarks
from chmr_bench.display.console import print_note
from chmr_bench.display.progress import display, fetching
from chmr_bench.errors import UsageError
from chmr_bench.paths import is_utf8
from chmr_bench.records import Record, RecordStore
from chmr_bench.report import leaderboard
from chmr_bench.report.words import grouped
from chmr_bench.sweep import Plan, Request, Session, Summary

if TYPE_CHECKING:
    from chmr_bench.report.families import Family

PROBLEMS_SHOWN = 5


class Sweep:
    """The jobs of a request, planned in a folder of records.

    Attributes
    ----------
    plan
        Every job, and whether it is on record.
    summary
        What became of the jobs; empty before `execute`.
    """

    def __init__(self, request: Request, options: Options, *, plan_only: bool = False) -> None:
        self.out = Path(options["out"]).expanduser().resolve()  # whatever a model does
        self.quiet = options.get("quiet", False)
        if not is_utf8(str(self.out)):
            raise UsageError(f"--out {str(self.out)!r}: expected UTF-8; choose another folder")
        self.request, self.store = request, RecordStore(self.out)
        self._check_for_whom(options["out"])
        if not plan_only:
            self.store.check_writable()
            leaderboard.check(self.out)
        self.session = Session(run_options(options))
        with fetching(quiet=self.quiet) as opening:
            self.plan: Plan = sweep.plan(request, self.store, self.session, opening)
        self.summary = Summary(())

    def _check_for_whom(self, given: str | Path) -> None:
        """Raise UsageError where a user's molecules would lie beside boards, for all to read."""
        files = [request.file for request in self.request.datasets if request.file]
        if files and any((self.out / leaderboard.BOARDS).glob("*.toml")):
            raise UsageError(
                f"{files[0]} is a table of your own, and {given} is for others to read: it has "
                f"{leaderboard.BOARDS}/*.toml, and would hold your molecules; name a folder of "
                "your own with --out DIR"
            )

    def remark(self, *, plan_shown: bool = False) -> None:
        """Print on stderr what the user should know of the plan."""
        remarks.show(self.request, self.plan, self.session.datasets, plan_shown=plan_shown)

    def execute(self) -> None:
        """Do what is to be done; `summary` has what came of it."""
        plan = self.plan
        self.store.check_places((item.dataset, item.model) for item in plan.todo)
        self.store.prepare()
        if plan.todo:
            specs = [item.job.model.spec for item in plan.todo if item.job]
            isolation.warm_up(sorted({module for spec in specs for module in spec.requires}))
        with display(len(plan.todo), quiet=self.quiet) as shown:
            self.summary = sweep.execute(plan, self.store, self.session, shown)

    def records(self) -> list[Record]:
        """Return the record of every job of the plan that has one, in the plan's order."""
        done = {id(o.item): o.record for o in self.summary.outcomes}
        known = [done.get(id(item)) or item.before for item in self.plan.items]
        return [record for record in known if record is not None]

    def families(self) -> list[Family]:
        """Return the tables that this sweep's masked runs are in."""
        from chmr_bench.report.curves import families_of

        mine = {record.identity for record in self.records() if record.missing}
        return [f for f in families_of(self.store) if any(mine & {*c.identities} for c in f.curves)]

    def frozen(self) -> list[dict[str, Any]]:
        """Return what the frozen control says of this sweep's models."""
        from chmr_bench.report.masking import frozen_rows
        from chmr_bench.report.runs import dicts_of, frame_of

        mine = [r.model_dump(mode="json") for r in self.records() if r.replaced]
        return frozen_rows(dicts_of(frame_of(mine))) if mine else []

    def close(self) -> None:
        """Pack the records, write the tables, and warn of what their reader should know."""
        for problem in self.store.pack().failed:
            print_note(f"{problem.path}: {problem.reason}")
        remarks = [
            ((r.dataset.name, text), r.model.id) for r in self.records() for text in r.remarks
        ]
        for (dataset, text), models in grouped(remarks).items():
            print_note(f"warning: {', '.join(models)} on {dataset}: {text}")
        written = leaderboard.build(self.store, self.out)
        problems = self.store.problems()
        for one in problems[:PROBLEMS_SHOWN]:
            print_note(f"not a record, left alone: {one.path}: {one.reason}")
        if len(problems) > PROBLEMS_SHOWN:
            print_note(f"and {len(problems) - PROBLEMS_SHOWN} more; 'chmr-bench verify' lists them")
        if written:
            more = f" and {len(written) - 1} more" if len(written) > 1 else ""
            print_note(f"tables: {written[0]}{more}")


def done(request: Request, options: Options) -> Sweep:
    """Do what is to be done, as the command line does it, and return what came of it."""
    work = Sweep(request, options)
    work.remark()
    work.execute()
    work.close()
    if work.summary.interrupted:
        raise KeyboardInterrupt
    return work
