"""The options that describe a user's table, once for every command that takes one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from chmr_bench.data.requests import TableOptions

DATA = "Data"
NO_TABLE = TableOptions()
"""What a command gets where no option of a table is given."""
Answer = TypeVar("Answer")


def _option(kind: Any, text: str, *names: str) -> Any:
    return Annotated[kind, typer.Option(*names, help=text, rich_help_panel=DATA)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "smiles": (_option(str, "SMILES column of FILE."), ""),
    "tasks": (
        _option(list[str] | None, "Task columns of FILE: A,B; repeatable, one name each time."),
        None,
    ),
    "task_type": (_option(str, "classification or regression; else seen from FILE."), ""),
    "metric": (_option(str, "Metric of FILE: roc_auc, average_precision, mae, rmse, r2."), ""),
    "on_invalid": (_option(str, "Unreadable rows of FILE: stop, or drop and count them."), "stop"),
    "censored": (_option(str, "Values of FILE such as >10: stop, drop, or bound (10)."), "stop"),
    "delimiter": (_option(str, "Between the cells of FILE; else seen from it."), ""),
    "decimal": (_option(str, "Decimal mark of FILE, . or a comma; else seen from it."), ""),
    "encoding": (_option(str, "Encoding of FILE; else UTF-8, or as its first bytes say."), ""),
    "id": (_option(str, "Column of FILE with names, kept with the predictions.", "--id"), ""),
}
"""Parameter -> its type with the option's help, and its default."""


def takes_table(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """Give a command the options of a table in place of its parameter ``table: TableOptions``."""
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    theirs = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
    ]
    place = next(i for i, parameter in enumerate(theirs) if parameter.name == "table")
    parameters = [*theirs[:place], *ours, *theirs[place + 1 :]]

    @functools.wraps(command)
    def call(**given: Any) -> Answer:
        words = {name: given.pop(name) for name in OPTIONS}
        return command(table=TableOptions.of_words(**words), **given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call
