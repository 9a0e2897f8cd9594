"""Read a benchmark's own file into labelled molecules: every row, in source order, as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from chmr_bench import DataError, Dataset, DatasetSpec
from chmr_bench.contracts import LoadFiles
from chmr_bench.types import FloatArray
from chmr_bench_nine.tables import TableLayout, layouts

if TYPE_CHECKING:
    from pathlib import Path


def load(spec: DatasetSpec, files: LoadFiles) -> Dataset:
    """Return the molecules and labels of one of the nine.

    No molecule is parsed here, so the count cannot depend on the version of a toolkit: ClinTox
    loses the seven rows that the benchmark's list leaves out, by number, and HIV's seven rows that
    a recent RDKit does not sanitise stay.

    Raises
    ------
    DataError
        The file's columns or cells are not what the table says.
    """
    layout = layouts()[spec.name]
    table = _read(files(layout.path))
    _check_shape(table, spec, layout)
    table = table.drop(index=list(layout.drop_rows))
    return Dataset(
        smiles=tuple(table[layout.smiles_column]),
        y=_labels(table.loc[:, list(spec.task_names)], layout),
        task_names=spec.task_names,
        keys=tuple(table[layout.key_column]) if layout.key_column else (),
    )


def _read(path: Path) -> pd.DataFrame:
    """Return the table as text, so that no SMILES or key that reads "NA" becomes a missing value.

    Text also keeps pandas from guessing at numbers: how it reads the last bit, which is part of a
    dataset's digest, has changed between its versions.
    """
    try:
        return pd.read_csv(path, dtype=object, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from error


def _labels(table: pd.DataFrame, layout: TableLayout) -> FloatArray:
    """Return (n, t) float64 labels, NaN for an empty cell; each different text is read once."""
    codes, texts = pd.factorize(table.to_numpy(dtype=object).ravel())
    try:
        numbers = [float(text) if text else np.nan for text in texts]
    except ValueError as error:
        raise DataError(f"{layout.path}: a label is not a number: {error}") from error
    return np.array(numbers, dtype=np.float64)[codes].reshape(table.shape)


def _check_shape(table: pd.DataFrame, spec: DatasetSpec, layout: TableLayout) -> None:
    first = layout.first_task_column
    names = tuple(table.columns[first : first + spec.n_tasks])
    if names != spec.task_names:
        pairs = zip(names, spec.task_names, strict=False)
        where = next((i for i, (a, b) in enumerate(pairs) if a != b), len(names))
        raise DataError(
            f"{layout.path}: column {first + where} should hold the task "
            f"{spec.task_names[where]!r}, but the header reads {list(table.columns)[:8]} ..."
        )
    for column in filter(None, (layout.smiles_column, layout.key_column)):
        if column not in table.columns:
            raise DataError(f"{layout.path}: there is no column {column!r}")
    if layout.drop_rows and len(table) <= max(layout.drop_rows):
        raise DataError(
            f"{layout.path}: {len(table)} rows, expected {spec.n_molecules} and the "
            f"{len(layout.drop_rows)} that the benchmark leaves out"
        )
