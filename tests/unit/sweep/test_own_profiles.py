"""Runs with own profiles attached: what the model is given, what is on record, what cannot be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chmr_bench import load_dataset, run, sweep
from chmr_bench.ablation.missing import Missing
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.data.requests import TableOptions
from chmr_bench.display.remarks import _names_kept_before
from chmr_bench.errors import UnknownNameError, UsageError
from chmr_bench.plugins import registry
from chmr_bench.records import Record, RecordStore
from chmr_bench.report.runs import runs_frame
from chmr_bench.runner import DatasetRequest
from chmr_bench.runner.job import key_of
from chmr_bench.runner.joins import replicate_agreement
from chmr_bench.runner.own_profiles import attached, opened_atlas
from chmr_bench.sweep import Plan, Request, Session
from chmr_bench.sweep.model_settings import ModelSetting

pytestmark = pytest.mark.usefixtures("quick")

SMALL = DatasetRequest(name="quick-small")
ATLAS = ("quick-atlas",)


def planned(
    model: str,
    session: Session,
    store: RecordStore,
    cells: tuple[str, ...] = ATLAS,
    dataset: DatasetRequest = SMALL,
    missing: tuple[Missing | None, ...] = (None,),
) -> Plan:
    asked = Request(models=(model,), datasets=(dataset,), cells=cells, missing=missing)
    return sweep.plan(asked, store, session)


def records(plan: Plan, session: Session, store: RecordStore) -> list[Record]:
    return [o.record for o in sweep.execute(plan, store, session).outcomes]


def test_a_model_that_reads_cells_is_given_them_and_the_record_says_so(
    session: Session, store: RecordStore
) -> None:
    (plain,) = records(planned("quick.reader", session, store, ()), session, store)
    plan = planned("quick.reader", session, store)
    (record,) = records(plan, session, store)
    assert plain.cells is None
    assert record.cells is not None
    (told,) = record.cells
    assert (told.name, told.n_rows, told.n_test) == ("quick-atlas", 30, 10)
    assert record.identity != plain.identity
    assert record.identity == key_of(record).identity()
    assert record.dataset.digest == plain.dataset.digest
    assert record.predictions_sha256 != plain.predictions_sha256
    assert plan.notes == (
        "--cells quick-atlas: 30 of 30 molecules of quick-small have profiles of their own",
    )
    rows = runs_frame(store).set_index("own_profiles")["row"]
    assert rows.to_dict() == {
        "": "quick.reader",
        "quick-atlas": "quick.reader + own profiles of quick-atlas",
    }


def test_a_model_that_reads_none_is_not_run_again(session: Session, store: RecordStore) -> None:
    (record,) = records(planned("quick.mean", session, store, ()), session, store)
    again = planned("quick.mean", session, store)
    assert [item.state for item in again.items] == ["cached"]
    assert again.notes[1:] == (
        "--cells quick-atlas: none of quick.mean reads size; it changes nothing",
    )
    assert record.cells is None


@pytest.mark.slow
def test_they_can_be_masked(session: Session, store: RecordStore) -> None:
    plan = planned("quick.reader", session, store, missing=(None, Missing(1.0, ("test",))))
    whole, masked = records(plan, session, store)
    assert masked.hidden is not None
    assert masked.hidden["test"]["size"]["hidden"] == 10
    assert masked.cells == whole.cells
    assert not any(item.inapplicable for item in plan.items)


def test_a_table_of_the_users_own_is_given_them_too(
    session: Session, store: RecordStore, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    lines = [f"{'C' * (i + 1)}{'' if i % 2 else '.[Na+].[Cl-]'},{i % 3 > 0:d}" for i in range(60)]
    file.write_text("\n".join(["smiles,active", *lines]))
    request = TableOptions.of_words("active", smiles="smiles").request(str(file))
    data = attached(session.datasets.load(request), ATLAS, FetchOptions(offline=True))
    (own,) = data.own_profiles
    assert int(own.observed.sum()) == 40  # salts of the alkanes, too
    asked = Request(models=("quick.reader",), datasets=(request,), split="random", cells=ATLAS)
    plan = sweep.plan(asked, store, session)
    assert plan.items[0].job is not None
    assert [p.atlas for p in plan.items[0].job.own_profiles] == ["quick-atlas"]


@pytest.mark.slow
def test_profiles_beside_those_that_come_with_the_data_have_a_name_of_their_own(
    session: Session,
) -> None:
    plain = session.datasets.load(DatasetRequest(name="quick-cells"))
    data = attached(plain, ATLAS, FetchOptions(offline=True))
    assert sorted(data.dataset.blocks) == ["mass", "size", "size.own"]
    assert data.digest == plain.digest
    assert data.dataset.blocks["size"] is plain.dataset.blocks["size"]


def test_two_folders_of_one_name_are_refused(session: Session, tmp_path: Path) -> None:
    data = session.datasets.load(DatasetRequest(name="quick-small"))
    names = [f"folder:{tmp_path / place / 'profiles'}" for place in "ab"]
    for name in names:
        folder = Path(name.removeprefix("folder:"))
        folder.mkdir(parents=True)
        for file in ("index.csv.gz", "size_feature.npz"):
            (folder / file).touch()
    with pytest.raises(UsageError, match="names 'folder:profiles' 2 times"):
        attached(data, names, FetchOptions(offline=True))


def test_names_that_were_not_kept_are_told(
    session: Session, store: RecordStore, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    lines = [f"{'C' * (i + 1)},{i % 3 > 0:d},m{i}" for i in range(60)]
    file.write_text("\n".join(["smiles,active,name", *lines]))
    plans = []
    for id_column in ("", "name"):
        words = {"smiles": "smiles", "id": id_column}
        dataset = TableOptions.of_words("active", **words).request(str(file))
        asked = Request(models=("quick.mean",), datasets=(dataset,), split="random")
        plans.append(sweep.plan(asked, store, session))
        records(plans[-1], session, store)
    assert list(_names_kept_before(plans[0])) == []
    (note,) = _names_kept_before(plans[1])
    assert note.endswith("runs of mine were stored with no names")


@pytest.mark.usefixtures("unlinked")
def test_an_atlas_without_a_join_is_told_and_leaves_a_reader_without_cells(
    session: Session, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry().models["quick.reader"]
    needing = dataclasses.replace(known.spec, needs_cells=True)
    monkeypatch.setitem(registry().models, "quick.reader", dataclasses.replace(known, spec=needing))
    plan = planned("quick.reader", session, store)
    (item,) = plan.items
    assert item.state == "impossible"
    assert "no molecule of it is in quick-atlas" in item.reason
    assert plan.notes == (
        "--cells quick-atlas: no molecule of quick-small is in it; nothing is attached",
    )
    (bare,) = planned("quick.reader", session, store, ()).items
    assert "--cells ATLAS attaches some" in bare.reason


def test_weights_that_know_none_of_the_profiles_are_told_in_the_plan(
    session: Session, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry().models["chmr.cell-input"]
    spec = dataclasses.replace(known.spec, reads=("size",))
    monkeypatch.setitem(registry().models, "chmr.cell-input", dataclasses.replace(known, spec=spec))
    for data, cells in ((SMALL, ATLAS), (DatasetRequest(name="quick-small+quick-atlas"), ())):
        (item,) = planned("chmr.cell-input", session, store, cells, data).items
        assert item.state == "impossible"
        assert f"activity of jump-activity; {data.name} comes with size" in item.reason
        assert item.reason.endswith("--set chmr.cell-input:atlas=quick-atlas learns from them")


@pytest.mark.parametrize("setting", [("atlas", "quick-atlas"), ("cells", ""), ("atlas", "ta-orf")])
def test_where_they_may_know_one_it_is_tried(
    setting: tuple[str, str],
    session: Session,
    store: RecordStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The atlas has it, or who learns what is said elsewhere, or the atlas says nothing of it."""
    known = registry().models["chmr.cell-input"]
    spec = dataclasses.replace(known.spec, reads=("size",), weights="")
    monkeypatch.setitem(registry().models, "chmr.cell-input", dataclasses.replace(known, spec=spec))
    asked = Request(
        models=("chmr.cell-input",),
        datasets=(SMALL,),
        cells=ATLAS,
        settings=(ModelSetting(*setting),),
    )
    (item,) = sweep.plan(asked, store, session).items
    assert item.state == "new"


