"""Runs in packs: nothing is lost, whatever happens while they are moved."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.errors import RecordError
from chmr_bench.records import RecordStore, arrays, lines, loose, packed, packing
from chmr_bench.records.loose import FirstRun
from chmr_bench.records.run import without_tasks
from tests.unit.test_records import a_record, damaged, some_predictions, stored

VERSION_1 = Path(__file__).resolve().parents[2] / "fixtures" / "version-1"


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    """Three good runs of a model, and one that failed."""
    made = RecordStore(tmp_path / "out")
    for seed in range(3):
        stored(made, a_record(seed=seed))
    made.write(a_record("failed", seed=7), log="what went wrong: µ\n")
    return made


def files(store: RecordStore) -> list[str]:
    """Return the files of the store, locks left out."""
    found = (p.relative_to(store.root) for p in store.root.rglob("*") if p.is_file())
    return sorted(p.as_posix() for p in found if ".locks" not in p.parts)


def content(store: RecordStore) -> dict[str, Any]:
    """Return all there is of every run, by identity."""
    return {
        run.identity: (
            run.record,
            run.log(),
            None if run.record.status == "failed" else run.predictions().digest(),
            None if run.record.status == "failed" else run.replicates().tolist(),
        )
        for run in RecordStore(store.root).stored()
    }


PAIR = ["runs/reference/m.jsonl.gz", "runs/reference/m.parquet"]


def test_packing_keeps_everything_in_two_files(store: RecordStore) -> None:
    before = content(store)
    done = store.pack()
    assert (done.moved, done.problems) == (4, [])
    assert files(store) == PAIR
    assert content(store) == before
    assert store.problems() == damaged(store) == []
    for identity, (record, *_) in before.items():
        assert store.find(identity) == record
        assert store.path_of(record).name == "m.jsonl.gz"
    assert store.pack().moved == 0


def test_more_runs_join_and_unpacking_is_the_way_back(store: RecordStore) -> None:
    store.pack()
    text = text_of(store).decode().splitlines()
    stored(store, a_record(seed=5))
    stored(store, a_record(seed=0, missing={"rate": 0.5}, identity="ab" * 32))
    before = content(store)
    assert store.pack().moved == 2
    assert content(store) == before
    assert set(text[:-1]) <= set(text_of(store).decode().splitlines())
    assert "runs/reference-masked/m.jsonl.gz" in files(store)
    done = packing.unpack(store, store.stored())
    assert (done.moved, done.problems) == (6, [])
    assert content(store) == before
    assert all(name.startswith("runs/loose/d/m/") for name in files(store))


def test_the_best_packs_hold_the_same(store: RecordStore) -> None:
    store.pack()
    before, size = content(store), (store.root / PAIR[1]).stat().st_size
    assert store.pack(best=True).problems == []
    assert content(store) == before
    assert (store.root / PAIR[1]).stat().st_size < size
    assert files(store) == PAIR


def test_removed_runs_are_gone_and_the_others_stay(store: RecordStore) -> None:
    store.pack()
    stored(store, a_record(seed=5))
    before = content(store)
    gone = [run for run in store.stored() if run.record.seed in (1, 5, 7)]
    packing.remove(store, gone)
    kept = {name: value for name, value in before.items() if name not in {r.identity for r in gone}}
    assert content(store) == kept
    packing.remove(store, store.stored())
    assert files(store) == []


def test_a_failed_packed_run_is_discarded_and_replaced(store: RecordStore) -> None:
    store.pack()
    failed = a_record("failed", seed=7)
    store.discard_failed(failed.identity)
    assert store.find(failed.identity) is None
    store.write(failed)
    store.pack()
    good = stored(store, a_record(seed=7))
    assert store.find(failed.identity) == good
    store.pack()
    assert [r.status for r in store.records()] == ["ok"] * 4
    assert files(store) == PAIR


def test_lines_say_what_records_say_without_the_tasks(store: RecordStore) -> None:
    loose = [without_tasks(run.content)[0] for run in store.stored()]
    store.pack()
    found = [without_tasks(run.content)[0] for run in store.stored()]
    assert found == loose
    for line, record in zip(found, store.records(), strict=True):
        whole = record.model_dump(mode="json")
        if whole["metrics"]:
            tasks = line["metrics"]["per_task"]["tasks"]
            assert (tasks["task"], tasks["n_minority"]) == (["a", "b"], [2, 0])
            assert (tasks["evaluable"], tasks["reason"]) == ([1, 0], {"1": "no label"})
            whole["metrics"]["per_task"] = line["metrics"]["per_task"]
        assert line == whole


def test_an_empty_or_read_only_store_is_no_error(tmp_path: Path, store: RecordStore) -> None:
    assert RecordStore(tmp_path / "nowhere").pack().moved == 0
    store.pack()
    before = content(store)
    for path in (store.root, *store.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert content(store) == before
    finally:
        for path in (store.root, *store.root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_any_path_will_do(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "ein Ordner für µ, 分子")
    record = stored(store, a_record(model={**a_record().model.model_dump(), "id": "m" * 300}))
    store.pack()
    assert content(store)[record.identity][0] == record
    assert all(len(Path(name).name) < 100 for name in files(store))


def test_half_a_character_is_written_out(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    record = stored(store, a_record(command=["run", "\udcff.csv"]))
    store.pack()
    assert store.find(record.identity) == record
    assert record.command[1] == "\\udcff.csv"


# ------------------------------------------------------------------------------------------ damage


def text_of(store: RecordStore) -> bytes:
    return gzip.decompress((store.root / PAIR[0]).read_bytes())


def line_of(store: RecordStore, seed: int) -> int:
    texts = text_of(store).splitlines()
    return next(i for i, text in enumerate(texts) if f'"seed":{seed},"missing"'.encode() in text)


@pytest.mark.parametrize("share", [None, 0.0, 0.6])
def test_lines_that_hold_no_run_can_be_removed(store: RecordStore, share: float | None) -> None:
    store.pack()
    file = store.root / PAIR[0]
    whole = file.read_bytes()
    texts = text_of(store).splitlines()
    texts[line_of(store, 1)] = b"{ cut sho"
    odd = gzip.compress(b"\n".join([b"odd", *texts, b""]))
    file.write_bytes(odd if share is None else whole[: int(share * len(whole))])
    again = RecordStore(store.root)
    before = content(again)
    assert len(packing.bad_lines(again)) == (2 if share is None else 1)
    packing.remove_bad_lines(again)
    after = RecordStore(store.root)
    assert packing.bad_lines(after) == after.problems() == damaged(after) == []
    assert content(after) == before
    assert files(after) == (PAIR if before else [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{ cut sho", "is not JSON"),
        (b"[1]", "is not JSON: expected an object"),
        (b"{}", "is no record"),
        (b'{"$": "abc"}', "refers to 'value'"),
        (b'{"$": 7, "value": {"$": "abc"}}', "refers to 'abc'"),
        (b'{"schema_version":"2","dataset":[],"metrics":3}', "no record"),
        (b'{"schema_version":"2","metrics":null}', "Field required"),
        (b'{"seed":' + b"9" * 5000 + b"}", ""),
        (b"[" * 3000, "is not JSON"),
        (b'{"a":"\\ud800"}', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"<<<<<<< ours", "is not JSON"),
    ],
)
def test_a_bad_line_is_one_problem_and_is_kept(
    store: RecordStore, text: bytes, reason: str
) -> None:
    store.pack()
    texts = text_of(store).splitlines()
    at = line_of(store, 1)
    lines = b"\n".join([*texts[:at], text, *texts[at + 1 :], b""])
    (store.root / PAIR[0]).write_bytes(gzip.compress(lines))
    again = RecordStore(store.root)
    (problem,) = again.problems()
    assert reason in problem.reason
    assert f"line {at + 1}: " in problem.reason
    assert "\n" not in problem.reason
    assert len(problem.reason) < 300
    assert sorted(r.seed for r in again.records() if r.seed is not None) == [0, 2, 7]
    stored(again, a_record(seed=1))
    again.pack()
    assert sorted(r.seed for r in again.records() if r.seed is not None) == [0, 1, 2, 7]
    assert text in text_of(store)


@pytest.mark.parametrize("change", [("n", "x"), ("task", 3), ("evaluable", None)])
def test_a_task_that_cannot_be_is_a_problem_of_its_run(
    store: RecordStore, change: tuple[str, Any]
) -> None:
    """The seal holds the hash of the tasks, which is not computed to list runs."""
    name, value = change
    store.pack()
    texts = []
    for text in text_of(store).splitlines():
        line = json.loads(text)
        if line.get("seed") == 1:
            columns = {key: list[Any]() for key in ("task", "n", "n_minority", "evaluable")}
            line["metrics"]["per_task"]["tasks"] = {**columns, "task": ["t"], name: [value]}
        texts.append(json.dumps(line).encode())
    (store.root / PAIR[0]).write_bytes(gzip.compress(b"\n".join([*texts, b""])))
    again = RecordStore(store.root)
    (problem,) = again.problems()
    assert "metrics.per_task" in problem.reason
    assert sorted(r.seed for r in again.records() if r.seed is not None) == [0, 2, 7]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_lines_are_read_as_far_as_they_go_and_set_aside(
    store: RecordStore, share: float
) -> None:
    store.pack()
    before = content(store)
    file = store.root / PAIR[0]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    again = RecordStore(store.root)
    assert [p.reason for p in again.problems()] == [packed.CUT]
    left = content(again)
    assert left.items() <= before.items()
    assert len(left) < len(before) or share == 0.99  # there the hash of the numbers is lost
    stored(again, a_record(seed=9))
    again.pack()
    assert len(again.records()) == len(left) + 1
    (problem,) = again.problems()
    assert problem.path.read_bytes() == whole[: int(share * len(whole))]


def test_a_flipped_bit_of_the_lines_is_seen(store: RecordStore) -> None:
    store.pack()
    before = content(store)
    whole = bytearray((store.root / PAIR[0]).read_bytes())
    whole[-6] ^= 1  # of the checksum
    (store.root / PAIR[0]).write_bytes(bytes(whole))
    again = RecordStore(store.root)
    assert packed.CUT in [p.reason for p in again.problems()]
    assert content(again).items() <= before.items()


def test_files_of_lines_put_together_are_read_to_the_end(store: RecordStore) -> None:
    store.pack()
    before = content(store)
    lines_ = text_of(store).splitlines(keepends=True)
    parts = [gzip.compress(b"".join(lines_[:2])), gzip.compress(b"".join(lines_[2:]))]
    (store.root / PAIR[0]).write_bytes(b"".join(parts))
    assert content(store) == before


def test_a_pack_that_would_fill_the_memory_is_refused(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pack()
    monkeypatch.setattr(packed, "MOST", 1000)
    (problem,) = RecordStore(store.root).problems()
    assert problem.reason == "unpacks to more than 1,000 bytes"


def test_a_pack_that_is_not_compressed_is_named(store: RecordStore) -> None:
    store.pack()
    before = content(store)
    plain = store.folder / "reference" / "m.jsonl"
    plain.write_bytes(text_of(store))
    (store.root / PAIR[0]).unlink()
    assert "gzip it" in " ".join(p.reason for p in RecordStore(store.root).problems())
    subprocess.run(["gzip", str(plain)], check=True)
    assert content(store) == before


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, None])
def test_a_truncated_parquet_file_is_said_of_its_runs_and_set_aside(
    store: RecordStore, share: float | None
) -> None:
    store.pack()
    file = store.root / PAIR[1]
    whole = file.read_bytes()
    file.unlink() if share is None else file.write_bytes(whole[: int(share * len(whole))])
    again = RecordStore(store.root)
    assert again.problems() == []
    assert len(again.records()) == 4
    assert len(damaged(again)) == 3
    assert all("m.parquet" in run.damage() for run in damaged(again))
    record = a_record(seed=1)
    assert again.find(record.identity) is None
    with pytest.raises(RecordError, match=r"m\.parquet: cannot be read"):
        again.predictions(record)
    good = stored(again, record)
    again.pack()
    assert again.find(record.identity) == good
    assert len(damaged(again)) == 2
    assert {r.seed for r in again.records()} == {0, 1, 2, 7}
    if share is not None:
        aside_file = file.with_name("m.parquet.damaged")
        assert aside_file.read_bytes() == whole[: int(share * len(whole))]
        assert [p.path for p in again.problems()] == [aside_file]


def test_a_parquet_file_of_another_hash_is_checked_run_by_run(store: RecordStore) -> None:
    store.pack()
    file = store.root / PAIR[1]
    made = {}
    for run in store.stored():
        if run.record.status == "ok":
            scores = run.numbers.results(run.identity)[1]
            made[run.identity] = arrays.Arrays(run.predictions(), run.replicates(), scores)
    names = list(made)
    arrays.write(file, {name: made[name] for name in reversed(names)})
    assert damaged(RecordStore(store.root)) == []
    made[names[0]].predictions.values[0, 0] = 0.5
    made[names[1]].replicates[0] = 0.5
    made[names[2]].scores[0, 0] = 0.5
    arrays.write(file, made)
    again = RecordStore(store.root)
    reasons = [run.damage() for run in damaged(again)]
    assert [re.sub(".*: ", "", reason) for reason in reasons] == [
        "the predictions are not those on record",
        "the bootstrap replicates are not those on record",
        "the scores of the tasks are not those on record",
    ]


def test_one_run_loose_and_packed(store: RecordStore) -> None:
    loose = store.root / "copy"
    shutil.copytree(store.folder / "loose", loose)
    store.pack()
    shutil.copytree(loose, store.folder / "loose")  # as after a kill before they were removed
    assert store.problems() == []
    assert len(store.records()) == 4
    (folder,) = (store.folder / "loose").glob("d/m/reference-s1-*")
    text = (folder / "result.json").read_text()
    (folder / "result.json").write_text(text.replace('"macro": 0.7', '"macro": 0.8'))
    (problem,) = store.problems()
    assert problem.path == folder
    assert "differs from the packed run" in problem.reason
    done = store.pack()
    assert [p.path for p in done.problems] == [folder]
    assert folder.exists()
    assert len(list((store.folder / "loose").glob("*/*/*"))) == 1
    assert {r.metrics.macro for r in store.records() if r.metrics} == {0.7}


def test_of_two_failures_the_later_is_on_record(store: RecordStore) -> None:
    store.pack()
    other = {"type": "ValueError", "message": "another bug", "phase": "predict", "traceback": ""}
    for second in (0, 9):  # the clock of records has no fractions
        created = f"2026-01-01T00:00:0{second}+00:00"
        other["message"] = f"bug {second}"
        store.write(a_record("failed", seed=7, created=created, error=other))
        assert store.problems() == []
        done = store.pack()
        assert (done.moved, done.problems) == (1, [])
        assert files(store) == PAIR
        (failed,) = (r for r in store.records() if r.status == "failed")
        assert failed.error is not None
        assert failed.error.message == f"bug {second}"


def test_foreign_files_are_named(store: RecordStore, tmp_path: Path) -> None:
    store.pack()
    for name in ("runs/notes.txt", "runs/reference/notes.txt", "runs/reference/x.parquet"):
        (store.root / name).write_text("x")
    (store.folder / "reference" / "dir.jsonl.gz").mkdir()
    os.mkfifo(store.folder / "reference" / "pipe.jsonl.gz")
    (store.folder / "loop").symlink_to(store.folder / "loop")
    folder = store.folder / "loose" / "d" / "m" / "pipe"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "result.json")
    problems = {p.path.relative_to(store.folder).as_posix(): p.reason for p in store.problems()}
    assert problems.keys() == {
        "notes.txt",
        "reference/notes.txt",
        "reference/x.parquet",
        "reference/dir.jsonl.gz",
        "reference/pipe.jsonl.gz",
        "loop",
        "loose/d/m/pipe",
    }
    assert len(store.records()) == 4


# --------------------------------------------------------------------------- while runs are packed


@pytest.mark.parametrize("step", ["arrays", "lines", "check", "flush"])
def test_a_full_disk_loses_nothing(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, there = content(store), files(store)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place, name = {
        "arrays": (arrays, "write"),
        "lines": (lines, "write"),
        "check": (packing, "_check"),
        "flush": (packing.loose, "flush"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, full)
        done = store.pack()
    assert done.moved == 0
    (problem,) = done.problems
    assert problem.reason == "nothing was packed: No space left on device"
    assert files(store) == there
    assert content(store) == before
    assert store.pack().problems == []
    assert content(store) == before


def test_what_is_not_read_back_is_not_packed(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = content(store), packed.write

    def wrong(*given: Any, **more: Any) -> Any:
        written = real(*given, **more)
        text = gzip.decompress(written[0].read_bytes())
        written[0].write_bytes(gzip.compress(text.replace(b'"fit":1.0', b'"fit":2.0')))
        return written

    monkeypatch.setattr(packed, "write", wrong)
    done = store.pack()
    assert done.moved == 0
    assert "was not written as it is" in done.problems[0].reason
    assert content(store) == before


PACKING = """
import sys
from pathlib import Path
from chmr_bench.records import RecordStore
done = RecordStore(Path(sys.argv[1])).pack()
print(done.moved, done.problems)
"""


def test_two_packings_at_once(store: RecordStore) -> None:
    for seed in range(10, 25):
        stored(store, a_record(seed=seed))
    before = content(store)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PACKING, str(store.root)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = [process.communicate(timeout=60)[0].split(" ", 1) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(int(n) for n, _ in told) == 19
    assert content(store) == before
    assert files(store) == PAIR


def test_a_run_that_is_stored_while_its_failure_is_packed_stays(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process tries a failed job again, and succeeds, between writing and clearing up."""
    real, writers = packing._rewrite, list[threading.Thread]()

    def slow(*given: Any, **more: Any) -> None:
        real(*given, **more)
        writers.append(threading.Thread(target=stored, args=(other, a_record(seed=7))))
        writers[0].start()
        writers[0].join(timeout=0.5)

    other = RecordStore(store.root)
    monkeypatch.setattr(packing, "_rewrite", slow)
    store.pack()
    writers[0].join(timeout=20)
    monkeypatch.setattr(packing, "_rewrite", real)
    found = RecordStore(store.root)
    assert [run.status for run in found.records()] == ["ok"] * 4
    assert found.pack().problems == []
    assert [run.damage() for run in found.stored()] == [""] * 4


