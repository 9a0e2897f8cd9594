"""Read the two kinds of file that atlases are made of: index tables, and ``.npz`` matrices."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.cells.atlas import Genes
from chmr_bench.contracts import MatrixBlock
from chmr_bench.errors import DataError

ARRAY, NAMES, OBSERVED = "data", "columns", "observed"
MAX_BYTES = 8 << 30
"""What a file may unpack to: the profiles of a million molecules, 2,000 columns in float32."""


def read_table(path: Path, columns: Sequence[str]) -> Any:
    """Return these columns of a CSV file as text, "" where nothing stands; a pandas table.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column; those it has are named.
    """
    import pandas as pd

    with file_named(path, "a CSV table in UTF-8"):
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                check_size(path, sum(len(part) for part in iter(lambda: file.read(1 << 24), b"")))
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    return table[list(columns)]


def read_numbers(path: Path, table: Any, columns: Sequence[str]) -> Any:
    """Return columns of a table of text as (n, d) float32, NaN where nothing stands.

    Raises
    ------
    DataError
        Something stands there that is no number.
    """
    values = np.full((len(table), len(columns)), np.nan, dtype=np.float32)
    for i, column in enumerate(columns):
        text = table[column].to_numpy(dtype=str)
        known = text != ""
        try:
            values[known, i] = text[known].astype(np.float64)
        except ValueError as error:
            raise DataError(f"{path}: column {column!r}: {error}; expected numbers") from error
    return values


def read_matrix(path: Path, n_rows: int, index: str) -> MatrixBlock:
    """Return a matrix whose rows stand in the order of the table `index`, in float32.

    The file holds an array ``data`` (n, d) and may hold the column names as ``columns`` (d,). It is
    read without pickle, so it can hold nothing but numbers and text. A row without any finite
    number is not observed. Profiles that are measured in part say so by an array ``observed``
    (n, d) of booleans; without it, what a profile lacks is imputed later.

    Raises
    ------
    DataError
        It is no such file, the matrix does not fit the index table, or holds no finite number.
    """
    with file_named(path, f"an .npz file of plain arrays, with an array {ARRAY!r}"):
        with zipfile.ZipFile(path) as archive:
            check_size(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (ARRAY, NAMES, OBSERVED) if name in file.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):  # numpy gives the bytes of what it cannot read
                raise ValueError(f"{name!r} is no array")
    data = arrays.get(ARRAY)
    if data is None or data.ndim != 2 or data.dtype.kind not in "fiub":
        raise DataError(f"{path}: expected a matrix of numbers in the array {ARRAY!r}")
    if len(data) != n_rows:
        raise DataError(f"{path}: {len(data)} rows, but {index} has {n_rows}; expected as many")
    names = tuple(str(name) for name in arrays.get(NAMES, ()))
    if names and len(names) != data.shape[1]:
        raise DataError(f"{path}: {len(names)} column names for {data.shape[1]} columns")
    values: Any = np.array(data, dtype=np.float32)
    observed = np.isfinite(values).any(axis=1)
    if not observed.any():
        raise DataError(
            f"{path}: the matrix {data.shape} holds no finite number; expected the profile of at "
            "least one molecule"
        )
    values[~observed] = np.nan
    entries = arrays.get(OBSERVED)
    if entries is None:
        return MatrixBlock(values, observed, names)
    if entries.dtype != np.bool_ or entries.shape != values.shape:
        raise DataError(
            f"{path}: the array {OBSERVED!r} is {entries.dtype} {entries.shape}; expected bool "
            f"{values.shape}, as {ARRAY!r}"
        )
    return MatrixBlock(values, entries & np.isfinite(values), names)


def genes_of_columns(expression: MatrixBlock | None) -> Genes | None:
    """Return the genes that an expression block's columns are named after; None without names."""
    if expression is None or not expression.names:
        return None
    names = tuple(dict.fromkeys(expression.names))
    return Genes(names=names, columns={name: i for i, name in enumerate(names)})


def plain_smiles(text: str) -> str:
    """Return a SMILES without the extension that may follow it after a space (``CCO |r|``)."""
    return text.strip().partition(" ")[0]


@contextlib.contextmanager
def file_named(path: Path, expected: str) -> Iterator[None]:
    """Say which file it was: empty, cut short, encrypted or no archive, each has its own error."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: cannot be read: {reason}; expected {expected}") from error


def check_size(path: Path, n_bytes: int) -> None:
    """Raise DataError where a file unpacks to more than MAX_BYTES."""
    if n_bytes > MAX_BYTES:
        raise DataError(
            f"{path}: unpacks to {n_bytes / 1e9:.1f} GB; expected at most {MAX_BYTES / 1e9:.1f} GB"
        )
