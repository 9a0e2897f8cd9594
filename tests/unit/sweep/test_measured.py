"""The measured molecules of a dataset, `NAME+ATLAS`, as a dataset of their own."""

from __future__ import annotations

import numpy as np
import pytest

from chmr_bench import load_dataset, sweep
from chmr_bench.api.requests import data_requests
from chmr_bench.cells import Atlas
from chmr_bench.cells.linking import OwnProfiles
from chmr_bench.data.requests import whole_name
from chmr_bench.errors import DataError, UnknownNameError, UsageError
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest, SplitRequest
from chmr_bench.runner.recorded import open_split
from chmr_bench.sweep import Request, Session

pytestmark = pytest.mark.usefixtures("quick")

NAME = "quick-data+quick-atlas"


def test_they_keep_their_labels_profiles_and_reference_parts(session: Session) -> None:
    whole = session.datasets.load(DatasetRequest(name="quick-data"))
    data = session.datasets.load(DatasetRequest(name=NAME))
    assert data.dataset.smiles == whole.dataset.smiles[:40]
    np.testing.assert_array_equal(data.dataset.y, whole.dataset.y[:40])
    assert data.dataset.blocks["size"].observed.all()  # type: ignore[union-attr]
    assert (data.spec.name, data.spec.n_molecules) == (NAME, 40)
    parts, all_parts = (one.split(SplitRequest("reference")) for one in (data, whole))
    for part in ("train", "valid", "test"):
        rows = all_parts.part(part)
        assert parts.part(part).tolist() == rows[rows < 40].tolist()


def test_structure_models_and_cell_models_run_on_the_same_molecules(
    session: Session, store: RecordStore
) -> None:
    models = ("quick.mean", "quick.reader")
    plan = sweep.plan(Request(models, (DatasetRequest(name=NAME),)), store, session)
    assert plan.notes == (
        f"{NAME}: the 40 of 60 molecules of quick-data that are measured in quick-atlas (40)",
    )
    outcomes = sweep.execute(plan, store, session).outcomes
    for record in (outcome.record for outcome in outcomes):
        assert (record.status, record.dataset.name, record.cells) == ("ok", NAME, None)
        data, split = open_split(record, session.datasets)
        assert (len(data.dataset), split.digest()) == (40, record.split.digest)
    again = sweep.plan(Request(models, (DatasetRequest(name=NAME),)), store, session)
    assert {item.state for item in again.items} == {"cached"}


def test_the_order_of_atlases_is_nothing_to_it() -> None:
    texts = ("planted+wong2024+nci60", "planted+nci60+wong2024+nci60")
    (request,) = data_requests({"dataset": texts})
    assert request.name == "planted+nci60+wong2024"
    assert request.atlases == ("nci60", "wong2024")
    assert whole_name(request.name) == "planted"


def test_a_frame_of_python_has_them_too() -> None:
    data, parts = load_dataset(NAME, offline=True)
    assert len(data) == 40
    assert sorted([*parts.train, *parts.valid, *parts.test]) == list(range(40))


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("quick-data+quick-atlass", UnknownNameError, "did you mean 'quick-atlas'"),
        ("quick-dat+quick-atlas", UnknownNameError, "did you mean 'quick-data'"),
        ("quick-data+", UnknownNameError, "no atlas is called ''"),
        ("quick-data+folder:mine", UsageError, "expected registered atlases"),
        ("quick-data+assays", UsageError, "holds labelled assays"),
    ],
)
def test_what_is_not_there_is_said(name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        data_requests({"dataset": name})


def test_an_atlas_that_shares_no_molecule_is_an_error_that_says_where_to_look(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(atlas: Atlas, molecules: MoleculeKeys) -> OwnProfiles:
        return OwnProfiles(atlas.name, {}, {}, len(molecules.keys))

    monkeypatch.setattr("chmr_bench.runner.own_profiles.link", nobody)
    with pytest.raises(DataError, match="no molecule of quick-data is measured in quick-atlas"):
        session.datasets.load(DatasetRequest(name=NAME))
