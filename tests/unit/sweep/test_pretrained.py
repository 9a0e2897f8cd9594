"""Jobs that start from pretrained weights: planned, made first, recorded, failed, interrupted."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chmr_bench import sweep
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.errors import UnknownNameError
from chmr_bench.plugins import registry
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner import DatasetRequest, RunOptions
from chmr_bench.runner.job import key_of
from chmr_bench.sweep import Item, ModelSetting, Outcome, Plan, Request, Session, Summary

SMALL, DATA = DatasetRequest(name="quick-small"), DatasetRequest(name="quick-data")


@pytest.fixture(autouse=True)
def quick_only(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the real benchmarks, whose files are not here, out of the registry."""
    known = registry().datasets
    for name in [n for n in known if not n.startswith("quick-")]:
        monkeypatch.delitem(known, name)


def session() -> Session:
    return Session(RunOptions(FetchOptions(offline=True)))


def request(model: str = "started", **more: Any) -> Request:
    settings = tuple(ModelSetting(k, v) for k, v in more.pop("settings", {}).items())
    values: dict[str, Any] = {"datasets": (SMALL,), "seeds": (0,), "settings": settings}
    return Request(models=(f"quick.{model}",), **(values | more))


class Watching(sweep.SweepListener):
    def __init__(self) -> None:
        self.events: list[str] = []

    def started(self, item: Item, position: int, total: int) -> None:
        self.events.append(f"started {item.dataset} {item.seed}")

    def stage(self, phase: Any) -> None:
        if phase in ("weights", "fit"):
            self.events.append(phase)

    def step(self, name: str) -> None:
        self.events.append(name)

    def finished(self, outcome: Outcome) -> None:
        self.events.append(f"finished {outcome.item.dataset} {outcome.record.status}")


def plan_of(asked: Request, store: RecordStore) -> Plan:
    return sweep.plan(asked, store, session())


def do(asked: Request, store: RecordStore, listener: Any = None) -> Summary:
    space = session()
    return sweep.execute(sweep.plan(asked, store, space), store, space, listener)


def only(store: RecordStore) -> Record:
    (record,) = store.records()
    return record


# ------------------------------------------------------------------------------------------- plain


def test_weights_are_planned_then_made_once_for_all_jobs(store: RecordStore) -> None:
    asked = request(datasets=(SMALL, DATA), seeds=(0, 1))
    plan = plan_of(asked, store)
    assert [item.state for item in plan.items] == ["new"] * 4
    assert [one.title for one in plan.pending()] == ["average quick-atlas (seed 0)"]
    watching = Watching()
    do(asked, store, watching)
    assert watching.events.count("averaging") == 1
    assert watching.events[:3] == ["started quick-small 0", "weights", "atlas"]
    assert watching.events.index("averaging") < watching.events.index("fit")
    again = plan_of(asked, store)
    assert [item.state for item in again.items] == ["cached"] * 4
    assert again.pending() == []


def test_the_record_says_what_the_weights_are(store: RecordStore, home: Path) -> None:
    do(request(), store)
    record = only(store)
    (file,) = (home / "weights" / "quick").glob("*/weights.npy")
    assert record.model.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.model.pretraining is not None
    assert record.model.pretraining["atlas"]["atlases"] == ["quick-atlas"]
    assert record.model.pretraining["atlas"]["n_left_out"] == 20
    assert record.model.pretraining["n_test_seen"] == 0
    assert key_of(record).identity() == record.identity
    assert 0 < record.timing.weights < record.timing.total


def test_test_molecules_that_were_seen_are_counted(store: RecordStore) -> None:
    do(request(settings={"transductive": True}), store)
    seen = only(store).model.pretraining
    assert seen is not None
    assert seen["n_test_seen"] == 10  # methane to decane
    assert seen["atlas"]["transductive"] is True
    do(request(split="random"), store)
    drawn = [r.model.pretraining for r in store.records() if r.split.name == "random"]
    # The test part of a drawn split is not that of the reference split.
    assert drawn[0] is not None
    assert drawn[0]["n_test_seen"] > 0


def test_a_model_may_need_no_weights(store: RecordStore) -> None:
    plan = plan_of(request(settings={"plain": True}), store)
    assert plan.pending() == []
    do(request(settings={"plain": True}), store)
    record = only(store)
    assert record.status == "ok"
    assert (record.model.weights, record.model.pretraining) == (None, None)
    assert record.timing.weights == 0


@pytest.mark.slow
def test_a_seed_of_pretraining_a_run(store: RecordStore) -> None:
    asked = request(settings={"pretrain_seed": "run"}, seeds=(0, 1))
    assert len(plan_of(asked, store).pending()) == 2
    do(asked, store)
    assert len({r.model.weights for r in store.records()}) == 2


@pytest.mark.slow
def test_weights_lost_and_made_again_find_the_record(store: RecordStore, home: Path) -> None:
    do(request(), store)
    shutil.rmtree(home / "weights")
    asked = request()
    assert [item.state for item in plan_of(asked, store).items] == ["new"]
    (outcome,) = do(asked, store).outcomes
    assert not outcome.computed
    assert len(store.records()) == 1


def test_other_weights_are_another_run(store: RecordStore) -> None:
    do(request(), store)
    do(request(settings={"pretrain_seed": 5}), store)
    first, second = store.records()
    assert first.model.weights != second.model.weights
    assert first.identity != second.identity


