"""What a plan makes of records whose files are not whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chmr_bench import sweep
from chmr_bench.errors import DataError, SettingError, UnknownNameError
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest
from chmr_bench.sweep import Plan, Request, Session
from chmr_bench.sweep.model_settings import ModelSetting


def states(plan: Plan) -> list[str]:
    return [item.state for item in plan.items]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_damaged_record_is_computed_again(store: RecordStore, session: Session) -> None:
    asked = Request(("quick.noise", "quick.mean"), (DatasetRequest(name="quick-small"),))
    sweep.execute(sweep.plan(asked, store, session), store, session)
    before = store.of("quick-small", "quick.noise")[0]
    (store.path_of(before) / "predictions.parquet").write_bytes(b"")
    plan = sweep.plan(dataclasses.replace(asked, keep_failed=True), store, session)
    assert states(plan) == ["damaged", "cached"]
    assert [item.model for item in plan.todo] == ["quick.noise"]
    sweep.execute(plan, store, session)
    assert states(sweep.plan(asked, store, session)) == ["cached", "cached"]
    (after,) = store.of("quick-small", "quick.noise")
    assert after.predictions == before.predictions


def test_a_model_of_cells_is_not_planned_where_there_are_none(
    tmp_path: Path, store: RecordStore, session: Session
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("smiles,y\n" + "".join(f"C1CCCC1{'C' * n}O,{n % 2}\n" for n in range(1, 41)))
    datasets = (
        DatasetRequest(name="planted"),
        DatasetRequest(file=str(table), smiles="smiles", tasks=("y",)),
    )
    asked = Request(("chmr.cell-input", "chmr.head-only"), datasets, split="random")
    plan = sweep.plan(asked, store, session)
    found = {(item.model, item.dataset): item for item in plan.items}
    refused = found.pop(("chmr.cell-input", "mine"))
    assert refused.state == "impossible"
    assert "morphology or expression" in refused.reason
    assert refused.reason.endswith("mine comes with none; --cells ATLAS attaches some")
    assert {item.state for item in found.values()} == {"new"}
    assert all("mine" not in one.title for one in plan.pending())


@pytest.mark.usefixtures("quick", "home")
@pytest.mark.parametrize("setting", [ModelSetting("n_trees", "many"), ModelSetting("n_tres", 3)])
def test_a_wrong_setting_is_told_before_data_are_fetched(
    store: RecordStore, session: Session, setting: ModelSetting
) -> None:
    asked = Request(("fingerprint.forest",), (DatasetRequest(name="bace"),), settings=(setting,))
    with pytest.raises((SettingError, UnknownNameError)):
        sweep.plan(asked, store, session)
    with pytest.raises(DataError):
        sweep.plan(dataclasses.replace(asked, settings=()), store, session)
