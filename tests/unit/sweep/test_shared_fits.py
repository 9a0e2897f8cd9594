"""Runs that differ in what is masked at test alone share a fit, and give what each would alone."""

from __future__ import annotations

from typing import Any

import pytest

from chmr_bench import isolation, sweep
from chmr_bench.ablation.missing import Fill, Missing, Stage
from chmr_bench.cli import run_tables
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner import DatasetRequest, Finished, run_jobs
from chmr_bench.sweep import Outcome, Plan, Request, Session, SweepListener

pytestmark = pytest.mark.usefixtures("quick")

CELLS = DatasetRequest(name="quick-cells")
HALF, ALL = Missing(0.5, ("test",)), Missing(1.0, ("test",))
FROZEN = Missing(0.0, ("test",), replaced=4)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what workers have been asked for."""
    made: list[str] = []
    real = isolation.call

    def counted(target: str, *arguments: Any, **more: Any) -> Any:
        made.append(target.rpartition(":")[2])
        return real(target, *arguments, **more)

    monkeypatch.setattr(isolation, "call", counted)
    return made


def planned(model: str, store: RecordStore, session: Session, *missing: Missing | None) -> Plan:
    return sweep.plan(Request((f"quick.{model}",), (CELLS,), missing=missing), store, session)


def digest(record: Record) -> str:
    assert record.predictions is not None, record.error
    return record.predictions.values_sha256


def alone_of(plan: Plan, session: Session) -> list[Finished]:
    return [next(run_jobs([item.job], session.options)) for item in plan.items if item.job]


class Lines(SweepListener):
    """Notes what it is told, in order."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.rates: list[float] = []

    def started(self, item: sweep.Item, position: int, total: int) -> None:
        self.positions.append(position)

    def finished(self, outcome: Outcome) -> None:
        self.rates.append(outcome.item.missing.rate if outcome.item.missing else -1.0)


def test_one_fit_gives_what_each_run_gives_alone(
    store: RecordStore, session: Session, calls: list[str]
) -> None:
    plan = planned("reader", store, session, None, HALF, ALL, FROZEN)
    assert [len(group) for group in plan.fits()] == [4]
    listener = Lines()
    together = [o.record for o in sweep.execute(plan, store, session, listener).outcomes]
    assert calls.count("fit_and_predict") == 1
    assert listener.positions == [1, 2, 3, 4]
    assert listener.rates == [-1.0, 0.5, 1.0, 0.0]
    alone = alone_of(plan, session)
    assert calls.count("fit_and_predict") == 5
    assert len({digest(record) for record in together}) == 3  # the frozen one is as the plain
    for record, done in zip(together, alone, strict=True):
        assert done.predictions is not None
        assert digest(record) == done.predictions.digest()
        other = done.record
        assert record.metrics == other.metrics
        assert record.hidden == other.hidden
        assert record.replaced == other.replaced
        assert record.identity == other.identity
    assert {record.timing.fit for record in together} == {together[0].timing.fit}


def test_what_reaches_the_fit_is_fitted_again(store: RecordStore, session: Session) -> None:
    stages: tuple[tuple[Stage, ...], ...] = (("finetune",), ("finetune", "test"))
    missing = [Missing(0.5, stage) for stage in stages]
    assert [len(g) for g in planned("reader", store, session, None, *missing).fits()] == [1, 1, 1]


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_imputed_training_rows_are_a_fit_of_their_own(
    store: RecordStore, session: Session, fill: Fill
) -> None:
    """What a molecule lacks by nature is imputed in training too, whatever is masked at test."""
    filled = [Missing(rate, ("test",), fill=fill) for rate in (0.5, 1.0)]
    plan = planned("reader", store, session, None, HALF, *filled)
    assert [len(group) for group in plan.fits()] == [2, 2]
    together = [o.record for o in sweep.execute(plan, store, session).outcomes]
    alone = [done.predictions for done in alone_of(plan, session)]
    assert [digest(record) for record in together] == [one.digest() for one in alone if one]


def test_one_that_fails_takes_no_other_along(
    store: RecordStore, session: Session, calls: list[str]
) -> None:
    plan = planned("needy", store, session, None, HALF, ALL)
    outcomes = sweep.execute(plan, store, session).outcomes
    assert [o.record.status for o in outcomes] == ["ok", "ok", "failed"]
    assert calls.count("fit_and_predict") == 4
    error = outcomes[-1].record.error
    assert error is not None
    assert (error.phase, error.message) == ("predict", "nothing was measured of any molecule")


def test_a_fit_that_fails_is_tried_once_for_all(
    store: RecordStore, session: Session, calls: list[str]
) -> None:
    plan = planned("raises", store, session, None, FROZEN)
    records = [o.record for o in sweep.execute(plan, store, session).outcomes]
    assert calls.count("fit_and_predict") == 1
    assert [(r.status, r.error and r.error.phase) for r in records] == [("failed", "fit")] * 2


def test_what_is_on_record_is_not_predicted_again(store: RecordStore, session: Session) -> None:
    sweep.execute(planned("reader", store, session, HALF), store, session)
    plan = planned("reader", store, session, None, HALF, ALL)
    assert [item.state for item in plan.items] == ["new", "cached", "new"]
    assert [len(group) for group in plan.fits()] == [2]


def test_the_plan_counts_fits_and_expects_the_time_of_one(
    store: RecordStore, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = sweep.execute(planned("reader", store, session, None), store, session).outcomes
    timing = first.record.timing
    expected = timing.fit + timing.predict + timing.score
    plan = planned("reader", store, session, None, HALF, ALL)
    assert plan.seconds() == (pytest.approx(expected), 0)
    run_tables.show_plan(plan, n_jobs=1)
    assert "2 jobs new (1 fit), 1 cached" in capsys.readouterr().out
