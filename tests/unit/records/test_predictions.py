"""Stored predictions come back exactly, and a damaged file is a record error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chmr_bench.errors import RecordError
from chmr_bench.records.arrays import ArrayFile, Arrays, write
from chmr_bench.records.predictions import Molecules, Predictions, as_stored
from tests.unit.test_records import some_predictions

NAME = "f" * 64


def saved(path: Path, *all_of: Predictions) -> list[Predictions]:
    """Return predictions after a stay in one file."""
    replicates = np.random.default_rng(1).random((len(all_of), 1000))
    scores = np.array([[0.1, np.nan, 0.3]])
    runs = {f"{i}{NAME}": Arrays(p, replicates[i], scores) for i, p in enumerate(all_of)}
    write(path, runs)
    file = ArrayFile(path)
    for i, name in enumerate(runs):
        np.testing.assert_array_equal(file.results(name)[0], replicates[i])
        np.testing.assert_array_equal(file.results(name)[1], scores)
    dtypes = [str(p.values.dtype) for p in all_of]
    return [file.predictions(name, dtypes[i]) for i, name in enumerate(runs)]


@pytest.mark.parametrize(
    ("task_type", "dtype"), [("classification", "float16"), ("regression", "float64")]
)
def test_predictions_come_back_exactly(tmp_path: Path, task_type: Any, dtype: str) -> None:
    y_pred = np.random.default_rng(0).random((5, 3)) + (1e9 if dtype == "float64" else 0)
    before = as_stored(y_pred, np.array([7, 2, 9, 0, 4]), ["a", "b", "row 3"], task_type)
    (after,) = saved(tmp_path / "p.parquet", before)
    assert after.values.dtype == before.values.dtype == dtype
    assert after.rows.dtype == np.int32
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.values, before.values)
    assert after.task_names == before.task_names
    assert after.digest() == before.digest()


def test_predictions_without_a_label_are_not_kept(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    y_pred, labelled = generator.random((300, 200)), generator.random((300, 200)) < 0.27
    labelled[7], labelled[:, 5] = False, False  # a row and a task without any
    labelled[0], labelled[:, 0] = False, False
    rows, names = np.arange(300) * 3, [f"task {j}" for j in range(200)]
    kept = as_stored(y_pred, rows, names, "classification", labelled)
    assert kept.cells == "labelled"
    np.testing.assert_array_equal(np.isnan(kept.values), ~labelled)
    whole = as_stored(y_pred, rows, names, "classification", np.ones_like(labelled))
    assert whole.cells == "all"
    np.testing.assert_array_equal(kept.values[labelled], whole.values[labelled])
    for name, predictions in (("kept", kept), ("whole", whole)):
        noise = generator.normal(0, 1e-3, (4, 300, 200)).astype(np.float16)
        seeds = [dataclasses.replace(predictions, values=predictions.values + n) for n in noise]
        after, *_ = saved(tmp_path / name, predictions, *seeds)
        assert after.digest() == predictions.digest()
        assert (after.task_names, after.cells) == (predictions.task_names, predictions.cells)
    assert (tmp_path / "kept").stat().st_size < 0.4 * (tmp_path / "whole").stat().st_size
    table: Any = pd.read_parquet(tmp_path / "kept").query("part == 'test'").dropna(subset="value")
    assert table["task"].iloc[0] == "task 1"
    assert len(table) == 5 * labelled.sum()
    assert table["row"].iloc[0] in rows


def test_runs_of_many_kinds_share_a_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    rows, few = np.arange(30), np.arange(20, 29)
    labelled = generator.random((30, 4)) < 0.5
    molecules = Molecules(rows + 2, tuple(f"C{'C' * i}" for i in rows), ("",) * 30)
    made = []
    for i in range(23):
        seed = as_stored(generator.random((30, 4)), rows, list("abcd"), "classification", labelled)
        valid = as_stored(generator.random((9, 4)), few, list("abcd"), "classification")
        made.append(dataclasses.replace(seed, valid=valid if i % 3 == 0 else None))
    made.append(as_stored(generator.random((9, 2)), few, ["a", "x"], "regression"))
    made.append(Predictions(few, generator.random((9, 2)).astype(np.float32), ("a", "x")))
    made.append(dataclasses.replace(made[0], molecules=molecules))
    made.append(dataclasses.replace(made[1], molecules=molecules))
    back = saved(tmp_path / "p.parquet", *made)
    for before, after in zip(made, back, strict=True):
        assert after.digest() == before.digest()
        np.testing.assert_array_equal(after.values, before.values)
        assert (after.valid is None) == (before.valid is None)
        assert (after.molecules is None) == (before.molecules is None)
    assert back[-1].molecules is not None
    assert back[-1].molecules.smiles == molecules.smiles
    assert back[-1].molecules.file_rows.tolist() == molecules.file_rows.tolist()


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
    with pytest.raises(RecordError, match=r"p\.parquet: cannot be read"):
        ArrayFile(file).predictions(NAME, "float16")


def test_a_flipped_bit_is_an_error_or_another_hash(tmp_path: Path) -> None:
    file, before = tmp_path / "p.parquet", some_predictions()
    saved(file, before)
    content, seen = file.read_bytes(), 0
    for place in range(4, len(content) - 8, 7):
        changed = bytearray(content)
        changed[place] ^= 16
        file.write_bytes(changed)
        try:
            seen += ArrayFile(file).predictions(f"0{NAME}", "float16").digest() != before.digest()
        except RecordError:
            seen += 1
    assert seen > 20  # the others are in what no prediction rests on
