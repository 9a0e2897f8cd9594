"""What `score` and `verify` make of records that are damaged, and of data that cannot be had."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import splits, sweep
from chmr_bench.contracts import Dataset, Split
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import MissingDependencyError
from chmr_bench.records import RecordStore, arrays
from chmr_bench.runner import DatasetRequest, RunOptions
from chmr_bench.sweep import Request, Session
from chmr_bench.verify.runs import Check, Depth, check_all

pytestmark = pytest.mark.usefixtures("quick")

DEPTHS: tuple[Depth, ...] = ("score", "verify")


@pytest.fixture
def store(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, session: Session
) -> RecordStore:
    """A store with one record on the reference split: made once, then copied."""
    kept = tmp_path_factory.getbasetemp() / "one-record"
    if not kept.exists():
        add(RecordStore(kept), session)
    return RecordStore(shutil.copytree(kept, tmp_path / "out"))


def add(store: RecordStore, session: Session, model: str = "quick.noise", **more: Any) -> None:
    store.prepare()
    request = Request((model,), (DatasetRequest(name="quick-small"),), **more)
    sweep.execute(sweep.plan(request, store, session), store, session)


def checks(store: RecordStore, session: Session, depth: Depth) -> list[Check]:
    return list(check_all(store, session.datasets, depth))


def edit(store: RecordStore, place: str, value: Any) -> None:
    """Change one word of the only record's ``result.json``."""
    (folder,) = (entry.path for entry in store.stored())
    content = json.loads((folder / "result.json").read_text())
    *way, last = place.split(".")
    inner = content
    for name in way:
        inner = inner[name]
    inner[last] = value
    (folder / "result.json").write_text(json.dumps(content))


def damaged(content: bytes, n: int, seed: int) -> Iterator[bytes]:
    """Yield the content with one bit flipped, with one byte another, and cut short; `n` of each."""
    generator = np.random.default_rng(seed)
    for place in generator.integers(len(content), size=n):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(generator.integers(8))
        yield bytes(flipped)
        other = bytearray(content)
        other[place] ^= int(generator.integers(1, 256))
        yield bytes(other)
        yield content[:place]


# ------------------------------------------------------------------------------------ damaged files


@pytest.mark.parametrize("name", ["result.json", "predictions.parquet"])
def test_no_damage_ends_the_check_of_the_others(
    store: RecordStore, session: Session, name: str
) -> None:
    (entry,) = store.stored()
    file = entry.path / name
    content, log = file.read_bytes(), entry.log()
    for changed in damaged(content, 12, seed=3):
        file.write_bytes(changed)
        for depth in DEPTHS:
            (found,) = checks(store, session, depth)
            if name == "predictions.parquet" and found.state != "ok":
                assert "run the command that made it" in found.details[0]
            assert found.state == "ok" or found.details or found.state == "failed run"
            if depth == "verify" and found.state == "ok":
                (after,) = store.stored()
                assert after.record == entry.record
                assert after.predictions().digest() == entry.predictions().digest()
                np.testing.assert_array_equal(after.replicates(), entry.replicates())
    file.write_bytes(content)
    assert log
    assert [c.state for depth in DEPTHS for c in checks(store, session, depth)] == ["ok", "ok"]


def rewrite(store: RecordStore, values: Any = None, replicates: Any = None) -> None:
    """Write other numbers into the only run, in a file that is sound."""
    (entry,) = store.stored()
    predictions = entry.predictions()
    if values is not None:
        predictions = dataclasses.replace(predictions, values=values(predictions.values.copy()))
    replicates = entry.replicates() if replicates is None else replicates
    made = {entry.identity: arrays.Arrays(predictions, replicates, np.zeros((0, 3)))}
    arrays.write(entry.path / "predictions.parquet", made)


def test_other_predictions_and_replicates_are_different(
    store: RecordStore, session: Session
) -> None:
    rewrite(store, values=lambda values: values[::-1])
    (found,) = checks(store, session, "verify")
    assert found.state == "different"
    assert "the predictions are not those on record" in found.details[0]
    rewrite(store, values=lambda values: values[::-1])
    assert checks(store, session, "verify")[0].state == "ok"
    rewrite(store, replicates=np.linspace(0, 1, 1000))
    (found,) = checks(store, session, "verify")
    assert found.state == "different"
    assert "the bootstrap replicates are not those" in found.details[0]


