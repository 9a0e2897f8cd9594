"""``chmr-bench run``: models x datasets x seeds -> records and tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chmr_bench.errors import UsageError

if TYPE_CHECKING:
    from chmr_bench.records import Record, RecordStore
    from chmr_bench.runner import DatasetRequest, Workspace
    from chmr_bench.sweep import Plan, Request, Setting, Summary

FILE_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet")
INTERRUPTED = 130
PROBLEMS_SHOWN = 5

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
            help="reference, scaffold, random or deepchem:NAME; else each dataset's own.",
            rich_help_panel=_DATA,
        ),
    ] = "",
    split_seed: Annotated[
        int, typer.Option(help="Seed of a drawn split.", rich_help_panel=_DATA)
    ] = 0,
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
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 to N-1.", rich_help_panel=_RUN)] = None,
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
        str, typer.Option(help="float32 or bfloat16 (autocast).", rich_help_panel=_RUN)
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
    table = _Table(smiles, tasks, task_type, metric, on_invalid)
    from chmr_bench.fetch import options_from_env

    request = _request(model, suite, dataset, table, _seeds(seeds, seed), setting)
    request = _with_choices(request, split, split_seed, device, precision, keep_failed)
    options = options_from_env(mirror, offline)
    return _run(request, options, out, cores(jobs), plan_only, as_json, quiet)


# ------------------------------------------------------------------------------------ the request


class _Table:
    """The options that describe a user's table, checked."""

    def __init__(
        self, smiles: str, tasks: str, task_type: str, metric: str, on_invalid: str
    ) -> None:
        from typing import get_args

        from chmr_bench.types import MetricName, TaskType

        self.smiles = smiles
        self.tasks = tuple(t.strip() for t in tasks.split(",") if t.strip())
        self.task_type = _choice("--task-type", task_type, ("", *get_args(TaskType))) or None
        self.metric = _choice("--metric", metric, ("", *get_args(MetricName))) or None
        self.on_invalid = _choice("--on-invalid", on_invalid, ("stop", "drop"))

    @property
    def given(self) -> bool:
        return bool(self.smiles or self.tasks or self.task_type or self.metric)

    def request(self, file: str) -> DatasetRequest:
        from chmr_bench.runner import DatasetRequest

        if not self.smiles or not self.tasks:
            raise UsageError(
                f"--dataset {file}: a table needs --smiles COLUMN and --tasks COLUMN[,COLUMN]"
            )
        return DatasetRequest(
            file=file,
            smiles=self.smiles,
            tasks=self.tasks,
            task_type=self.task_type,
            metric=self.metric,
            on_invalid=self.on_invalid,
        )


def _request(
    models: list[str] | None,
    suites: list[str] | None,
    datasets: list[str] | None,
    table: _Table,
    seeds: tuple[int, ...],
    settings: list[str] | None,
) -> Request:
    from chmr_bench.plugins import registry
    from chmr_bench.runner import DatasetRequest
    from chmr_bench.sweep import Request

    if not models:
        raise UsageError("name a model: --model NAME; 'chmr-bench list models' shows them")
    if not suites and not datasets:
        raise UsageError(
            "name data: --suite all, --suite demo, or --dataset NAME; "
            "'chmr-bench list datasets' shows them"
        )
    for name in models:
        registry().model(name)
    names = [n for suite in suites or () for n in registry().suite(suite).datasets]
    requests = [DatasetRequest(name=n) for n in names]
    requests += [_dataset(name, table) for name in datasets or ()]
    if table.given and not any(r.file for r in requests):
        raise UsageError("--smiles, --tasks, --task-type and --metric describe --dataset FILE")
    return Request(
        models=tuple(models),
        datasets=tuple(dict.fromkeys(requests)),
        seeds=seeds,
        settings=tuple(_setting(s) for s in settings or ()),
    )


def _dataset(name: str, table: _Table) -> DatasetRequest:
    """Tell a registered name from a file: a file has a folder, an ending, or is there."""
    from chmr_bench.plugins import registry
    from chmr_bench.runner import DatasetRequest
    from chmr_bench.runner.workspace import MOLNET_PREFIX

    if name in registry().datasets or name.startswith(MOLNET_PREFIX):
        return DatasetRequest(name=name)
    if name.lower().endswith(FILE_ENDINGS) or "/" in name or Path(name).is_file():
        return table.request(name)
    registry().dataset(name)
    return DatasetRequest(name=name)


