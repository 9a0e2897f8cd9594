"""Read `benchmarks.toml`: what is registered about the nine, and how each file is laid out."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chmr_bench import DatasetSpec, SourceFile

HERE = Path(__file__).parent
SPLIT_RULES = {
    "ogb": "chmr_bench_nine.reference_splits:ogb_split",
    "infoalign": "chmr_bench_nine.reference_splits:infoalign_split",
}


@dataclass(frozen=True)
class TableLayout:
    """How a benchmark's file is laid out; columns and rows count from 0.

    Attributes
    ----------
    path : str
        Mirror path of the file.
    first_task_column : int
        The tasks stand in this column and those after it, in the spec's order.
    key_column : str
        Column of connectivity keys, or "".
    drop_rows : tuple[int, ...]
        Rows of the file that are not part of the benchmark.
    smiles_column : str
        Name of the column of molecules.
    """

    path: str
    first_task_column: int
    key_column: str = ""
    drop_rows: tuple[int, ...] = ()
    smiles_column: str = "smiles"


@functools.cache
def specs() -> tuple[DatasetSpec, ...]:
    """Return the nine specs in the order of the file."""
    return tuple(_spec(name, table) for name, table in _tables().items())


@functools.cache
def layouts() -> Mapping[str, TableLayout]:
    """Return dataset name -> layout of its file."""
    return {name: _layout(table) for name, table in _tables().items()}


@functools.cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((HERE / "benchmarks.toml").read_text(encoding="utf-8"))


def _spec(name: str, table: Mapping[str, Any]) -> DatasetSpec:
    n_train, n_valid, n_test = table["split_sizes"]
    return DatasetSpec(
        name=name,
        title=table["title"],
        task_type=table["task_type"],
        task_names=_task_names(table),
        metric=table["metric"],
        n_molecules=table["n_molecules"],
        load="chmr_bench_nine.load:load",
        unit=table.get("unit", ""),
        split_rule=SPLIT_RULES[table["split_rule"]],
        split_sizes=(n_train, n_valid, n_test),
        split_digests=tuple(table["split_digests"]),
        sources=(SourceFile(**table["file"]),),
        suites=tuple(table["suites"]),
        licence=table["licence"],
        citation=table["citation"],
        source=table["source"],
        notes=tuple(table["notes"]),
    )


def _task_names(table: Mapping[str, Any]) -> tuple[str, ...]:
    if "tasks_file" in table:
        return tuple((HERE / table["tasks_file"]).read_text(encoding="utf-8").split())
    return tuple(table["tasks"])


def _layout(table: Mapping[str, Any]) -> TableLayout:
    layout = dict(table["layout"])
    drop_rows = tuple(layout.pop("drop_rows", ()))
    return TableLayout(path=table["file"]["path"], drop_rows=drop_rows, **layout)
