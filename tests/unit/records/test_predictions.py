"""Stored predictions come back exactly, and a damaged file is a record error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.errors import RecordError
from chmr_bench.records.predictions import Predictions, as_stored, read, write


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
