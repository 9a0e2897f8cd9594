"""``chmr-bench show NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from chmr_bench.cli import options
from chmr_bench.cli.details import atlas_details, dataset_details, model_details
from chmr_bench.display.console import print_json, print_lines, print_table
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry

MOST_LISTED = 30
NOT_STATED: tuple[Any, ...] = ("", None, [], {}, [0, 0, 0])
"""Values that say nothing."""
IS_A_FILE = (
    "('show' is of what is registered; a table of your own is read by 'run' and 'audit': "
    "--dataset FILE --smiles COLUMN --tasks COLUMN)"
)


def show(
    name: Annotated[str, typer.Argument(help="A dataset, a model or an atlas; or DATASET+ATLAS.")],
    cells: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ATLAS,...",
            help="How many of a dataset's rows have profiles in these atlases; all = every one.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show all that is known of one dataset, model or atlas."""
    from chmr_bench.api import profiles
    from chmr_bench.data.requests import MEASURED_IN, whole_name

    table = registry()
    asked, name = name, whole_name(name)
    if cells and name not in table.datasets:
        raise UsageError(f"--cells is of a dataset, and {name!r} is none; see 'list datasets'")
    if name in table.datasets:
        details = dataset_details(table.datasets[name])
        if MEASURED_IN in asked:
            details |= profiles.measured(asked)
            cells = [*(cells or []), *asked.split(MEASURED_IN)[1:]]
        if cells:
            details["own_profiles"] = profiles.own_profiles(name, cells)
        if name in table.atlases:
            details["atlas"] = atlas_details(table.atlases[name])
    elif name in table.models:
        details = model_details(table.models[name])
    elif name in table.atlases:
        details = atlas_details(table.atlases[name])
    else:
        known = [*table.datasets, *table.models, *table.atlases]
        hint = IS_A_FILE if Path(name).is_file() else ""
        raise UnknownNameError("dataset, model or atlas", name, known, hint)
    if MEASURED_IN in asked and name not in table.datasets:
        raise UsageError(f"{asked}: +ATLAS is of a dataset, and {name!r} is none")
    if as_json:
        print_json(details)
        return
    own = details.pop("own_profiles", [])
    _print_details(details)
    if cells:
        _print_own_profiles(own)
    elif name in table.datasets:
        print_lines(f"\nRows with profiles of their own: chmr-bench show {name} --cells all")


def _print_own_profiles(own: Sequence[dict[str, Any]]) -> None:
    """Print a line a block: rows, and test rows, that have a profile of their own."""
    columns = ("atlas", "block", "rows", "share", "test rows", "share of test")
    rows = [
        [
            one["atlas"],
            name,
            f"{block['rows']:,}",
            f"{block['rows'] / one['n']:.0%}",
            f"{block['test_rows']:,}",
            f"{block['test_rows'] / one['n_test']:.0%}",
        ]
        for one in own
        for name, block in (one["blocks"] or {"none": {"rows": 0, "test_rows": 0}}).items()
    ]
    print_table("Rows with profiles of their own", columns, rows, right=columns[2:])


def _print_details(details: dict[str, Any]) -> None:
    helps = details.get("settings_help", {})
    shown = {k: v for k, v in details.items() if k != "settings_help"}
    if helps:
        values = {k: _cell(v) or "''" for k, v in details["settings"].items()}
        said = {k: f": {help_text}" if help_text else "" for k, help_text in helps.items()}
        shown["settings"] = {k: value + said[k] for k, value in values.items()}
    rows = [row for k, v in shown.items() if v not in NOT_STATED for row in _detail(k, v)]
    print_table("", ["", ""], rows)


def _detail(key: str, value: Any) -> list[list[str]]:
    """Return the lines that show one detail: one each for what stands in a table or a list."""
    if isinstance(value, dict):
        return [row for k, v in value.items() for row in _detail(f"{key}.{k}", v)]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        stated = [{k: v for k, v in item.items() if v not in NOT_STATED} for item in value]
        return [[key, "\n".join(f"{k} {v}" for k, v in item.items())] for item in stated]
    if isinstance(value, list) and any(" " in str(v) for v in value):
        return [[key if i == 0 else "", f"- {v}"] for i, v in enumerate(value[:MOST_LISTED])]
    return [[key, _cell(value)]]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:MOST_LISTED]))
        return shown + (f", ... ({len(value)} in all)" if len(value) > MOST_LISTED else "")
    return str(value)
