"""The numbers of runs in a Parquet file: a line a number.

Columns ``run`` (identity), ``part``, ``task``, ``row``, ``value``; of a user's table also
``file_row``, ``smiles`` and ``id``. Part ``test`` or ``valid`` is a prediction of a dataset's row;
``replicate`` is a bootstrap replicate of the macro score; ``score``, ``low`` and ``high`` are those
of a task. ``pandas.read_parquet(file).query("part == 'test'")`` gives all predictions of a model.

The first row group holds what is no prediction, of all runs; the others hold the predictions of
runs with the same cells, cell by cell, for near values compress best. A float16 or float32 stands
here as the same float64: the compression takes the zeros away, and one column fits all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chmr_bench.errors import RecordError
from chmr_bench.records.predictions import Molecules, Predictions
from chmr_bench.types import FloatArray

FILE_NAME = "predictions.parquet"
RUNS = b"chmr_bench_runs"
"""Key of the file's metadata: the identities of the runs of every row group but the first."""
PARTS = ("test", "valid", "replicate", "score", "low", "high")
SCORES = ("score", "low", "high")
MOLECULE = ("file_row", "smiles", "id")
GROUP = 64
GROUP_CELLS = 1_200_000
"""Runs in a row group, and cells; to read one of the runs, all of them are read."""
QUICK = {"compression_level": 5, "max_rows_per_page": 100_000}
"""Brotli; a tenth smaller than zstd at level 9, and as fast. Other pages give up to 4 % more."""
BEST = {"compression_level": 11, "max_rows_per_page": 200_000}
"""Six per cent smaller, and twenty times as slow."""


@dataclass(frozen=True)
class Arrays:
    """The numbers of a run.

    Attributes
    ----------
    replicates : (1000,)
        of the macro score.
    scores : (t, 3)
        score, low and high of a task; NaN = none. (0, 3) where they stand elsewhere.
    """

    predictions: Predictions
    replicates: FloatArray
    scores: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))


def write(path: Path, runs: Mapping[str, Arrays], *, best: bool = False) -> None:
    """Write the numbers of runs, by identity.

    Parameters
    ----------
    best
        as small as can be, for files that stay.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    groups = _groups(runs)
    tables = [_results(runs)]
    tables += [_cells({name: runs[name].predictions for name in group}) for group in groups]
    schema = pa.unify_schemas([table.schema for table in tables])
    with pq.ParquetWriter(
        path,
        schema.with_metadata({RUNS: json.dumps(groups)}),
        compression="brotli",
        **(BEST if best else QUICK),
        data_page_size=1 << 26,
        use_dictionary=["run", "part", "task", "smiles", "id"],
        column_encoding={"row": "BYTE_STREAM_SPLIT", "value": "BYTE_STREAM_SPLIT"},
        write_statistics=False,
        write_page_checksum=True,
    ) as file:
        for table in tables:
            for field in list(schema)[table.num_columns :]:  # another run is of a user's table
                table = table.append_column(field, pa.nulls(len(table), field.type))
            file.write_table(table, row_group_size=max(len(table), 1))


class ArrayFile:
    """The numbers of runs in a file; whatever is wrong with it is a RecordError.

    Parameters
    ----------
    path
        as `write` made it.
    """

    _recent: ClassVar[tuple[object, int, Any]] = (None, 0, None)
    """The row group that was read last, by whatever file; its other runs are often next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int, int]] | None = None
        self._first: dict[str, tuple[FloatArray, FloatArray]] | None = None

    def identities(self) -> Mapping[str, tuple[int, int, int]]:
        """Return the runs in the file: row group, place in it, and how many share it."""
        if self._places is None:
            groups = self._safely(lambda file: json.loads(file.schema_arrow.metadata[RUNS]))
            self._places = {
                str(name): (i, j, len(group))
                for i, group in enumerate(groups, 1)
                for j, name in enumerate(group)
            }
        return self._places

    def predictions(self, identity: str, dtype: str) -> Predictions:
        """Return the predictions of a run, in the precision that its record names."""
        table, own = self._own(identity)
        if table is None:  # another process has put other runs into the file
            self._places, ArrayFile._recent = None, (None, 0, None)
            table, own = self._own(identity)
        predictions: Predictions = self._safely(lambda _: _predictions(table, own, dtype))
        return predictions

    def _own(self, identity: str) -> tuple[Any, slice]:
        """Return the table with a run's predictions, None if it is elsewhere, and its lines."""
        if identity not in self.identities():
            raise RecordError(f"{self.path}: the run is not in this file")
        group, place, size = self.identities()[identity]
        table = self._group(group)
        name = self._safely(lambda _: table.column("run")[place].as_py())
        return table if name == identity else None, slice(place, None, size)

    def _group(self, group: int) -> Any:
        owner, known, table = ArrayFile._recent
        if owner is not self or known != group:
            table = self._safely(lambda file: file.read_row_group(group))
            ArrayFile._recent = self, group, table
        return table

    def results(self, identity: str) -> tuple[FloatArray, FloatArray]:
        """Return the (1000,) replicates and the (t, 3) scores of a run, float64."""
        if self._first is None:
            self._first = self._safely(lambda file: _split(file.read_row_group(0)))
        try:
            return self._first[identity]
        except KeyError as error:
            raise RecordError(f"{self.path}: the run is not in this file") from error

    def _safely(self, read: Callable[[Any], Any]) -> Any:
        import pyarrow.parquet as pq

        try:
            if not self.path.is_file():
                reason = "it is no file" if self.path.exists() else "no such file"
                raise RecordError(f"{self.path}: cannot be read: {reason}")
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                return read(file)
        except RecordError:
            raise
        except Exception as error:  # damage has no end of ways to show
            first = f"{type(error).__name__}: {error}".splitlines()[0]
            raise RecordError(f"{self.path}: cannot be read: {first}") from error