@pytest.mark.slow
def test_a_folder_of_the_users_own_is_told_without_its_place(
    store: RecordStore, tmp_path: Path
) -> None:
    folder = tmp_path / "own-cells"
    folder.mkdir()
    smiles = ["C" * n for n in range(1, 9)]
    table = pd.DataFrame({"smiles": smiles, "inchikey": [""] * 8, "index": range(8)})
    table.to_csv(folder / "index.csv.gz", index=False)
    np.savez(folder / "size_feature.npz", data=np.arange(8.0)[:, None])
    asked = request(settings={"atlas": [f"folder:{folder}"], "transductive": True})
    do(asked, store)
    record = only(store)
    assert record.status == "ok", record.error
    assert record.model.params["atlas"] == ["folder:own-cells"]
    assert record.model.overrides["atlas"] == ["folder:own-cells"]
    assert str(tmp_path) not in record.model_dump_json()
    assert key_of(record).identity() == record.identity
    assert [item.state for item in plan_of(asked, store).items] == ["cached"]
    np.savez(folder / "size_feature.npz", data=np.ones((8, 1)))
    assert [item.state for item in plan_of(asked, store).items] == ["new"]


def test_an_unknown_atlas_stops_the_plan(store: RecordStore) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quick-atlas'"):
        plan_of(request(settings={"atlas": ["quick-atlaz"]}), store)


# ---------------------------------------------------------------------------------------- failures


def test_a_pretraining_that_fails_is_a_failed_record(store: RecordStore) -> None:
    watching = Watching()
    summary = do(request(settings={"trouble": "raise"}), store, watching)
    record = only(store)
    assert [o.record.status for o in summary.outcomes] == ["failed"]
    assert record.error is not None
    assert (record.error.phase, record.error.type) == ("weights", "RuntimeError")
    assert "does not converge" in record.error.message
    assert "does not converge" in (store.path_of(record) / "run.log").read_text()
    assert key_of(record).identity() == record.identity
    assert watching.events[-1] == "finished quick-small failed"
    assert "fit" not in watching.events
    plan = plan_of(request(settings={"trouble": "raise"}), store)
    assert [item.state for item in plan.items] == ["failed"]
    kept = dataclasses.replace(request(settings={"trouble": "raise"}), keep_failed=True)
    assert plan_of(kept, store).todo == []


@pytest.mark.slow
def test_what_failed_for_one_job_is_not_tried_for_the_next(
    store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").touch()
    asked = request(datasets=(SMALL, DATA), seeds=(0, 1))
    do(asked, store)
    assert Path("full").read_text() == "x"  # all four start from the same weights
    errors = [record.error for record in store.records()]
    assert [e.message for e in errors if e] == ["the disk is full"] * 4
    other = request(settings={"pretrain_seed": "run"}, seeds=(0, 1))
    do(other, store)
    assert Path("full").read_text() == "xxx"  # each seed has its own
    do(asked, store)
    assert Path("full").read_text() == "xxxx"  # another run tries again


@pytest.mark.slow
def test_one_that_failed_leaves_nothing_once_it_succeeds(
    store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").touch()
    do(request(), store)
    assert only(store).status == "failed"
    Path("full").unlink()
    do(request(), store)
    assert only(store).status == "ok"


def test_a_failed_fit_is_tried_again_with_weights_made_anew(
    store: RecordStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("QUICK_LUCK", "none")
        do(request(), store)
    assert only(store).model.weights is not None
    assert only(store).status == "failed"
    shutil.rmtree(home / "weights")
    kept = do(request(keep_failed=True), store)
    assert [o.computed for o in kept.outcomes] == [False]
    shutil.rmtree(home / "weights")
    assert [o.computed for o in do(request(), store).outcomes] == [True]
    assert only(store).status == "ok"


@pytest.mark.parametrize(
    ("model", "message"),
    [("stubborn", "was asked for weights, and made none"), ("odd", "gave str; expected Weights")],
)
def test_a_plugin_that_breaks_the_contract_fails_on_record(
    store: RecordStore, model: str, message: str
) -> None:
    do(request(model), store)
    error = only(store).error
    assert error is not None
    assert message in error.message


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["nan-info", "set-info"])
def test_words_that_no_record_can_hold_fail_on_record(store: RecordStore, trouble: str) -> None:
    do(request(settings={"trouble": trouble}), store)
    error = only(store).error
    assert error is not None
    assert "is not JSON" in error.message


@pytest.mark.slow
def test_a_damaged_list_of_molecules_fails_on_record(store: RecordStore, home: Path) -> None:
    do(request(), store)
    (seen,) = (home / "weights").glob("*/*/seen.npy")
    seen.write_bytes(b"")
    do(request(seeds=(1,)), store)
    (error,) = (r.error for r in store.records() if r.error)
    assert "seen.npy: cannot be read" in error.message


def test_ctrl_c_while_pretraining_leaves_no_record(store: RecordStore, home: Path) -> None:
    summary = do(request(settings={"trouble": "ctrl-c"}), store)
    assert summary.interrupted
    assert summary.outcomes == ()
    assert (store.records(), store.problems()) == ([], [])
    assert list((home / "weights").rglob("weights.npy")) == []