@pytest.mark.parametrize("n", [0, 999, 1001])
def test_another_number_of_replicates_is_unreadable(
    store: RecordStore, session: Session, n: int
) -> None:
    rewrite(store, replicates=np.zeros(n))
    (found,) = checks(store, session, "verify")
    assert found.state == "unreadable"
    assert "reference-s0" in found.path
    assert "run the command that made it" in found.details[0]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.pretraining", {"atlases": ["another"]}),
        ("environment.python", "2.7"),
        ("environment.packages", {}),
        ("command", ["chmr-bench", "run", "--seeds", "5"]),
        ("created", "2001-01-01T00:00:00+00:00"),
        ("timing.fit", 123.0),
        ("resources.peak_memory_mb", 1.0),
        ("hidden", {"test": {}}),
        ("plugin.distribution", "another"),
        ("seal", "0" * 64),
        ("seal", None),
    ],
)
def test_no_field_can_be_changed(
    store: RecordStore, session: Session, place: str, value: Any
) -> None:
    edit(store, place, value)
    (found,) = checks(store, session, "verify")
    assert found.state == "different"
    assert "its seal does not fit" in found.details[0]
    store.pack()
    (found,) = checks(RecordStore(store.root), session, "verify")
    assert "its seal does not fit" in found.details[0]


@pytest.mark.parametrize(
    ("place", "value", "state"),
    [
        ("model.params.scale", float("nan"), "unreadable"),
        ("metrics", None, "different"),
        ("predictions", None, "different"),
        ("metrics.macro", float("nan"), "unreadable"),
        ("timing.total", float("inf"), "unreadable"),
        ("dataset.title", "Another", "different"),
        ("dataset.version", "9", "different"),
        ("dataset.unit", "mg", "different"),
        ("dataset.task_type", "regression", "different"),
        ("dataset.metric", "average_precision", "different"),
        ("dataset.n_molecules", 41, "different"),
        ("dataset.n_tasks", 9, "different"),
        ("dataset.dropped", 3, "different"),
        ("dataset.dropped_rows", [{"row": 2, "reason": "x"}], "different"),
        ("dataset.synthetic", True, "different"),
        ("split.n_train", 11, "different"),
        ("split.n_valid", 11, "different"),
        ("split.n_test", 11, "different"),
        ("model.deterministic", True, "different"),
        ("model.overrides", {"scale": 77.0}, "different"),
        ("metrics.greater_is_better", False, "different"),
        ("predictions.n_rows", 77, "different"),
        ("predictions.dtype", "float32", "different"),
        ("status", "failed", "different"),
        ("error", {"type": "E", "message": "no", "phase": "fit"}, "different"),
        ("dataset.origin", {"kind": "file", "file": "a\0b", "smiles": "s"}, "different"),
        ("dataset.origin", {"kind": "molnet", "file": "molnet:nothing"}, "different"),
        ("dataset.origin", {"kind": "file", "file": "a", "decimal": "x"}, "different"),
    ],
)
def test_words_that_cannot_be(
    store: RecordStore, session: Session, place: str, value: Any, state: str
) -> None:
    edit(store, place, value)
    (found,) = checks(store, session, "verify")
    assert found.state == state, found
    assert found.details


def test_a_failed_run_is_no_difference_unless_it_has_predictions(
    tmp_path: Path, session: Session
) -> None:
    store = RecordStore(tmp_path / "out")
    add(store, session, "quick.raises")
    assert [c.state for c in checks(store, session, "verify")] == ["failed run"]
    (entry,) = store.stored()
    (entry.path / "predictions.parquet").write_bytes(b"x")
    (found,) = checks(store, session, "verify")
    assert found.state == "different"
    assert "predictions.parquet is there" in found.details[0]


def test_a_failed_run_with_impossible_words(tmp_path: Path, session: Session) -> None:
    store = RecordStore(tmp_path / "out")
    add(store, session, "quick.raises")
    edit(store, "model.params.scale", float("inf"))
    (found,) = checks(store, session, "verify")
    assert found.state == "unreadable"


def test_half_a_character_is_printed_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    from chmr_bench.cli.checks import _show

    _show(Check("a/b", "different", ("task \ud800: score",)))
    assert "task \\ud800: score" in capsys.readouterr().out


# ------------------------------------------------------------------------------- data not at hand


@pytest.mark.parametrize(
    "error", [MissingDependencyError("this needs deepchem"), ValueError("a bug of a plugin")]
)
def test_a_split_that_cannot_be_made_here_leaves_the_other_records_checked(
    store: RecordStore, session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    add(store, session, split="random")
    real = splits.make_split

    def lacking(method: str, dataset: Dataset, **more: Any) -> Split:
        if method == "random":
            raise error
        return real(method, dataset, **more)

    monkeypatch.setattr(splits, "make_split", lacking)
    found = checks(store, Session(RunOptions(FetchOptions(offline=True))), "verify")
    assert sorted(c.state for c in found) == ["not at hand", "ok"]
    (lost,) = (c for c in found if c.state == "not at hand")
    assert str(error) in lost.details[0]
    assert lost.blocking