def test_a_failed_run_says_what_was_attached(session: Session, store: RecordStore) -> None:
    known = registry().models["quick.raises"]
    reading = dataclasses.replace(known, spec=dataclasses.replace(known.spec, reads=("size",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry().models, "quick.raises", reading)
        (record,) = records(planned("quick.raises", session, store), session, store)
    assert record.status == "failed"
    assert record.cells is not None
    assert [(a.name, a.n_rows, a.n_test) for a in record.cells] == [("quick-atlas", 30, None)]
    assert record.identity == key_of(record).identity()


def test_the_python_door_attaches_them_too(tmp_path: Path) -> None:
    data, _ = load_dataset("quick-small", cells="quick-atlas", offline=True)
    assert data.blocks["size"].observed.sum() == 30  # type: ignore[union-attr]
    frame = run(
        "quick.reader",
        "quick-small",
        cells=["quick-atlas"],
        out=tmp_path / "out",
        offline=True,
        quiet=True,
    )
    assert frame["own_profiles"].tolist() == ["quick-atlas"]
    with pytest.raises(UnknownNameError, match="did you mean 'quick-atlas'"):
        load_dataset("quick-small", cells="quick-atlass", offline=True)


def test_the_atlas_of_anothers_plugin_is_read_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, options = registry().atlas("quick-atlas").spec, FetchOptions(offline=True)
    here = opened_atlas(spec, options)
    monkeypatch.setattr("chmr_bench.probes._foreign", {spec.load.partition(":")[0]})
    monkeypatch.setattr("chmr_bench.cells.sources.open_atlas", None)
    assert opened_atlas(spec, options).digest() == here.digest()
    assert replicate_agreement(spec, options) == []


def test_simulated_profiles_are_not_attached_to_real_labels(
    session: Session, store: RecordStore
) -> None:
    with pytest.raises(UsageError, match="its profiles are simulated, and the labels of"):
        planned("quick.reader", session, store, ("quick-made-atlas",))
