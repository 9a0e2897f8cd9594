"""Stored predictions: one Parquet file a run, and the hashes that pin it.

Two layouts. As a rule column ``row``, then a column a task. Where fewer than half of the test cells
have a label (ToxCast: 27 %), only those are kept, a line each: ``row``, ``task``, ``value``. No
score rests on the others, and a leaderboard of many seeds stays small enough to be handed on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chmr_bench.errors import RecordError
from chmr_bench.types import BoolArray, FloatArray, IntArray, TaskType

FILE_NAME = "predictions.parquet"
ROW_COLUMN = "row"
LONG_COLUMNS = ("row", "task", "value")
LONG_MARK = b"chmr_bench_cells"
"""Key in the metadata of a file of labelled cells: its rows and task names, as JSON."""
SPLIT = "BYTE_STREAM_SPLIT"
LABELLED_BELOW = 0.5
"""Share of labelled cells below which only they are kept."""
DTYPES: dict[TaskType, Literal["float16", "float32"]] = {
    "classification": "float16",
    "regression": "float32",
}
"""Half precision keeps a leaderboard small. Two probabilities closer than one part in 2000 may
become a tie; scores are made from the stored values, so score and predictions always agree."""


@dataclass(frozen=True)
class Predictions:
    """What a model predicted for the test rows, as stored; scores are made from these values.

    Attributes
    ----------
    rows : (n_test,) int32, rows of the dataset.
    values : (n_test, t) float16 for classification, float32 for regression; NaN in cells that
        were not kept, which have no label.
    """

    rows: IntArray
    values: FloatArray
    task_names: tuple[str, ...]

    @property
    def cells(self) -> Literal["all", "labelled"]:
        """Return which cells are kept."""
        return "labelled" if np.isnan(self.values).any() else "all"

    def digest(self) -> str:
        """Return the sha256 of rows, task names and values."""
        h = hashlib.sha256("\n".join(self.task_names).encode() + b"\0")
        h.update(np.ascontiguousarray(self.rows, dtype="<i4").tobytes())
        little = self.values.dtype.newbyteorder("<")
        h.update(str(self.values.dtype).encode() + b"\0")
        h.update(np.ascontiguousarray(self.values, dtype=little).tobytes())
        return h.hexdigest()


def as_stored(
    y_pred: FloatArray,
    rows: IntArray,
    task_names: Sequence[str],
    task_type: TaskType,
    labelled: BoolArray | None = None,
) -> Predictions:
    """Return predictions (n_test, t) in the precision they are stored in.

    Parameters
    ----------
    labelled : (n_test, t); where few cells are, the others are not kept. None = keep all.
    """
    values = np.array(y_pred, dtype=DTYPES[task_type], order="C")
    if labelled is not None and labelled.mean() < LABELLED_BELOW:
        values[~labelled] = np.nan
    return Predictions(np.asarray(rows, dtype=np.int32), values, tuple(task_names))


def write(path: Path, predictions: Predictions) -> None:
    """Write the Parquet file in the layout that fits."""
    import pyarrow.parquet as pq

    is_long = predictions.cells == "labelled"
    pq.write_table(
        _long(predictions) if is_long else _wide(predictions),
        path,
        compression="zstd",
        compression_level=9,
        # Few values repeat: a dictionary a column makes the file half larger.
        use_dictionary=["task"] if is_long else False,
        column_encoding={"row": "DELTA_BINARY_PACKED", "value": SPLIT} if is_long else None,
        write_statistics=False,
    )


def _wide(predictions: Predictions) -> Any:
    import pyarrow as pa

    columns = [pa.array(predictions.rows)]
    columns += [pa.array(np.ascontiguousarray(column)) for column in predictions.values.T]
    return pa.Table.from_arrays(columns, names=[ROW_COLUMN, *predictions.task_names])


def _long(predictions: Predictions) -> Any:
    """Return a line a kept cell, task by task."""
    import pyarrow as pa

    tasks, rows = np.nonzero(~np.isnan(predictions.values.T))
    names = pa.array(predictions.task_names, pa.string())
    columns = [
        pa.array(predictions.rows[rows]),
        pa.DictionaryArray.from_arrays(pa.array(tasks.astype(np.int32)), names),
        pa.array(predictions.values.T[tasks, rows]),
    ]
    held = {"rows": predictions.rows.tolist(), "tasks": list(predictions.task_names)}
    table = pa.Table.from_arrays(columns, names=list(LONG_COLUMNS))
    return table.replace_schema_metadata({LONG_MARK: json.dumps(held)})


def read(path: Path) -> Predictions:
    """Read the Parquet file; RecordError where it is missing or not what `write` writes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(path)
        held = (table.schema.metadata or {}).get(LONG_MARK)
        found = _of_wide(table) if held is None else _of_long(table, json.loads(held))
    except (OSError, ValueError, KeyError, IndexError, TypeError, pa.ArrowException) as error:
        raise RecordError(f"{path}: cannot be read as predictions: {error}") from error
    if not found.task_names:
        raise RecordError(f"{path}: holds no task")
    return found


def _of_wide(table: Any) -> Predictions:
    names = table.column_names
    if not names or names[0] != ROW_COLUMN:
        raise ValueError(f"the first column is {names[:1]}, expected 'row'")
    columns = [table.column(i).to_numpy() for i in range(1, len(names))]
    rows = table.column(0).to_numpy()
    values = np.column_stack(columns) if columns else np.zeros((len(rows), 0))
    return Predictions(rows, values, tuple(names[1:]))


def _of_long(table: Any, held: Any) -> Predictions:
    rows: Any = np.array(held["rows"], dtype=np.int32)
    names = tuple(str(name) for name in held["tasks"])
    row, value = (table.column(name).to_numpy() for name in ("row", "value"))
    task = table.column("task").combine_chunks()
    place = {name: j for j, name in enumerate(names)}
    known = np.array([place[name] for name in task.dictionary.to_pylist()], dtype=np.int64)
    at = np.searchsorted(rows, row)
    if not np.array_equal(rows[at], row):
        raise ValueError("a cell is of a row that is not among the rows")
    values = np.full((len(rows), len(names)), np.nan, dtype=value.dtype)
    values[at, known[task.indices.to_numpy()]] = value
    return Predictions(rows, values, names)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
