"""Plans and their execution: what is on record, what fails, what another run does meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from chmr_bench import sweep
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest, Job, run_jobs
from chmr_bench.sweep import Item, ModelSetting, Outcome, Plan, Request, Session, Summary
from chmr_bench.sweep.devices import device_for
from chmr_bench.sweep.interrupt import stoppable

pytestmark = pytest.mark.usefixtures("quick")

DATA = DatasetRequest(name="quick-data")
SMALL = DatasetRequest(name="quick-small")


def request(*models: str, **more: Any) -> Request:
    values: dict[str, Any] = {"datasets": (SMALL,), "seeds": (0,)}
    return Request(models=tuple(f"quick.{m}" for m in models), **(values | more))


def do(asked: Request, store: RecordStore, session: Session) -> Summary:
    return sweep.execute(sweep.plan(asked, store, session), store, session)


def split_digests(plan: Plan) -> set[str]:
    return {item.job.data.split_digest(item.job.split) for item in plan.items if item.job}


def states(plan: Plan) -> list[str]:
    return [item.state for item in plan.items]


# --------------------------------------------------------------------------------------------- plan


def test_everything_is_new_at_first_and_cached_the_second_time(
    store: RecordStore, session: Session
) -> None:
    asked = request("noise", "mean", seeds=(0, 1))
    plan = sweep.plan(asked, store, session)
    assert states(plan) == ["new"] * 3
    assert plan.seconds() == (0, 3)
    summary = sweep.execute(plan, store, session)
    assert [o.computed for o in summary.outcomes] == [True] * 3
    again = sweep.plan(asked, store, session)
    assert states(again) == ["cached"] * 3
    assert again.todo == []
    assert sweep.execute(again, store, session).outcomes == ()


def test_more_seeds_add_only_the_new_ones(store: RecordStore, session: Session) -> None:
    do(request("noise", seeds=(0, 1)), store, session)
    plan = sweep.plan(request("noise", seeds=(0, 1, 2)), store, session)
    assert states(plan) == ["cached", "cached", "new"]
    seconds, unknown = plan.seconds()
    assert unknown == 0
    assert seconds >= 0


def test_a_plan_reads_the_records_once(
    store: RecordStore, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are thousands of them: to list them a model and dataset took most of a plan's time."""
    do(request("noise", "mean"), store, session)
    listed: list[int] = []
    real = RecordStore.stored
    monkeypatch.setattr(RecordStore, "stored", lambda self: listed.append(1) or real(self))
    plan = sweep.plan(request("noise", "mean", seeds=(1, 2)), store, session)
    assert listed == [1]
    assert all(item.seconds is not None for item in plan.items)


def test_a_deterministic_model_runs_once_whatever_the_seeds(
    store: RecordStore, session: Session
) -> None:
    do(request("mean", seeds=(0, 1, 2)), store, session)
    assert states(sweep.plan(request("mean", seeds=(7,)), store, session)) == ["cached"]
    (record,) = store.records()
    assert record.seed is None


def test_what_cannot_run_is_shown_with_its_reason(store: RecordStore, session: Session) -> None:
    plan = sweep.plan(request("lacking", "values", seeds=(0, 1)), store, session)
    assert states(plan) == ["impossible"] * 4
    assert "no_such_module_anywhere" in plan.items[0].reason
    assert "does not do classification" in plan.items[2].reason
    assert plan.todo == []


def test_settings_make_another_run_and_are_named(store: RecordStore, session: Session) -> None:
    do(request("noise"), store, session)
    changed = request("noise", settings=(ModelSetting("scale", 0.5),))
    assert states(sweep.plan(changed, store, session)) == ["new"]
    (outcome,) = do(changed, store, session).outcomes
    assert outcome.record.model.overrides == {"scale": 0.5}
    assert outcome.record.model.params == {"seconds": 0.0, "scale": 0.5}
    same = request("noise", settings=(ModelSetting("scale", 1.0),))
    assert states(sweep.plan(same, store, session)) == ["cached"]


