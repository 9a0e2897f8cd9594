"""Records: the schema, and a store that writes whole folders or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from chmr_bench.errors import RecordError, UsageError
from chmr_bench.records import (
    DatasetInfo,
    ErrorInfo,
    Metrics,
    ModelInfo,
    PluginRef,
    Record,
    RecordStore,
    Resources,
    SplitInfo,
    Stored,
    TaskResult,
    Timing,
    loose,
    no_records,
    places,
)
from chmr_bench.records.arrays import Arrays
from chmr_bench.records.arrays import write as write_arrays
from chmr_bench.records.environment import environment
from chmr_bench.records.predictions import Predictions, as_stored, replicates_digest
from chmr_bench.records.remedy import remedy
from chmr_bench.records.schema import json_schema
from chmr_bench.records.seal import is_sealed

REPOSITORY = Path(__file__).resolve().parents[2]


def a_record(status: str = "ok", seed: int | None = 0, **more: Any) -> Record:
    tasks = [
        TaskResult(task="a", score=0.7, low=0.6, high=0.8, n=4, n_minority=2, evaluable=True),
        TaskResult(
            task="b", score=None, low=None, high=None, n=0, n_minority=0, evaluable=False,
            reason="no label",
        ),
    ]  # fmt: skip
    metrics = Metrics(
        metric="roc_auc", greater_is_better=True, macro=0.7, low=0.6, high=0.8, n_tasks=2,
        n_evaluable=1, share_080=0.0, per_task=tasks,
    )  # fmt: skip
    values: dict[str, Any] = {
        "identity": hashlib.sha256(f"seed {seed}".encode()).hexdigest(),
        "status": status,
        "error": None,
        "model": ModelInfo(id="m", version="1", params={"trees": 5}, deterministic=seed is None),
        "plugin": PluginRef(name="p", distribution="dist", version="1.0"),
        "dataset": DatasetInfo(
            name="d", title="D", digest="dd", version="1", task_type="classification",
            metric="roc_auc",
            n_molecules=9, n_tasks=2,
        ),
        "split": SplitInfo(name="reference", digest="ss", n_train=3, n_valid=2, n_test=4),
        "seed": seed,
        "metrics": metrics,
        "timing": Timing(fit=1.0, total=2.0),
        "resources": Resources(n_jobs=2, device="cpu"),
        "environment": environment(),
        "command": ["chmr-bench", "run"],
        "created": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    if status == "failed":
        values |= {
            "metrics": None,
            "error": ErrorInfo(type="RuntimeError", message="no", phase="fit", traceback=""),
        }
    return Record.model_validate(values | more)


def some_predictions() -> Predictions:
    values = np.linspace(0, 1, 8).reshape(4, 2)
    return as_stored(values, np.array([1, 3, 5, 8]), ["a", "b"], "classification")


def stored(store: RecordStore, record: Record | None = None) -> Record:
    replicates = np.linspace(0.6, 0.8, 1000)
    return store.write(record or a_record(), some_predictions(), replicates, "a line\n")


def damaged(store: RecordStore) -> list[Stored]:
    return [run for run in store.stored() if run.damage()]


# ------------------------------------------------------------------------------------------ schema


def test_documented_schema_is_current() -> None:
    documented = json.loads((REPOSITORY / "docs" / "result.schema.json").read_text())
    assert documented == json_schema(), (
        "run: python -m chmr_bench.records > docs/result.schema.json"
    )


def test_every_entry_of_a_record_is_described() -> None:
    schema = json_schema()
    assert schema["title"] == "A record of chmr-bench"
    entries = schema["properties"].items()
    assert [name for name, entry in entries if not entry.get("description")] == []


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_written_results_keep_the_documented_schema(tmp_path: Path, status: str) -> None:
    store = RecordStore(tmp_path)
    record = stored(store) if status == "ok" else store.write(a_record("failed"))
    content = json.loads((store.path_of(record) / "result.json").read_text())
    jsonschema.validate(content, json_schema())
    assert content["schema_version"] == "2"
    assert Record.model_validate(content) == record
    assert is_sealed(content)


def test_unknown_keys_are_refused() -> None:
    content = a_record().model_dump() | {"surprise": 1}
    with pytest.raises(ValueError, match="surprise"):
        Record.model_validate(content)


# ------------------------------------------------------------------------------------------- store


def test_a_record_is_one_folder_and_comes_back(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    folder = tmp_path / "runs" / "loose" / "d" / "m" / f"reference-s0-{record.identity[:12]}"
    names = {p.name for p in folder.iterdir()}
    assert names == {"result.json", "predictions.parquet", "run.log"}
    assert store.find(record.identity) == record
    assert store.records() == store.of("d", "m") == [record]
    assert store.predictions(record).digest() == some_predictions().digest()
    assert store.replicates(record).shape == (1000,)
    assert store.problems() == []
    assert list((tmp_path / "runs" / ".tmp").iterdir()) == []


def test_the_record_pins_its_predictions_and_replicates(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    info = record.predictions
    assert info is not None
    assert (info.n_rows, info.dtype, info.replicates_dtype) == (4, "float16", "float64")
    assert info.values_sha256 == store.predictions(record).digest() == record.predictions_sha256
    assert info.replicates_sha256 == replicates_digest(store.replicates(record))


def test_nothing_is_found_in_an_empty_or_missing_folder(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "nowhere")
    assert store.find("0" * 64) is None
    assert store.records() == store.problems() == store.of("d", "m") == []


def test_another_identity_with_the_same_beginning_is_not_taken(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    assert store.find(record.identity[:12] + "f" * 52) is None


def test_deterministic_runs_and_drawn_splits_have_names_of_their_own(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    assert store.path_of(a_record(seed=None)).name.startswith("reference-once-")
    split = SplitInfo(name="deepchem:butina", seed=4, digest="x", n_train=1, n_valid=1, n_test=1)
    assert store.path_of(a_record(split=split)).name.startswith("deepchem-butina4-s0-")


def test_a_good_record_is_kept_and_a_failed_one_replaced(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    failed = store.write(a_record("failed"), log="what happened")
    assert store.find(failed.identity) == failed
    good = stored(store)
    assert store.find(failed.identity) == good
    later = stored(store, a_record(created="2027-01-01T00:00:00+00:00"))
    assert later == good
    assert store.records() == [good]


def test_a_crash_while_writing_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RecordStore(tmp_path)

    def crash(content: dict[str, Any]) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(loose, "to_json", crash)
    with pytest.raises(KeyboardInterrupt):
        stored(store)
    assert store.records() == store.problems() == []
    assert list((tmp_path / "runs" / ".tmp").iterdir()) == []


def test_leftovers_of_dead_processes_are_cleared_and_of_living_ones_kept(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.prepare()
    folder = tmp_path / "runs" / ".tmp"
    own = folder / places.temporary_name()
    host, _, started, end = own.name.split("~")
    dead = folder / f"{host}~{2**22 + 7}~{started}~{end}"
    reused = folder / f"{host}~{os.getpid()}~1~{end}"
    elsewhere = folder / f"another-machine~1~1~{end}"
    for path in (own, dead, reused, elsewhere):
        path.mkdir()
        (path / "result.json").write_text("{")
    store.prepare()
    assert sorted(p.name for p in folder.iterdir()) == sorted([own.name, elsewhere.name])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("result.json", "{ cut sho", "is not JSON"),
        ("result.json", "", "is not JSON"),
        ("result.json", "[1, 2]", "schema_version is None"),
        ("result.json", '{"schema_version": "9"}', "schema_version is '9'"),
        ("result.json", '{"schema_version": "1"}', "Field required"),
        ("result.json", '{"schema_version": "2"}', "Field required"),
        ("result.json", '{"schema_version": "1", "predictions": [1]}', "Field required"),
        ("result.json", '{"schema_version": "2", "dataset": [], "split": 3}', "Field required"),
        ("result.json", '{"schema_version": ' + "9" * 5000 + "}", "is not JSON"),
        ("result.json", "[" * 100_000, "is not JSON"),
        ("result.json", '{"schema_version": ["' + "x" * 9000 + '"]}', "schema_version is"),
        ("result.json", "\x00\xff", "is not JSON"),
        ("notes.txt", "hello", "has no result.json"),
    ],
)
def test_garbage_is_reported_and_harms_nobody(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    garbage = tmp_path / "runs" / "loose" / "d" / "m" / f"x-{record.identity[:12]}"
    garbage.mkdir()
    (garbage / name).write_text(content, encoding="latin-1")
    assert store.records() == [record]
    assert store.find(record.identity) == record
    (problem,) = store.problems()
    assert problem.path == garbage
    assert reason in problem.reason
    assert len(problem.reason) < 300
    assert "\n" not in problem.reason


def test_stray_files_and_copies_are_problems(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    folder = store.path_of(record)
    (tmp_path / "runs" / "stray.txt").write_text("x")
    (tmp_path / "runs" / "loose" / "d" / "stray.txt").write_text("x")
    shutil.copytree(folder, folder.with_name("copy"))
    (tmp_path / "runs" / ".hidden").write_text("x")
    reasons = {p.path.name: p.reason for p in store.problems()}
    assert set(reasons) == {"stray.txt", "copy"}
    assert "belongs to d/m/reference-s0" in reasons["copy"]
    assert store.records() == [record]


def test_garbage_where_the_record_belongs_is_replaced(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    folder = store.path_of(a_record())
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    record = stored(store)
    assert store.records() == [record]
    assert store.problems() == []


def test_missing_parts_are_record_errors(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    (store.path_of(record) / "predictions.parquet").unlink()
    for read in (store.predictions, store.replicates):
        with pytest.raises(RecordError, match=r"predictions\.parquet"):
            read(record)
    with pytest.raises(RecordError, match="a failed run has no predictions"):
        store.predictions(a_record("failed", seed=7))


@pytest.mark.parametrize("content", [None, b"", b"cut", "half", "values", "replicates"])
def test_a_damaged_record_is_not_there_and_is_replaced(tmp_path: Path, content: Any) -> None:
    store = RecordStore(tmp_path)
    record = stored(store)
    assert not store.is_damaged(record.identity)
    file = store.path_of(record) / "predictions.parquet"
    other = Arrays(store.predictions(record), store.replicates(record))
    if content == "values":
        other.predictions.values[0, 0] = 0.5
    elif content == "replicates":
        other.replicates[3] = 0.5
    if content is None:
        file.unlink()
    elif content == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        write_arrays(file, {record.identity: other})
    assert store.find(record.identity) is None
    assert store.is_damaged(record.identity)
    (run,) = damaged(store)
    assert "predictions.parquet" in run.damage()
    assert str(tmp_path) not in run.damage()
    again = stored(store)
    assert store.find(record.identity) == again == record
    assert damaged(store) == []
    assert not store.is_damaged("0" * 64)


@pytest.mark.parametrize("status", ["failed", "damaged"])
def test_what_is_replaced_may_lie_under_another_name_of_the_split(
    tmp_path: Path, status: str
) -> None:
    store = RecordStore(tmp_path)
    split = SplitInfo(name="scaffold", digest="ss", n_train=3, n_valid=2, n_test=4)
    if status == "failed":
        store.write(a_record("failed", split=split))
    else:
        old = stored(store, a_record(split=split))
        (store.path_of(old) / "predictions.parquet").unlink()
    good = stored(store)
    assert store.records() == [good]
    assert store.find(good.identity) == good


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"macro": 0.7', '"macro": NaN', "metrics.macro"),
        ('"score": 0.7', '"score": Infinity', "metrics.per_task.0.score"),
        ('"fit": 1.0', '"fit": 1e999', "timing.fit"),
        ('"trees": 5', '"trees": NaN', "model.params"),
        ('"trees": 5', '"trees": [1e999]', "model.params"),
        ('"trees": 5', '"trees": "\\ud800"', "surrogates not allowed"),
    ],
)
def test_numbers_that_are_none_make_a_record_unreadable(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    store = RecordStore(tmp_path)
    file = store.path_of(stored(store)) / "result.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert store.records() == []
    assert reason in store.problems()[0].reason


@pytest.mark.parametrize("place", ["d", "d/m"])
def test_a_file_where_a_folder_belongs_is_told_beforehand_and_when_writing(
    tmp_path: Path, place: str
) -> None:
    store = RecordStore(tmp_path)
    store.prepare()
    file = store.folder / "loose" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    with pytest.raises(UsageError, match=f"loose/{place} is a file"):
        store.check_places([("other", "m"), ("d", "m")])
    store.check_places([("other", "m")])
    with pytest.raises(RecordError, match=r"loose/d/m/reference.*: the record cannot be put there"):
        stored(store)
    assert list((store.folder / ".tmp").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="--out DIR"):
        RecordStore(tmp_path / "file" / "out").prepare()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".locks").touch()
    with pytest.raises(UsageError, match=r"runs/\.locks: File exists"):
        RecordStore(tmp_path).prepare()


def test_a_folder_without_records_is_told_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = {"none": "none: no such folder", "file": "file: this is a file", "": "no records in it"}
    for name, words in said.items():
        assert words in str(no_records(tmp_path / name))
        assert "--out DIR" in str(no_records(tmp_path / name))


def test_the_remedy_names_what_the_record_knows() -> None:
    content = a_record().model_dump(mode="json")
    plain = "for instance chmr-bench run --model m --dataset d --out DIR"
    assert remedy(content).endswith(plain)
    content["split"] |= {"name": "strict", "seed": 4}
    content["dataset"]["origin"] |= {"file": "my table.csv", "smiles": "smi", "tasks": ["a", "b"]}
    content["model"]["overrides"] = {"k": 7}
    assert remedy(content | {"seed": 3}, Path("my out")).endswith(
        "--dataset 'my table.csv' --out 'my out' --smiles smi --tasks a --tasks b --set k=7 "
        "--split strict --split-seed 4 --seed 3"
    )
