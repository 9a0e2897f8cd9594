"""Options that commands have in common, each declared once, in groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

DATA = "Data"
RUN = "Run"
OUT = "Output"
OUT_FOLDER = Path("leaderboards")


def takes(*groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of groups: all in one dict, as `chmr_bench.api` takes them.

    Examples
    --------
    ::

        @takes(TableGroup, FetchGroup)
        def audit(given, records: bool = False): ...
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]
        parameters = [p.replace(annotation=hints[p.name]) for p in own]
        for group in groups:
            parameters += _parameters(group)

        def command(**values: Any) -> Any:
            mine = {p.name: values.pop(p.name) for p in own}
            return function(values, **mine)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return wrap


def _parameters(group: type) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=hint
        )
        for name, hint in get_type_hints(group, include_extras=True).items()
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
    typer.Option(
        "--dataset",
        "-d",
        help="Registered name, FILE, or molnet:NAME; NAME+ATLAS for its measured molecules; "
        "repeatable.",
    ),
]
Setting = Annotated[
    list[str] | None,
    option(
        "--set",
        metavar="KEY=VALUE",
        help="A model's setting; model:key=value aims at one model.",
    ),
]
Cells = Annotated[
    list[str] | None,
    option(
        panel=DATA,
        metavar="ATLAS,...",
        help="Attach the molecules' own profiles from these atlases, by name or folder:PATH. "
        "Where none is named, --suite cells alone attaches those that have many of its molecules.",
    ),
]
Jobs = Annotated[int, option("--jobs", "-j", help="Cores; 0 = all.")]


def folder(text: str | Path) -> Path:
    """Return the folder that a text names; an empty one would be the current folder."""
    if not str(text).strip():
        raise typer.BadParameter("'' names no folder; expected one, such as leaderboards")
    return Path(text)


FOLDER_OPTION: dict[str, Any] = {
    "parser": folder,
    "metavar": "PATH",
    "help": "Folder of records and tables.",
}
Out = Annotated[Path, option(panel=OUT, **FOLDER_OPTION)]
OutFolder = Annotated[Path, typer.Option("--out", **FOLDER_OPTION)]
"""The same for commands whose help has one panel."""
AsJson = Annotated[bool, option("--json", panel=OUT, help="Print JSON instead.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
"""The same for commands whose help has one panel."""
Quiet = Annotated[bool, option("--quiet", "-q", panel=OUT, help="No plan, no progress.")]
Split = Annotated[
    str,
    option(
        panel=DATA,
        help="reference, scaffold, strict, random, cv5x5 or deepchem:NAME; "
        "else each dataset's own.",
    ),
]


class DatasetGroup:
    """Which data."""

    suite: Suite = None
    dataset: DatasetName = None


class RecordedGroup:
    """Which data, of those on record."""

    suite: Suite = None
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", help="Dataset on record, as the tables call it; repeatable."
        ),
    ] = None


class ModelGroup(DatasetGroup):
    """What runs on which data, with which seeds and settings."""

    model: Model = None
    seeds: Annotated[int | None, option(help="Seeds 0 to N-1; where not said 1, for ablate 3.")] = (
        None
    )
    seed: Annotated[list[int] | None, option(help="This seed; repeatable.")] = None
    setting: Setting = None
    cells: Cells = None


class SplitGroup:
    """The split, and which draws of it."""

    split: Split = ""
    split_seed: Annotated[
        list[int] | None, option(panel=DATA, help="This seed of a drawn split; repeatable.")
    ] = None
    split_seeds: Annotated[
        int | None, option(panel=DATA, help="Split seeds 0 to N-1, a split each; 1 if not said.")
    ] = None


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
    parts: Annotated[
        str,
        option(panel=DATA, help="Column of FILE with train, valid or test: its own split."),
    ] = ""


class FetchGroup:
    """Where data come from."""

    mirror: Annotated[
        str | None,
        option(panel=DATA, envvar="CHMR_BENCH_MIRROR", help="Folder or URL to take the data from."),
    ] = None
    offline: Annotated[bool, option("--offline", panel=DATA, help="Use no network.")] = False


class WorkGroup:
    """On what models run, and what a job may take."""

    jobs: Jobs = 0
    device: Annotated[str, option(help="auto, cpu or cuda.")] = "auto"
    precision: Annotated[str, option(help="float32, or bfloat16 where the model offers it.")] = (
        "float32"
    )
    time_limit: Annotated[
        float | None,
        option(metavar="SECONDS", help="A job, or a loader of another's plugin, may take so long."),
    ] = None
    memory_limit: Annotated[
        float | None,
        option(
            metavar="GB",
            help="A job may use so much; else 90 % of what machine or scheduler gives.",
        ),
    ] = None


class OutputGroup:
    """Where results go, and what is printed."""

    keep_failed: Annotated[
        bool, option("--keep-failed", help="Leave failed jobs; else try again.")
    ] = False
    out: Out = OUT_FOLDER
    plan_only: Annotated[bool, option("--plan", panel=OUT, help="Print the plan and stop.")] = False
    as_json: AsJson = False
    quiet: Quiet = False
