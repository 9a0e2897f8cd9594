"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = "Data"
RUN = "Run"
OUT = "Output"

DatasetName = Annotated[
    list[str] | None,
    typer.Option("--dataset", "-d", help="Registered name, FILE, or molnet:NAME; repeatable."),
]
Split = Annotated[
    str,
    typer.Option(
        help="reference, scaffold, strict, random, cv5x5 or deepchem:NAME; "
        "else each dataset's own.",
        rich_help_panel=DATA,
    ),
]
SplitSeed = Annotated[
    list[int] | None,
    typer.Option(help="This seed of a drawn split; repeatable.", rich_help_panel=DATA),
]
SplitSeeds = Annotated[
    int | None,
    typer.Option(help="Split seeds 0 to N-1, a split each; 1 if not said.", rich_help_panel=DATA),
]
Mirror = Annotated[
    str | None,
    typer.Option(
        envvar="CHMR_BENCH_MIRROR",
        help="Folder or URL to take the data from.",
        rich_help_panel=DATA,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Use no network.", rich_help_panel=DATA)]
Seed = Annotated[list[int] | None, typer.Option(help="This seed; repeatable.", rich_help_panel=RUN)]
SettingOf = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A model's setting; model:key=value aims at one model.",
        rich_help_panel=RUN,
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Cores; 0 = all.", rich_help_panel=RUN)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=RUN)]
Precision = Annotated[
    str,
    typer.Option(help="float32, or bfloat16 where the model offers it.", rich_help_panel=RUN),
]
KeepFailed = Annotated[
    bool,
    typer.Option("--keep-failed", help="Leave failed jobs; else try again.", rich_help_panel=RUN),
]
Out = Annotated[Path, typer.Option(help="Folder of records and tables.", rich_help_panel=OUT)]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Print the plan and stop.", rich_help_panel=OUT)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Plan or results as JSON.", rich_help_panel=OUT)
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No plan, no progress.", rich_help_panel=OUT)
]
