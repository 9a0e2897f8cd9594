"""Stored predictions come back exactly, and a damaged file is a record error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from chmr_bench.errors import RecordError
from chmr_bench.records.predictions import (
    LONG_MARK,
    Predictions,
    _long,
    as_stored,
    read,
    write,
)


def some_predictions() -> Predictions:
    values = np.linspace(0, 1, 8).reshape(4, 2)
    return as_stored(values, np.array([1, 3, 5, 8]), ["a", "b"], "classification")


@pytest.mark.parametrize(
    ("task_type", "dtype"), [("classification", "float16"), ("regression", "float32")]
)
def test_predictions_come_back_exactly(tmp_path: Path, task_type: Any, dtype: str) -> None:
    y_pred = np.random.default_rng(0).random((5, 3))
    before = as_stored(y_pred, np.arange(5), ["a", "b", "row 3"], task_type)
    write(tmp_path / "p.parquet", before)
    after = read(tmp_path / "p.parquet")
    assert after.values.dtype == before.values.dtype == dtype
    assert after.rows.dtype == np.int32
    np.testing.assert_array_equal(after.values, before.values)
    assert after.task_names == before.task_names
    assert after.digest() == before.digest()


def test_of_few_labelled_cells_the_others_are_not_kept(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    y_pred, labelled = generator.random((300, 200)), generator.random((300, 200)) < 0.27
    labelled[7], labelled[:, 5] = False, False  # a row and a task without any
    rows, names = np.arange(300) * 3, [f"task {j}" for j in range(200)]
    kept = as_stored(y_pred, rows, names, "classification", labelled)
    assert kept.cells == "labelled"
    np.testing.assert_array_equal(np.isnan(kept.values), ~labelled)
    whole = as_stored(y_pred, rows, names, "classification", np.ones_like(labelled))
    assert whole.cells == "all"
    np.testing.assert_array_equal(kept.values[labelled], whole.values[labelled])
    for name, predictions in (("kept", kept), ("whole", whole)):
        write(tmp_path / name, predictions)
        after = read(tmp_path / name)
        assert after.digest() == predictions.digest()
        assert (after.task_names, after.cells) == (predictions.task_names, predictions.cells)
    assert (tmp_path / "kept").stat().st_size < 0.4 * (tmp_path / "whole").stat().st_size
    table: Any = pd.read_parquet(tmp_path / "kept")
    assert list(table.columns) == ["row", "task", "value"]
    assert table["task"].iloc[0] == "task 0"
    assert len(table) == labelled.sum()


@pytest.mark.parametrize(
    "held", ["[]", "{", '{"rows": [0], "tasks": ["a"]}', '{"rows": [0, 1], "tasks": []}']
)
def test_labelled_cells_of_nowhere_are_a_record_error(tmp_path: Path, held: str) -> None:
    labelled = np.array([[True, False, False], [False, False, True]])
    table = _long(as_stored(np.ones((2, 3)), np.arange(2), list("abc"), "regression", labelled))
    pq.write_table(table.replace_schema_metadata({LONG_MARK: held}), tmp_path / "p.parquet")
    with pytest.raises(RecordError, match=r"p\.parquet: cannot be read as predictions"):
        read(tmp_path / "p.parquet")


def test_prediction_digest_sees_values_rows_and_names() -> None:
    base = some_predictions()
    others = [
        dataclasses.replace(base, rows=base.rows + 1),
        dataclasses.replace(base, values=base.values[::-1]),
        dataclasses.replace(base, task_names=("a", "c")),
        dataclasses.replace(base, values=base.values.astype(np.float32)),
    ]
    assert len({p.digest() for p in [base, *others]}) == 5


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", b"<html>"])
def test_damaged_predictions_are_a_record_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p.parquet"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=r"p\.parquet"):
        read(file)


def test_task_names_that_are_no_text_are_a_record_error(tmp_path: Path) -> None:
    file = tmp_path / "p.parquet"
    values = np.zeros((2, 1))
    write(file, as_stored(values, np.arange(2), ["aaaaaaaa"], "classification"))
    file.write_bytes(file.read_bytes().replace(b"aaaaaaaa", b"\xff" * 8))
    with pytest.raises(RecordError, match=r"p\.parquet: cannot be read as predictions"):
        read(file)