def _groups(runs: Mapping[str, Arrays]) -> list[list[str]]:
    """Return the runs with the same cells, together as far as they fit into a row group."""
    by_cells: dict[str, list[list[str]]] = defaultdict(lambda: [[]])
    for name, one in runs.items():
        chunks = by_cells[_cells_digest(one.predictions)]
        cells = int((~np.isnan(one.predictions.values)).sum())
        if len(chunks[-1]) >= min(max(GROUP_CELLS // max(cells, 1), 1), GROUP):
            chunks.append([])
        chunks[-1].append(name)
    return [group for chunks in by_cells.values() for group in chunks]


def _cells_digest(of: Predictions) -> str:
    """Return what is the same for predictions of the same cells and molecules."""
    valid = None if of.valid is None else _cells_digest(of.valid)
    kept = np.where(np.isnan(of.values), np.nan, 1.0)
    return f"{replace(of, values=kept, valid=None).digest()} {valid}"


def _table(runs: Any, parts: Any, tasks: Any, rows: Any, values: Any, **more: Any) -> Any:
    """Return a table; `runs`, `parts` and `tasks` are pairs of names and (n,) places in them."""
    import pyarrow as pa

    columns = {
        name: pa.DictionaryArray.from_arrays(
            pa.array(np.asarray(places, dtype=np.int32)), pa.array(list(names), pa.string())
        )
        for name, (names, places) in {"run": runs, "part": parts, "task": tasks}.items()
    }
    columns["row"] = pa.array(np.asarray(rows, dtype=np.int32))
    columns["value"] = pa.array(np.asarray(values, dtype=np.float64))
    return pa.table(columns | more)


def _results(runs: Mapping[str, Arrays]) -> Any:
    """Return the table of the replicates and scores of all runs."""
    columns = [
        (i, PARTS.index(part), column)
        for i, one in enumerate(runs.values())
        for part, column in zip(
            ("replicate", *SCORES), [one.replicates, *one.scores.T], strict=True
        )
    ]
    lengths = [len(column) for *_, column in columns]
    return _table(
        (runs, np.repeat([i for i, *_ in columns], lengths)),
        (PARTS, np.repeat([part for _, part, _ in columns], lengths)),
        ([""], np.zeros(sum(lengths))),
        np.concatenate([np.arange(n) for n in lengths]),
        np.concatenate([column.astype(np.float64) for *_, column in columns]),
    )


def _cells(runs: Mapping[str, Predictions]) -> Any:
    """Return the table of predictions of the same cells: task by task, row by row, run by run."""
    import pyarrow as pa

    n, first = len(runs), next(iter(runs.values()))
    kinds = [(PARTS.index(part), of) for part, of in _parts(first)]
    places = [_kept(of) for _, of in kinds]
    lengths = [len(rows) for _, rows in places]
    more: dict[str, Any] = {}
    if first.molecules is not None:
        at = np.concatenate([places[0][1], *(np.full(size, -1) for size in lengths[1:])])
        known, of = np.repeat(at >= 0, n), first.molecules
        for name, values in zip(MOLECULE, (of.file_rows, of.smiles, of.ids), strict=True):
            column: Any = pa.array(values).take(pa.array(np.repeat(at, n), mask=~known))
            more[name] = column if name == "file_row" else column.dictionary_encode()
    values = [
        np.concatenate(
            [
                of.values[rows, tasks]
                for (_, of), (tasks, rows) in zip(_parts(run), places, strict=True)
            ],
            dtype=np.float64,
        )
        for run in runs.values()
    ]
    return _table(
        (runs, np.tile(np.arange(n), sum(lengths))),
        (PARTS, np.repeat([part for part, _ in kinds], np.multiply(lengths, n))),
        (first.task_names, np.repeat(np.concatenate([tasks for tasks, _ in places]), n)),
        np.repeat(
            np.concatenate(
                [of.rows[rows] for (_, of), (_, rows) in zip(kinds, places, strict=True)]
            ),
            n,
        ),
        np.column_stack(values).ravel(),
        **more,
    )


def _parts(of: Predictions) -> list[tuple[str, Predictions]]:
    """Return the predictions of the test rows, and of the validation rows where they are kept."""
    return [("test", of)] + ([] if of.valid is None else [("valid", of.valid)])


def _kept(of: Predictions) -> tuple[Any, Any]:
    """Return task and row of the cells to store: those with a value, and an edge that may be NaN.

    All rows of the first task and the first row of all tasks are there, so that the order of rows
    and tasks comes back whatever is labelled.
    """
    kept = ~np.isnan(of.values.T)
    kept[:1], kept[:, :1] = True, True
    tasks, rows = np.nonzero(kept)
    return tasks, rows


# ----------------------------------------------------------------------------------------- reading


def _split(table: Any) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return identity -> replicates and scores."""
    run, part = (table.column(name).combine_chunks() for name in ("run", "part"))
    names, parts = run.dictionary.to_pylist(), part.dictionary.to_pylist()
    values = table.column("value").to_numpy()
    runs, kinds = run.indices.to_numpy(), part.indices.to_numpy()
    ends = np.searchsorted(runs, np.arange(len(names) + 1))
    by_identity = {}
    for name, start, end in zip(names, ends, ends[1:], strict=False):
        own, kind = values[start:end], kinds[start:end]
        of = {part: own[kind == k] for k, part in enumerate(parts)}
        by_identity[name] = of["replicate"], np.column_stack([of[name] for name in SCORES])
    return by_identity


def _predictions(table: Any, own: slice, dtype: str) -> Predictions:
    """Return the predictions of the run whose cells are `own`."""
    part, task = (table.column(name).combine_chunks() for name in ("part", "task"))
    parts, names = part.dictionary.to_pylist(), task.dictionary.to_pylist()
    kinds, tasks = part.indices.to_numpy()[own], task.indices.to_numpy()[own]
    rows, values = (table.column(name).to_numpy()[own] for name in ("row", "value"))
    by_part = {}
    for code in np.unique(kinds):
        here = kinds == code
        by_part[parts[code]] = _matrix(rows[here], tasks[here], values[here].astype(dtype), names)
    molecules = None
    if MOLECULE[0] in table.column_names and table.column(MOLECULE[0]).null_count < len(table):
        size, test = own.step or 1, len(by_part["test"].rows)  # all test rows are in the first task
        columns = [table.column(name).slice(0, test * size).to_pylist() for name in MOLECULE]
        file_rows, smiles, ids = (column[own] for column in columns)
        molecules = Molecules(np.array(file_rows), tuple(smiles), tuple(ids))
    return replace(by_part["test"], valid=by_part.get("valid"), molecules=molecules)


def _matrix(rows: Any, tasks: Any, values: Any, names: list[str]) -> Predictions:
    """Return the predictions of cells, task by task; the first task has all rows."""
    order = [names[code] for code in tasks[np.sort(np.unique(tasks, return_index=True)[1])]]
    at = {name: j for j, name in enumerate(order)}
    own = rows[tasks == tasks[0]]
    by_row = np.argsort(own, kind="stable")
    place = by_row[np.minimum(np.searchsorted(own, rows, sorter=by_row), len(own) - 1)]
    if not np.array_equal(own[place], rows):
        raise ValueError("a prediction is of a row that the first task does not have")
    matrix = np.full((len(own), len(order)), np.nan, dtype=values.dtype)
    matrix[place, np.array([at.get(name, 0) for name in names])[tasks]] = values
    return Predictions(own, matrix, tuple(order))
