"""Read a benchmark's own file into labelled molecules: every row, in source order, as published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from chmr_bench import DataError, Dataset, DatasetSpec
from chmr_bench.contracts import LoadFiles
from chmr_bench_nine.tables import Layout, layouts

if TYPE_CHECKING:
    from pathlib import Path


def load(spec: DatasetSpec, files: LoadFiles) -> Dataset:
    """Return the molecules and labels of one of the nine.

    No molecule is parsed here, so the count cannot depend on the version of a toolkit: ClinTox
    loses the seven rows that the benchmark's list leaves out, by number, and HIV's seven rows that
    a recent RDKit does not sanitise stay.

    Raises
    ------
    DataError : the file's columns or cells are not what the table says.
    """
    layout = layouts()[spec.name]
    table = _read(files(layout.path), spec)
    _check_columns(table, spec, layout)
    table = table.drop(index=list(layout.drop_rows))
    return Dataset(
        smiles=tuple(table[layout.smiles_column]),
        y=table.loc[:, list(spec.task_names)].to_numpy(dtype=np.float64),
        task_names=spec.task_names,
        keys=tuple(table[layout.key_column]) if layout.key_column else (),
    )


def _read(path: Path, spec: DatasetSpec) -> pd.DataFrame:
    """Return the table: labels as numbers with NaN for an empty cell, everything else as text."""
    types: dict[Hashable, type] = defaultdict(lambda: str)
    types.update(dict.fromkeys(spec.task_names, float))
    try:
        return pd.read_csv(
            path,
            dtype=types,
            # Only an empty label is a missing value: never a SMILES or a key that reads "NA".
            keep_default_na=False,
            na_values={task: [""] for task in spec.task_names},
            # The nearest double, not pandas' fast guess: the last bit is part of the digest.
            float_precision="round_trip",
        )
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as the table of {spec.name}: {error}") from error


def _check_columns(table: pd.DataFrame, spec: DatasetSpec, layout: Layout) -> None:
    first = layout.first_task_column
    found = tuple(table.columns[first : first + spec.n_tasks])
    if found != spec.task_names:
        pairs = zip(found, spec.task_names, strict=False)
        where = next((i for i, (a, b) in enumerate(pairs) if a != b), len(found))
        raise DataError(
            f"{layout.path}: column {first + where} should hold the task "
            f"{spec.task_names[where]!r}, but the header reads {list(table.columns)[:8]} ..."
        )
    for column in filter(None, (layout.smiles_column, layout.key_column)):
        if column not in table.columns:
            raise DataError(f"{layout.path}: there is no column {column!r}")
