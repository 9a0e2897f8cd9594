"""Which runs an ablation plans: a draw a seed, one check where nothing applies, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chmr_bench import sweep
from chmr_bench.ablation.missing import Missing, Stage
from chmr_bench.plugins import registry
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner import DatasetRequest
from chmr_bench.sweep import Item, ModelSetting, Request, Session, Summary
from chmr_bench.sweep.draws import inapplicable

pytestmark = pytest.mark.usefixtures("quick")

CELLS, NONE = DatasetRequest(name="quick-cells"), DatasetRequest(name="quick-small")
HALF, ALL = Missing(0.5), Missing(1.0)


def request(model: str, *missing: Missing | None, **more: Any) -> Request:
    values: dict[str, Any] = {"datasets": (CELLS,), "seeds": (0, 1, 2)}
    return Request(models=(f"quick.{model}",), missing=missing, **(values | more))


def planned(asked: Request, store: RecordStore, session: Session) -> list[Item]:
    return list(sweep.plan(asked, store, session).items)


def do(asked: Request, store: RecordStore, session: Session) -> Summary:
    return sweep.execute(sweep.plan(asked, store, session), store, session)


def macro(record: Record) -> float:
    assert record.metrics is not None, record.error
    assert record.metrics.macro is not None
    return record.metrics.macro


# ------------------------------------------------------------------------------------------- plan


def test_each_seed_hides_by_its_own_draw(store: RecordStore, session: Session) -> None:
    items = planned(request("taught", None, HALF), store, session)
    drawn = [(i.seed, i.missing.seed if i.missing else None) for i in items]
    assert drawn == [(0, None), (1, None), (2, None), (0, 0), (1, 1), (2, 2)]
    one = planned(request("taught", None, HALF, hide_seed=7), store, session)
    assert [i.missing.seed for i in one if i.missing] == [7, 7, 7]


def test_a_model_without_randomness_runs_once_a_draw(store: RecordStore, session: Session) -> None:
    items = planned(request("reader", None, HALF, ALL), store, session)
    drawn = [
        (i.seed, i.missing.rate if i.missing else 0, i.missing.seed if i.missing else None)
        for i in items
    ]
    expected = [(None, 0, None), *((None, 0.5, s) for s in (0, 1, 2)), (None, 1, 0)]
    assert drawn == expected  # at rate 1 every draw is the same
    assert len({i.job.identity for i in items if i.job}) == 5


@pytest.mark.slow
def test_rate_0_is_the_plain_run(store: RecordStore, session: Session) -> None:
    (plain,) = planned(request("reader", None), store, session)
    (zero,) = planned(request("reader", Missing(0.0)), store, session)
    assert plain.job is not None
    assert zero.job is not None
    assert zero.job.identity == plain.job.identity
    done = do(request("reader", None), store, session)
    assert [i.state for i in planned(request("reader", Missing(0.0), HALF), store, session)] == [
        "cached",
        *["new"] * 3,
    ]
    assert done.outcomes[0].record.missing is None


@pytest.mark.parametrize(
    ("model", "data", "stages", "reason"),
    [
        ("reader", CELLS, ("test",), ""),
        ("reader", CELLS, ("pretrain",), "learns from no cells"),
        ("reader", NONE, ("test",), "quick-small has no cells"),
        ("noise", CELLS, ("pretrain", "test"), "learns from no cells, reads no cells of quick-"),
        ("taught", CELLS, ("pretrain",), ""),
        ("taught", CELLS, ("test",), "reads no cells of quick-cells"),
    ],
)
def test_whom_it_reaches_is_found_by_the_spec(
    model: str, data: DatasetRequest, stages: tuple[Stage, ...], reason: str, session: Session
) -> None:
    spec = registry().model(f"quick.{model}").spec
    found = inapplicable(spec, session.datasets.load(data), Missing(0.5, stages))
    assert (reason in found) if reason else not found
    assert inapplicable(spec, session.datasets.load(data), Missing(0.5, stages, ("colour",)))


def test_where_it_reaches_nothing_one_run_checks_that(store: RecordStore, session: Session) -> None:
    items = planned(request("noise", None, HALF, ALL), store, session)
    assert [(i.seed, bool(i.inapplicable)) for i in items] == [
        *((s, False) for s in (0, 1, 2)),
        (0, True),
    ]
    assert items[-1].missing == ALL
    records = [o.record for o in do(request("noise", None, HALF, ALL), store, session).outcomes]
    assert all(r.predictions for r in records)
    first, *_, check = (r.predictions.values_sha256 for r in records if r.predictions)
    assert first == check


# --------------------------------------------------------------------------------------------- runs


def test_a_reader_loses_what_is_hidden(store: RecordStore, session: Session) -> None:
    summary = do(request("reader", None, HALF, ALL), store, session)
    by_rate: dict[float, list[float]] = {}
    for outcome in summary.outcomes:
        record = outcome.record
        rate = (record.missing or {"rate": 0.0})["rate"]
        by_rate.setdefault(rate, []).append(macro(record))
        assert (record.hidden is None) == (rate == 0)
    assert len(set(by_rate[0.5])) == 3
    assert by_rate[0.0][0] > sum(by_rate[0.5]) / 3 > 0.5
    assert by_rate[1.0] == [0.5]
    again = do(request("reader", None, HALF, ALL), store, session)
    assert again.outcomes == ()  # all on record


@pytest.mark.slow
def test_an_atlas_that_lacks_it_is_learnt_from_once(store: RecordStore, session: Session) -> None:
    whole_atlas = (ModelSetting("transductive", value=True),)
    missing = (None, HALF, Missing(0.5, ("pretrain",)))
    asked = request("taught", *missing, seeds=(0,), settings=whole_atlas)
    plan = sweep.plan(asked, store, session)
    _, lacking = plan.pending()
    assert "50 % of cells masked (pretrain), draw 0" in lacking.title
    whole, world, alone = (o.record for o in sweep.execute(plan, store, session).outcomes)
    assert world.model.weights == alone.model.weights != whole.model.weights
    assert world.identity != alone.identity
    told = (world.model.pretraining or {})["atlas"]["hidden"]
    counts = told["counts"]["size"]
    assert counts["observed"] == 40
    assert 0 < counts["hidden"] < 40
    assert told["rate"] == 0.5
    assert "hidden" not in (whole.model.pretraining or {})["atlas"]


def test_what_a_model_computes_of_a_structure_reaches_it(session: Session) -> None:
    data = session.datasets.load(NONE)
    image = Missing(0.5, modalities=("image",))
    blind, seeing = (registry().model(n).spec for n in ("mmsa.graph-only", "mmsa"))
    assert inapplicable(seeing, data, image) == ""
    assert inapplicable(blind, data, image) != ""
    assert inapplicable(seeing, data, HALF) == "mmsa learns from no cells, quick-small has no cells"


def test_cells_that_are_masked_reach_no_mmsa(store: RecordStore, session: Session) -> None:
    models = ("mmsa", "mmsa.no-image", "mmsa.no-3d", "mmsa.graph-only")
    asked = request("", None, HALF, Missing(1.0, modalities=("morphology",)), seeds=(0, 1))
    items = planned(replace(asked, models=models), store, session)
    said = [(i.model, i.inapplicable) for i in items if i.missing]
    why = "learns from no cells, reads no morphology of quick-cells"
    assert said == [(name, f"{name} {why}") for name in models]
    assert sum(not i.missing for i in items) == 2 * len(models)