def test_a_setting_can_be_aimed_at_one_model(store: RecordStore, session: Session) -> None:
    aimed = (ModelSetting("scale", 0.5, "quick.noise"), ModelSetting("scale", 0.25))
    plan = sweep.plan(request("noise", "mean", settings=aimed), store, session)
    jobs = [item.job for item in plan.items if item.job]
    assert [job.config.model_dump()["scale"] for job in jobs] == [0.5, 0.25]
    with pytest.raises(UsageError, match="not among the models"):
        sweep.plan(request("mean", settings=aimed), store, session)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("quick.nois",)}, "did you mean 'quick.noise'"),
        ({"datasets": (DatasetRequest(name="quick-date"),)}, "did you mean 'quick-data'"),
        ({"split": "skaffold"}, "did you mean 'scaffold'"),
        ({"settings": (ModelSetting("scal", 1),)}, "did you mean 'scale'"),
    ],
)
def test_unknown_names_offer_the_nearest(
    store: RecordStore, session: Session, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnknownNameError, match=message):
        sweep.plan(dataclasses.replace(request("noise"), **changes), store, session)


def test_the_cheapest_dataset_comes_first(store: RecordStore, session: Session) -> None:
    plan = sweep.plan(request("noise", datasets=(DATA, SMALL, DATA)), store, session)
    assert [item.dataset for item in plan.items] == ["quick-small", "quick-data"]


@pytest.mark.slow
def test_drawn_splits_have_their_own_seed(store: RecordStore, session: Session) -> None:
    plans = [
        sweep.plan(request("noise", split="random", split_seeds=(s,)), store, session)
        for s in (0, 1)
    ]
    digests = {digest for plan in plans for digest in split_digests(plan)}
    assert len(digests) == 2
    several = sweep.plan(
        request("noise", "mean", split="random", split_seeds=(0, 1, 0)), store, session
    )
    assert [(i.model, i.split_seed) for i in several.items] == [
        ("quick.noise", 0),
        ("quick.noise", 1),
        ("quick.mean", 0),
        ("quick.mean", 1),
    ]
    assert split_digests(several) == digests
    fixed = sweep.plan(request("noise", split_seeds=(5, 6)), store, session)
    assert [item.job.split.seed for item in fixed.items if item.job] == [None]


def test_cuda_is_asked_of_models_that_can_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = registry().model("quick.noise").spec
    quickened = dataclasses.replace(spec, accelerator=True)
    monkeypatch.setattr("chmr_bench.sweep.devices._has_cuda", lambda thorough: False)
    assert device_for("cuda", spec) == "cpu"
    assert device_for("auto", quickened) == "cpu"
    with pytest.raises(UsageError, match="no CUDA device"):
        device_for("cuda", quickened)
    monkeypatch.setattr("chmr_bench.sweep.devices._has_cuda", lambda thorough: True)
    assert device_for("auto", quickened) == device_for("cuda", quickened) == "cuda"


# ----------------------------------------------------------------------------------------- failures


def test_one_failure_does_not_stop_the_others(store: RecordStore, session: Session) -> None:
    summary = do(request("raises", "noise", "nan", "exits", "mean"), store, session)
    assert [o.record.status for o in summary.outcomes] == ["failed", "ok", "failed", "failed", "ok"]
    assert len(summary.failed) == 3
    assert len(store.records()) == 5


def test_a_failed_job_is_tried_again_unless_kept(store: RecordStore, session: Session) -> None:
    asked = request("raises")
    do(asked, store, session)
    plan = sweep.plan(asked, store, session)
    assert states(plan) == ["failed"]
    assert plan.items[0].reason == "this model always fails"
    (outcome,) = sweep.execute(plan, store, session).outcomes
    assert outcome.computed
    kept = sweep.plan(dataclasses.replace(asked, keep_failed=True), store, session)
    assert kept.todo == []


# --------------------------------------------------------------------------------- two runs at once


class Watching(sweep.SweepListener):
    def __init__(self) -> None:
        self.events: list[str] = []
        self.wait_begun = threading.Event()

    def started(self, item: Item, position: int, total: int) -> None:
        self.events.append(f"started {item.seed}")

    def finished(self, outcome: Outcome) -> None:
        self.events.append(f"finished {outcome.item.seed} {outcome.computed}")

    def waiting(self, item: Item) -> None:
        self.events.append(f"waiting {item.seed}")
        self.wait_begun.set()


