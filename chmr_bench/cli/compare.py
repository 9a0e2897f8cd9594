"""``chmr-bench compare``: is one model better than another, or is it chance?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.display.console import notes, print_grids, print_json, print_note

ModelsArgument = Annotated[
    list[str],
    typer.Argument(metavar="BASELINE MODEL...", help="Models, or rows as the tables call them."),
]
ToOption = Annotated[
    Path | None,
    options.option(
        panel=options.OUT,
        metavar="DIR",
        parser=options.folder,
        help="Write Markdown, CSV, JSON and pictures there.",
    ),
]


@options.takes(options.RecordedGroup, options.FetchGroup)
def compare(
    given: dict[str, Any],
    models: ModelsArgument,
    split: Annotated[
        str,
        options.option(
            panel=options.DATA,
            help="Records on this split; else reference, or the only one there is.",
        ),
    ] = "",
    tasks: Annotated[
        list[str] | None,
        options.option(
            panel=options.DATA, help="Task column of a user's table on record; repeatable."
        ),
    ] = None,
    protocol: Annotated[
        str,
        options.option(help="cv5x5: analysis of variance and Tukey over 25 folds."),
    ] = "",
    jobs: options.Jobs = 0,
    out: options.Out = options.OUT_FOLDER,
    to: ToOption = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare models with the first named one, on the predictions that are on record.

    Paired over test molecules, seeds and splits. p is corrected for the datasets of each model, not
    for the models named.
    """
    from chmr_bench.api.comparison import comparison_of
    from chmr_bench.report.comparison import as_dict, grids, write

    given.update(split=split, tasks=tasks, protocol=protocol, jobs=jobs, out=out)
    with notes.status("comparing") as status:
        comparison = comparison_of(models, given, lambda name: status.update(f"comparing {name}"))
    written = [] if to is None else write(comparison, to)
    if as_json:
        print_json(as_dict(comparison))
    else:
        print_grids(grids(comparison))
    for path in written:
        print_note(f"written: {path}")