@pytest.mark.parametrize("taken", [True, False])
def test_a_folder_that_is_taken_or_damaged_meanwhile_keeps_no_other_from_being_packed(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """What another packing took is no problem."""
    real = loose.read

    def read(path: Path) -> Any:
        if path == lost:
            shutil.rmtree(path) if taken else (path / "result.json").unlink(missing_ok=True)
        return real(path)

    lost = next(run.path for run in store.stored() if run.record.status == "failed")
    unpacked = list(store.unpacked())
    monkeypatch.setattr(RecordStore, "unpacked", lambda _: unpacked)
    monkeypatch.setattr(loose, "read", read)
    done = store.pack()
    assert done.moved == 3
    problems = [(p.path, p.reason) for p in done.problems]
    assert problems == ([] if taken else [(lost, "has no result.json")])


def test_a_reader_meets_a_packing(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = store.stored()
    RecordStore(store.root).pack()
    assert [run.damage() for run in runs] == [""] * 4
    assert all(len(store.replicates(run.record)) == 1000 for run in runs if run.record.metrics)
    stored(store, a_record(seed=5))
    packs = RecordStore.packs

    def packed_first(self: RecordStore) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(RecordStore, "packs", packs)
            RecordStore(store.root).pack()
        return packs(self)

    monkeypatch.setattr(RecordStore, "packs", packed_first)
    assert len(RecordStore(store.root).records()) == 5
    assert store.problems() == []


def test_a_kill_between_the_two_files_leaves_every_run(store: RecordStore) -> None:
    store.pack()
    stored(store, a_record(seed=5))
    before = content(store)
    old = (store.root / PAIR[0]).read_bytes()
    new = RecordStore(store.root)
    loose = store.root / "copy"
    shutil.copytree(store.folder / "loose", loose)
    new.pack()
    (store.root / PAIR[0]).write_bytes(old)  # the Parquet file is the new one
    shutil.copytree(loose, store.folder / "loose")
    shutil.rmtree(loose)
    after = RecordStore(store.root)
    assert content(after) == before
    assert damaged(after) == after.problems() == []
    after.pack()
    assert content(after) == before
    assert files(after) == PAIR


# --------------------------------------------------------------------------------------- version 1


@pytest.fixture
def first(tmp_path: Path) -> RecordStore:
    """A store of version 1."""
    shutil.copytree(VERSION_1, tmp_path / "old")
    return RecordStore(tmp_path / "old")


def test_version_1_is_read_and_packed_with_every_value(first: RecordStore) -> None:
    runs = first.stored()
    assert {run.kind for run in runs} == {"version 1"}
    assert first.problems() == damaged(first) == []
    before = content(first)
    done = first.pack()
    assert (done.moved, done.problems) == (len(runs), [])
    assert not first.first.exists()
    after = content(first)
    for identity, (record, log, digest, replicates) in before.items():
        new = after[identity]
        assert (new[1], new[2], new[3]) == (log, digest, replicates)
        assert new[0].predictions_sha256 == record.predictions_sha256
        changed = {"schema_version", "seal", "predictions"}
        assert new[0].model_dump(exclude=changed) == record.model_dump(exclude=changed)
        assert new[0].predictions.values_sha256 == record.predictions.values_sha256
    assert all(run.sealed for run in first.stored())
    assert damaged(first) == []


def test_a_run_of_version_1_that_is_scored_again(first: RecordStore) -> None:
    run = first.stored()[0]
    metrics = run.record.metrics
    assert metrics is not None
    new = first.rescore(run, metrics.model_copy(update={"low": 0.1}), run.replicates())
    n = len(list(first.unpacked()))
    assert len(first.stored()) == n - 1
    assert first.find(run.identity) == new
    assert new.predictions_sha256 == run.record.predictions_sha256  # by which audits know it
    done = first.pack()
    assert (done.moved, done.problems) == (n, [])
    assert first.find(run.identity) == new
    assert len(first.stored()) == n - 1


def test_predictions_of_version_1_without_a_label_are_left_out(first: RecordStore) -> None:
    (before,) = (run for run in first.stored() if run.record.dataset.name == "sider")
    values = before.predictions().values
    known = np.random.default_rng(0).random(values.shape) < 0.6
    first.pack(lambda record: known if record.dataset.name == "sider" else None)
    (after,) = (run for run in first.stored() if run.record.dataset.name == "sider")
    new = after.predictions().values
    np.testing.assert_array_equal(new[known], values[known])
    assert np.isnan(new[~known]).all()
    assert new.dtype == values.dtype
    assert after.record.predictions is not None
    assert after.record.predictions.cells == "labelled"


def test_predictions_of_validation_rows_can_be_left_out(store: RecordStore) -> None:
    with_valid = replace(some_predictions(), valid=some_predictions())
    replicates = np.linspace(0.6, 0.8, 1000)
    for seed in (8, 9):
        store.write(a_record(seed=seed), with_valid, replicates, "a line\n")
    store.pack()
    before = content(store)
    assert store.pack(test_only=True).moved == 0  # of those that are packed already only with best
    assert content(store) == before
    done = store.pack(best=True, test_only=True)
    assert done.problems == []
    runs = [run for run in RecordStore(store.root).stored() if run.record.status == "ok"]
    assert len(runs) == 5
    for run in runs:
        info = run.record.predictions
        assert info is not None
        assert (run.sealed, info.n_valid, run.predictions().valid) == (True, 0, None)
        assert info.values_sha256 == run.predictions().digest() == some_predictions().digest()
        assert run.replicates().tolist() == replicates.tolist()
    assert sum(before[run.identity][0] == run.record for run in runs) == 3  # they had none


def test_packed_without_their_labels_they_are_left_out_later(first: RecordStore) -> None:
    first.pack()
    before = content(first)
    (old,) = (run for run in first.stored() if run.record.dataset.name == "sider")
    values = old.predictions().values
    known = np.random.default_rng(0).random(values.shape) < 0.6
    labels = {"sider": known}
    done = first.pack(lambda record: labels.get(record.dataset.name), best=True)
    assert done.problems == []
    (new,) = (run for run in first.stored() if run.identity == old.identity)
    np.testing.assert_array_equal(new.predictions().values[known], values[known])
    assert np.isnan(new.predictions().values[~known]).all()
    assert new.sealed
    assert new.record.predictions_sha256 == old.record.predictions_sha256
    same = {name for name in before if name != old.identity}
    assert {name: content(first)[name] for name in same} == {n: before[n] for n in same}
    assert damaged(first) == []


@pytest.mark.parametrize("name", ["result.json", "predictions.parquet", "bootstrap.npy"])
def test_a_damaged_folder_of_version_1_stays_where_it_is(first: RecordStore, name: str) -> None:
    path = next(run.path for run in first.stored() if run.record.model.id == "fingerprint.knn")
    (path / name).write_bytes((path / name).read_bytes()[:-30])
    others = {k: v[2:] for k, v in content_of(first, path).items()}
    done = first.pack()
    (problem,) = done.problems
    assert problem.path == path
    assert (path / name).exists()
    assert {k: v[2:] for k, v in content_of(first, path).items()} == others


def content_of(store: RecordStore, without: Path) -> dict[str, Any]:
    runs = [run for run in RecordStore(store.root).stored() if run.path != without]
    return {
        run.identity: (run.record, run.log(), run.predictions().digest(), run.replicates().tolist())
        for run in runs
    }


def test_predictions_of_version_1_that_are_not_those_on_record_are_not_packed(
    first: RecordStore,
) -> None:
    path = next(run.path for run in first.stored() if run.record.model.id == "fingerprint.knn")
    told = json.loads((path / "result.json").read_text())
    told["predictions"]["values_sha256"] = "0" * 64
    (path / "result.json").write_text(json.dumps(told))
    done = first.pack()
    assert any("the predictions are not those on record" in p.reason for p in done.problems)
    assert isinstance(next(r for r in first.stored() if r.path == path), FirstRun)


def test_version_1_that_is_packed_and_still_there_is_one_run(first: RecordStore) -> None:
    shutil.copytree(first.first, first.root / "copy")
    first.pack()
    shutil.copytree(first.root / "copy", first.first)
    shutil.rmtree(first.root / "copy")
    assert first.problems() == []
    n = len(first.records())
    assert first.pack().moved == n
    assert not first.first.exists()
    assert len(first.records()) == n


def test_names_that_look_like_a_hash_come_back() -> None:
    inner = {"$": "y" * 90, "b": {"$": 1}}
    told = {"$": "x", "$$": [1] * 50, "a": inner, "metrics": {"x": "z" * 99}}
    text = lines.write([told, told])
    assert [run for _, run in lines.read(text)] == [told, told]
    assert len(text) == len(set(text)) + 1


def test_a_run_that_is_packed_while_it_is_read(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = store.stored()[0].record
    wanted = store.replicates(record).tolist()
    found = RecordStore._stored_as

    def packed_meanwhile(self: RecordStore, record: Any) -> Any:
        run = found(self, record)
        monkeypatch.setattr(RecordStore, "_stored_as", found)
        RecordStore(store.root).pack()
        return run

    monkeypatch.setattr(RecordStore, "_stored_as", packed_meanwhile)
    assert RecordStore(store.root).replicates(record).tolist() == wanted


# -------------------------------------------------------------------------------- what is no file


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")


@pipes
def test_a_pipe_in_the_place_of_a_log_is_an_empty_log(store: RecordStore, alarm: None) -> None:
    run = store.stored()[0]
    as_pipe(run.path / "run.log")
    assert run.log() == ""
    assert store.pack().problems == []
    assert files(store) == PAIR


@pipes
@pytest.mark.parametrize("name", ["predictions.parquet", "bootstrap.npy"])
def test_a_pipe_in_a_folder_of_version_1_is_named(
    first: RecordStore, name: str, alarm: None
) -> None:
    as_pipe(first.stored()[0].path / name)
    (run,) = damaged(first)
    assert "no file" in run.damage()
    assert [p.path for p in first.pack().problems] == [run.path]


@pipes
def test_a_pipe_in_the_place_of_packed_numbers_is_named(store: RecordStore, alarm: None) -> None:
    store.pack()
    as_pipe(store.root / PAIR[1])
    reasons = [run.damage() for run in damaged(RecordStore(store.root))]
    assert ["it is no file" in reason for reason in reasons] == [True] * 3