@contextlib.contextmanager
def held_elsewhere(
    store: RecordStore, job: Job | None, watching: Watching, then: Callable[[Job], None]
) -> Iterator[None]:
    """Let another run have a job, until this one waits for it: then it does something, and ends."""
    assert job is not None
    locked = threading.Event()

    def other_run() -> None:
        with FileLock(store.lock_path(job.identity)):
            locked.set()
            watching.wait_begun.wait(20)
            then(job)

    other = threading.Thread(target=other_run)
    other.start()
    locked.wait(20)
    yield
    other.join()


def test_a_job_another_run_has_comes_last_and_is_taken_over(
    store: RecordStore, session: Session
) -> None:
    plan = sweep.plan(request("noise", seeds=(0, 1)), store, session)
    watching = Watching()

    def do(job: Job) -> None:
        done = next(run_jobs([job], session.options))
        store.write(done.record, done.predictions, done.replicates, done.log)

    with held_elsewhere(store, plan.items[0].job, watching, do):
        summary = sweep.execute(plan, store, session, watching)
    assert watching.events == ["started 1", "finished 1 True", "waiting 0", "finished 0 False"]
    assert [o.record.status for o in summary.outcomes] == ["ok", "ok"]
    assert len(store.records()) == 2


def test_a_job_whose_other_run_died_is_done_after_all(store: RecordStore, session: Session) -> None:
    plan = sweep.plan(request("noise"), store, session)
    watching = Watching()
    with held_elsewhere(store, plan.items[0].job, watching, lambda _: None):
        sweep.execute(plan, store, session, watching)
    assert watching.events == ["waiting 0", "started 0", "finished 0 True"]


@pytest.mark.slow
def test_a_record_made_since_the_plan_is_not_made_again(
    store: RecordStore, session: Session
) -> None:
    asked = request("noise", "raises")
    early = sweep.plan(asked, store, session)
    do(asked, store, session)
    late = sweep.execute(early, store, session)
    assert [o.computed for o in late.outcomes] == [False, False]


@pytest.mark.slow
def test_no_lock_of_a_job_is_left_behind(store: RecordStore, session: Session) -> None:
    do(request("noise", "raises", seeds=(0, 1)), store, session)
    left = {path.name for path in (store.folder / ".locks").iterdir()}
    packs = {f"reference~quick.{name}.pack.lock" for name in ("noise", "raises")}
    assert left <= packs  # those of packs stay: who holds one never waits for another file


def test_a_lock_file_that_cannot_be_removed_stays_and_harms_nobody(
    store: RecordStore, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def as_on_windows(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".lock":
            raise PermissionError(13, "another process has it open", str(path))
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", as_on_windows)
    summary = do(request("noise", "mean"), store, session)
    assert [o.record.status for o in summary.outcomes] == ["ok", "ok"]
    for path in (store.folder / ".locks").iterdir():
        with FileLock(path, timeout=0):  # let go all the same
            pass


# ------------------------------------------------------------------------------------- interruption


def test_an_interrupted_sweep_keeps_what_is_done(store: RecordStore, session: Session) -> None:
    summary = do(request("mean", "pressed"), store, session)
    assert summary.interrupted
    assert [o.record.model.id for o in summary.outcomes] == ["quick.mean"]
    assert len(store.records()) == 1
    assert store.problems() == []
    assert list((store.folder / ".tmp").iterdir()) == []


def test_a_failure_that_ctrl_c_brought_about_is_no_failed_record(
    store: RecordStore, session: Session
) -> None:
    summary = do(request("raises", "mean", "broken-off", seeds=(0, 1)), store, session)
    assert summary.interrupted
    # Two seeds that raise, and the mean; the one that was broken off is no result.
    assert len(summary.outcomes) == 3
    assert len(store.records()) == 3


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_once_and_its_handler_is_put_back(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with stoppable() as interrupt:
        assert signal.getsignal(signum) != before
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signum)
    assert interrupt.requested
    assert signal.getsignal(signum) is before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def inside() -> None:
        with stoppable():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
