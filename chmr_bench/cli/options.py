"""Options that commands have in common, each declared once, in groups."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from chmr_bench.data.requests import TableOptions

if TYPE_CHECKING:
    from chmr_bench.data.fetch import FetchOptions
    from chmr_bench.isolation import Limits
    from chmr_bench.runner import RunOptions

DATA = "Data"
RUN = "Run"
OUT = "Output"
MEMORY_SHARE = 0.9
"""Of the machine's memory, which a job may use where nothing else is said."""


def takes(*groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of dataclasses; it is called with one of each, then its own.

    Examples
    --------
    ::

        @takes(DataOptions, FetchGroup)
        def audit(data, fetch, records: bool = False): ...
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[len(groups) :]
        parameters = [p.replace(annotation=hints[p.name]) for p in own]
        for group in groups:
            parameters += _parameters(group)

        def command(**values: Any) -> Any:
            made = [
                group(**{f.name: values.pop(f.name) for f in dataclasses.fields(group)})
                for group in groups
            ]
            return function(*made, **values)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return wrap


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in dataclasses.fields(group)
    ]


def option(*names: str, panel: str = RUN, **more: Any) -> Any:
    """Return an option in a panel of the help."""
    return typer.Option(*names, rich_help_panel=panel, **more)


Model = Annotated[
    list[str] | None, typer.Option("--model", "-m", help="Model; may be given repeatedly.")
]
Suite = Annotated[
    list[str] | None,
    typer.Option("--suite", help="Datasets by suite: all, demo, cells, moleculenet, ..."),
]
DatasetName = Annotated[
    list[str] | None,
    typer.Option("--dataset", "-d", help="Registered name, FILE, or molnet:NAME; repeatable."),
]
Seed = Annotated[list[int] | None, option(help="This seed; repeatable.")]
Setting = Annotated[
    list[str] | None,
    option(
        "--set",
        metavar="KEY=VALUE",
        help="A model's setting; model:key=value aims at one model.",
    ),
]
Jobs = Annotated[int, option("--jobs", "-j", help="Cores; 0 = all.")]
Split = Annotated[
    str,
    option(
        panel=DATA,
        help="reference, scaffold, strict, random, cv5x5 or deepchem:NAME; "
        "else each dataset's own.",
    ),
]


@dataclass(frozen=True)
class SplitGroup:
    """The split, and which draws of it."""

    split: Split = ""
    split_seed: Annotated[
        list[int] | None, option(panel=DATA, help="This seed of a drawn split; repeatable.")
    ] = None
    split_seeds: Annotated[
        int | None, option(panel=DATA, help="Split seeds 0 to N-1, a split each; 1 if not said.")
    ] = None


@dataclass(frozen=True)
class TableGroup:
    """How a user's table is read."""

    smiles: Annotated[str, option(panel=DATA, help="SMILES column of FILE.")] = ""
    tasks: Annotated[
        list[str] | None,
        option(panel=DATA, help="Task columns of FILE: A,B; repeatable, one name each time."),
    ] = None
    task_type: Annotated[
        str, option(panel=DATA, help="classification or regression; else seen from FILE.")
    ] = ""
    metric: Annotated[
        str, option(panel=DATA, help="Metric of FILE: roc_auc, average_precision, mae, rmse, r2.")
    ] = ""
    on_invalid: Annotated[
        str, option(panel=DATA, help="Unreadable rows of FILE: stop, or drop and count them.")
    ] = "stop"
    censored: Annotated[
        str, option(panel=DATA, help="Values of FILE such as >10: stop, drop, or bound (10).")
    ] = "stop"
    delimiter: Annotated[
        str, option(panel=DATA, help="Between the cells of FILE; else seen from it.")
    ] = ""
    decimal: Annotated[
        str, option(panel=DATA, help="Decimal mark of FILE, . or a comma; else seen from it.")
    ] = ""
    encoding: Annotated[
        str, option(panel=DATA, help="Encoding of FILE; else UTF-8, or as its first bytes say.")
    ] = ""
    id: Annotated[
        str,
        option("--id", panel=DATA, help="Column of FILE with names, kept with the predictions."),
    ] = ""

    def options(self) -> TableOptions:
        """Return the options, checked."""
        words = dataclasses.asdict(self)
        return TableOptions.of_words(words.pop("tasks"), **words)


@dataclass(frozen=True)
class FetchGroup:
    """Where data come from."""

    mirror: Annotated[
        str | None,
        option(panel=DATA, envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."),
    ] = None
    offline: Annotated[bool, option("--offline", panel=DATA, help="Use no network.")] = False

    def options(self) -> FetchOptions:
        """Return the options; paths as seen from where the command began."""
        from chmr_bench.data.fetch import options_from_env

        mirror = self.mirror
        if mirror and "://" not in mirror:
            mirror = str(Path(mirror).expanduser().resolve())
        return options_from_env(mirror, self.offline)


@dataclass(frozen=True)
class WorkGroup:
    """On what models run, and what a job may take."""

    jobs: Jobs = 0
    device: Annotated[str, option(help="auto, cpu or cuda.")] = "auto"
    precision: Annotated[str, option(help="float32, or bfloat16 where the model offers it.")] = (
        "float32"
    )
    time_limit: Annotated[
        float | None, option(metavar="SECONDS", help="A job may take so long; else any time.")
    ] = None
    memory_limit: Annotated[
        float | None,
        option(metavar="GB", help="A job may use so much; else 90 % of the machine's memory."),
    ] = None

    def limits(self) -> Limits:
        """Return what a job may take."""
        from chmr_bench.errors import UsageError
        from chmr_bench.isolation import Limits

        for option, value in (("time", self.time_limit), ("memory", self.memory_limit)):
            if value is not None and not value > 0:
                raise UsageError(f"--{option}-limit {value:g}: expected a number above 0")
        return Limits(self.time_limit, self.memory_limit or _most_memory())

    def run_options(self, fetch: FetchGroup) -> RunOptions:
        """Return the options that jobs are run with."""
        import sys

        from chmr_bench.cli import requests
        from chmr_bench.runner import RunOptions

        command = ("chmr-bench", *requests.public_arguments(sys.argv[1:]))
        return RunOptions(fetch.options(), requests.cores(self.jobs), self.limits(), command)


def _most_memory() -> float:
    import psutil

    return round(MEMORY_SHARE * float(psutil.virtual_memory().total) / 1e9, 1)


@dataclass(frozen=True)
class OutputGroup:
    """Where results go, and what is printed.

    Attributes
    ----------
    out :
        Folder of records and tables.
    plan_only :
        Print the plan and stop.
    """

    keep_failed: Annotated[
        bool, option("--keep-failed", help="Leave failed jobs; else try again.")
    ] = False
    out: Annotated[Path, option(panel=OUT, help="Folder of records and tables.")] = Path(
        "leaderboards"
    )
    plan_only: Annotated[bool, option("--plan", panel=OUT, help="Print the plan and stop.")] = False
    as_json: Annotated[bool, option("--json", panel=OUT, help="Plan or results as JSON.")] = False
    quiet: Annotated[bool, option("--quiet", "-q", panel=OUT, help="No plan, no progress.")] = False