def _setting(text: str) -> Setting:
    from chmr_bench.settings import parse_value
    from chmr_bench.sweep import Setting

    left, equals, value = text.partition("=")
    if not equals or not left:
        raise UsageError(f"--set {text!r}: expected key=value or model:key=value")
    model, colon, key = left.rpartition(":")
    return Setting(key if colon else left, parse_value(value), model)


def _with_choices(
    request: Request, split: str, split_seed: int, device: str, precision: str, keep_failed: bool
) -> Request:
    import dataclasses

    return dataclasses.replace(
        request,
        split=split,
        split_seed=split_seed,
        device=_choice("--device", device, ("auto", "cpu", "cuda")),
        precision=_choice("--precision", precision, ("float32", "bfloat16")),
        keep_failed=keep_failed,
    )


def _seeds(n: int | None, listed: list[int] | None) -> tuple[int, ...]:
    if n is not None and listed:
        raise UsageError("--seeds N means seeds 0 to N-1; give either --seeds or --seed")
    if listed:
        if min(listed) < 0 or max(listed) >= 2**32:
            raise UsageError(f"--seed {min(listed)}: seeds go from 0 to {2**32 - 1}")
        return tuple(listed)
    if n is not None and n < 1:
        raise UsageError(f"--seeds {n}: expected at least 1")
    return tuple(range(n or 1))


def _choice(option: str, value: str, choices: tuple[str, ...]) -> Any:
    """Return the value if it is among the choices; UnknownNameError offers the nearest."""
    from chmr_bench.errors import UnknownNameError

    if value not in choices:
        raise UnknownNameError(f"value of {option}", value, [c for c in choices if c])
    return value


def cores(jobs: int) -> int:
    """Return the number of cores that ``--jobs`` asks for."""
    if jobs < 0:
        raise UsageError(f"--jobs {jobs}: expected the number of cores, or 0 for all")
    if jobs:
        return jobs
    import joblib

    return int(joblib.cpu_count())


# -------------------------------------------------------------------------------------- the doing


def _run(
    request: Request,
    options: Any,
    out: Path,
    n_jobs: int,
    plan_only: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    from chmr_bench import sweep
    from chmr_bench.cli import run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.records import RecordStore
    from chmr_bench.runner import Workspace

    store = RecordStore(out)
    if not plan_only:
        store.check_writable()
    workspace = Workspace(options, n_jobs)
    plan = sweep.plan(request, store, workspace)
    if plan_only and as_json:
        print_json(run_tables.plan_json(plan))
        return 0
    if not as_json and not quiet:
        run_tables.show_plan(plan)
    if plan_only:
        return 0
    store.prepare()
    summary = _execute(plan, store, workspace, quiet)
    _show(plan, summary, store, as_json)
    if summary.interrupted:
        return _interrupted(plan, summary)
    _tables(store, out)
    return _exit_code(plan, summary)


def _execute(plan: Plan, store: RecordStore, workspace: Workspace, quiet: bool) -> Summary:
    from chmr_bench import sweep
    from chmr_bench.cli.progress import display

    with display(len(plan.todo), quiet=quiet) as shown:
        return sweep.execute(plan, store, workspace, shown, ["chmr-bench", *sys.argv[1:]])


def _show(plan: Plan, summary: Summary, store: RecordStore, as_json: bool) -> None:
    from chmr_bench.cli import run_tables
    from chmr_bench.cli.console import print_json
    from chmr_bench.sweep import results

    rows = results.rows(_records(plan, summary), store)
    if as_json:
        print_json(run_tables.result_json(rows, summary))
    elif rows:
        run_tables.show_results(rows)


def _records(plan: Plan, summary: Summary) -> list[Record]:
    """Return the record of every job of the plan that has one, in the plan's order."""
    done = {id(o.item): o.record for o in summary.outcomes}
    found = [done.get(id(item)) or item.before for item in plan.items]
    return [record for record in found if record is not None]


def _interrupted(plan: Plan, summary: Summary) -> int:
    from chmr_bench.cli.console import print_note

    left = len(plan.todo) - len(summary.outcomes)
    print_note(
        f"interrupted: {len(summary.outcomes)} jobs done, {left} left; nothing is half written. "
        "The same command goes on from here."
    )
    return INTERRUPTED


def _tables(store: RecordStore, out: Path) -> None:
    from chmr_bench.cli.console import print_note
    from chmr_bench.leaderboard import build

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
