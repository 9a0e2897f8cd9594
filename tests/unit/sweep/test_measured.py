"""The measured molecules of a dataset, `NAME+ATLAS`, as a dataset of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import load_dataset, sweep
from chmr_bench.api.requests import data_requests
from chmr_bench.cli.records import selected
from chmr_bench.data.requests import whole_name
from chmr_bench.errors import DataError, UnknownNameError, UsageError
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest, SplitRequest
from chmr_bench.runner.recorded import open_split
from chmr_bench.sweep import Request, Session

pytestmark = pytest.mark.usefixtures("quick")

NAME = "quick-data+quick-atlas"
"""The first 40 of 60 molecules, of which none is in train."""
ALL = "quick-small+quick-atlas"
"""All 30 molecules are measured."""


def test_they_keep_their_labels_and_profiles(session: Session) -> None:
    whole = session.datasets.load(DatasetRequest(name="quick-data"))
    data = session.datasets.load(DatasetRequest(name=NAME))
    assert data.dataset.smiles == whole.dataset.smiles[:40]
    np.testing.assert_array_equal(data.dataset.y, whole.dataset.y[:40])
    assert data.dataset.blocks["size"].observed.all()  # type: ignore[union-attr]
    assert (data.spec.name, data.spec.n_molecules) == (NAME, 40)


def test_the_reference_parts_are_those_of_the_whole_without_the_others(session: Session) -> None:
    whole = session.datasets.load(DatasetRequest(name=ALL)).part_of
    assert whole is not None
    rows = np.arange(0, 30, 3)
    data = session.datasets.load(DatasetRequest(name=ALL))
    object.__setattr__(data, "part_of", (whole[0], rows))
    parts, all_parts = (one.split(SplitRequest("reference")) for one in (data, whole[0]))
    for part in ("train", "valid", "test"):
        assert rows[parts.part(part)].tolist() == [
            row for row in all_parts.part(part).tolist() if row % 3 == 0
        ]


def test_an_empty_part_is_said_before_anything_runs(session: Session, store: RecordStore) -> None:
    says = r"of its 40 measured molecules the reference split has 0 in train, 20 in valid, 20 in te"
    request = Request(("quick.mean",), (DatasetRequest(name=NAME),))
    with pytest.raises(DataError, match=says):
        sweep.plan(request, store, session)


def test_structure_models_and_cell_models_run_on_the_same_molecules(
    session: Session, store: RecordStore
) -> None:
    models = ("quick.mean", "quick.reader")
    plan = sweep.plan(Request(models, (DatasetRequest(name=ALL),)), store, session)
    assert plan.notes == (
        f"{ALL}: the 30 of 30 molecules of quick-small that are measured in quick-atlas (30)",
    )
    outcomes = sweep.execute(plan, store, session).outcomes
    for record in (outcome.record for outcome in outcomes):
        assert (record.status, record.dataset.name, record.cells) == ("ok", ALL, None)
        data, split = open_split(record, session.datasets)
        assert (len(data.dataset), split.digest()) == (30, record.split.digest)
    again = sweep.plan(Request(models, (DatasetRequest(name=ALL),)), store, session)
    assert {item.state for item in again.items} == {"cached"}


def test_the_order_of_atlases_is_nothing_to_it() -> None:
    texts = ("planted+wong2024+nci60", "planted+nci60+wong2024+nci60")
    (request,) = data_requests({"dataset": texts})
    assert request.name == "planted+nci60+wong2024"
    assert request.atlases == ("nci60", "wong2024")
    assert whole_name(request.name) == "planted"


def test_a_frame_of_python_has_them_too() -> None:
    data, parts = load_dataset(ALL, offline=True)
    assert len(data) == 30
    assert sorted([*parts.train, *parts.valid, *parts.test]) == list(range(30))


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("quick-data+quick-atlass", UnknownNameError, "did you mean 'quick-atlas'"),
        ("quick-dat+quick-atlas", UnknownNameError, "did you mean 'quick-data'"),
        ("quick-data+", UsageError, "expected the name of an atlas"),
        ("quick-data+folder:mine", UsageError, "expected registered atlases"),
        ("quick-data+assays", UsageError, "holds labelled assays"),
    ],
)
def test_what_is_not_there_is_said(name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        data_requests({"dataset": name})


@pytest.mark.usefixtures("unlinked")
def test_an_atlas_that_shares_no_molecule_is_an_error_that_says_where_to_look(
    session: Session,
) -> None:
    with pytest.raises(DataError, match="no molecule of quick-data is measured in quick-atlas"):
        session.datasets.load(DatasetRequest(name=NAME))


def test_a_split_that_cannot_be_drawn_names_its_dataset(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise DataError("2 groups")

    monkeypatch.setattr("chmr_bench.splits.make_split", fails)
    data = session.datasets.load(DatasetRequest(name=NAME))
    with pytest.raises(DataError, match=r"dataset 'quick-data\+quick-atlas', split strict: 2 gro"):
        data.split(SplitRequest("strict", 0))


def test_a_file_is_a_file_and_takes_no_atlas_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = {"smiles": "smiles", "tasks": "active"}
    Path("quick-data+mine.csv").write_text("smiles,active\nC,1\n")
    (request,) = data_requests({"dataset": "quick-data+mine.csv", **columns})
    assert request.file == "quick-data+mine.csv"
    Path("mine.csv").write_text("smiles,active\nC,1\n")
    with pytest.raises(UsageError, match=r"mine\.csv is a file; --dataset mine\.csv --cells"):
        data_requests({"dataset": "mine.csv+quick-atlas", **columns})


def test_stored_runs_are_named_with_their_atlases_in_any_order(results: Any) -> None:
    results.add("mean", "bace+nci60+wong2024", 0.5)
    results.add("mean", "bace", 0.5)
    (run,) = selected(results.store, {"dataset": ["bace+wong2024+nci60"]})
    assert run.content["dataset"]["name"] == "bace+nci60+wong2024"
