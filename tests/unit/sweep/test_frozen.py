"""The frozen control from the plan to the table: predictions move, and the score falls."""

from __future__ import annotations

import pytest

from chmr_bench import sweep
from chmr_bench.ablation.missing import Missing
from chmr_bench.records import Record, RecordStore
from chmr_bench.report import leaderboard
from chmr_bench.report.curves import curves
from chmr_bench.report.masking import frozen_rows
from chmr_bench.report.runs import load_runs
from chmr_bench.runner import DatasetRequest
from chmr_bench.runner.job import key_of
from chmr_bench.sweep import Request, Session

pytestmark = pytest.mark.usefixtures("quick")

FROZEN = Missing(0.0, ("test",), replaced=8)
CELLS = DatasetRequest(name="quick-cells")


def done(model: str, session: Session, store: RecordStore, **more: object) -> list[Record]:
    asked = Request((model,), (CELLS,), missing=(None, FROZEN), **more)  # type: ignore[arg-type]
    plan = sweep.plan(asked, store, session)
    return [o.record for o in sweep.execute(plan, store, session).outcomes]


def test_a_reader_moves_and_its_score_falls(session: Session, store: RecordStore) -> None:
    plain, frozen = done("quick.reader", session, store)
    assert frozen.replaced is not None, frozen.error
    told = frozen.replaced
    assert told["draws"] == len(told["scores"]) == 8
    assert told["moved"] > 0.1
    assert told["score"] > max(told["scores"])
    assert told["p"] == pytest.approx(1 / 9)
    # the record itself is of the fit with own profiles, so that its scores can be computed again
    assert frozen.metrics == plain.metrics
    assert plain.predictions is not None
    assert frozen.predictions is not None
    assert frozen.predictions.values_sha256 == plain.predictions.values_sha256
    assert frozen.identity == key_of(frozen).identity() != plain.identity
    assert frozen.missing == FROZEN.to_dict()


def test_it_is_a_table_of_its_own_and_on_no_curve(session: Session, store: RecordStore) -> None:
    done("quick.reader", session, store)
    assert curves(store) == []
    (row,) = frozen_rows(load_runs(store).lines)
    assert (row["model"], row["n_runs"], row["n_draws"]) == ("quick.reader", 1, 8)
    assert row["low"] <= row["change"] <= row["high"] < 0
    page = leaderboard.render_all(store, store.root).texts["missing.md"]
    assert "Profiles of others at test" in page
    assert "quick.reader" in page


def test_a_model_that_reads_no_profile_is_checked_and_has_no_row(
    session: Session, store: RecordStore
) -> None:
    asked = Request(("quick.mean",), (CELLS,), missing=(None, FROZEN))
    plan = sweep.plan(asked, store, session)
    assert [bool(item.inapplicable) for item in plan.items] == [False, True]
    sweep.execute(plan, store, session)
    assert frozen_rows(load_runs(store).lines) == []
