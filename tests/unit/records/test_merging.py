"""The runs of other output folders are taken in whole; what cannot be is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.cli import records as command
from chmr_bench.errors import UsageError
from chmr_bench.records import RecordStore, Stored
from tests.unit.test_records import a_record, some_predictions, stored


def store_with(root: Path, seeds: Sequence[int], **more: Any) -> RecordStore:
    made = RecordStore(root)
    for seed in seeds:
        stored(made, a_record(seed=seed, **more))
    return made


def runs(store: RecordStore) -> dict[int | None, Stored]:
    return {run.record.seed: run for run in RecordStore(store.root).stored()}


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return store_with(tmp_path / "out", (0, 1))


def test_runs_of_several_folders_join_and_nothing_of_them_changes(
    store: RecordStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = store_with(tmp_path / "a", (1, 2)), store_with(tmp_path / "b", (2, 3))
    second.pack()
    second.write(a_record("failed", seed=7), log="what went wrong\n")
    assert command.merge([first.root, second.root], store.root, offline=True) == 0
    merged = runs(store)
    assert sorted(seed for seed in merged if seed is not None) == [0, 1, 2, 3, 7]
    assert {run.kind for run in merged.values()} == {"packed"}
    assert "3 runs added" in capsys.readouterr().err
    for other in (first, second):
        for seed, run in runs(other).items():
            assert merged[seed].full_content() == run.full_content()
            assert merged[seed].log() == run.log()
            if run.content["status"] == "ok":
                assert merged[seed].predictions().digest() == run.predictions().digest()
    assert len(runs(first)) == 2
    assert command.merge([first.root], store.root, offline=True) == 0
    assert "0 runs added" in capsys.readouterr().err


def test_a_folder_that_is_not_there_yet_is_made(store: RecordStore, tmp_path: Path) -> None:
    new = RecordStore(tmp_path / "new")
    assert command.merge([store.root], new.root, offline=True) == 0
    assert sorted(seed for seed in runs(new) if seed is not None) == [0, 1]


def test_a_failed_run_gives_way_to_a_good_one(store: RecordStore, tmp_path: Path) -> None:
    store.write(a_record("failed", seed=2))
    good = store_with(tmp_path / "good", (2,))
    assert command.merge([good.root], store.root, offline=True) == 1  # the failed one is in the way
    store.pack()
    assert command.merge([good.root], store.root, offline=True) == 0
    assert runs(store)[2].content["status"] == "ok"
    failed = RecordStore(tmp_path / "failed")
    failed.write(a_record("failed", seed=2))
    assert command.merge([failed.root], store.root, offline=True) == 0
    assert runs(store)[2].content["status"] == "ok"


def test_without_its_validation_rows_it_is_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, out = RecordStore(tmp_path / "other"), tmp_path / "out"
    predictions = replace(some_predictions(), valid=some_predictions())
    other.write(a_record(seed=0), predictions, np.zeros(1000))
    for n_new in (1, 0):
        assert command.merge([other.root], out, offline=True, test_only=True) == 0
        assert f"{n_new} run" in capsys.readouterr().err
    assert runs(RecordStore(out))[0].predictions().valid is None
    assert runs(other)[0].predictions().valid is not None


def test_one_that_differs_is_named_and_left(
    store: RecordStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = RecordStore(tmp_path / "other")
    record = a_record(seed=1, created="2027-01-01T00:00:00+00:00")
    other.write(record, some_predictions(), np.linspace(0.5, 0.7, 1000))
    assert command.merge([other.root], store.root, offline=True) == 1
    assert "differs from the run of the same identity that is here" in capsys.readouterr().err
    assert runs(store)[1].content["created"].startswith("2026")
    assert not list((store.folder / "loose").glob("*/*/*"))


def test_one_computed_twice_is_one(
    store: RecordStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = store_with(tmp_path / "other", (1,), created="2027-01-01T00:00:00+00:00")
    assert command.merge([other.root], store.root, offline=True) == 0
    assert "0 runs added" in capsys.readouterr().err
    assert runs(store)[1].content["created"].startswith("2026")


def test_a_damaged_one_is_named_and_left(
    store: RecordStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = store_with(tmp_path / "other", (4, 5))
    next(other.folder.glob("loose/*/*/*-s4-*/predictions.parquet")).write_bytes(b"no numbers")
    assert command.merge([other.root], store.root, offline=True) == 1
    assert "-s4-" in capsys.readouterr().err
    assert sorted(seed for seed in runs(store) if seed is not None) == [0, 1, 5]


def test_where_there_is_nothing_to_take_is_said(store: RecordStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere holds no runs; expected an output folder"):
        command.merge([tmp_path / "nowhere"], store.root)
    with pytest.raises(UsageError, match="cannot be merged into itself"):
        command.merge([store.root / "runs" / ".."], store.root)
