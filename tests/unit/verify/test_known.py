"""What was verified before: forgotten when the code changes, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import chmr_bench
from chmr_bench import sweep
from chmr_bench.cells import linking, sources
from chmr_bench.data.fetch import FetchOptions
from chmr_bench.records import RecordStore
from chmr_bench.runner import DatasetRequest, opening
from chmr_bench.runner.opening import Datasets
from chmr_bench.sweep import Request, Session
from chmr_bench.verify import known
from chmr_bench.verify.known import Verified
from chmr_bench.verify.runs import check_all


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHMR_BENCH_HOME", str(tmp_path))
    return tmp_path


def test_what_is_added_is_known_afterwards() -> None:
    first = Verified()
    assert not first.has("seal", "data")
    first.add("seal", "data")
    first.save()
    assert Verified().has("seal", "data")
    assert not Verified().has("seal", "other data")


def test_other_code_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Verified()
    first.add("seal")
    first.save()
    monkeypatch.setattr(known, "CODE", known.CODE[:-1])
    assert not Verified().has("seal")


def test_the_code_is_where_it_is_looked_for() -> None:
    root = Path(chmr_bench.__file__).parent
    assert [name for name in known.CODE if not (root / name).exists()] == []


@pytest.mark.parametrize("content", ["", "{", "[1, [2]]", "null", "3"])
def test_a_damaged_or_unwritable_list_is_no_error(home: Path, content: str) -> None:
    (home / "verified.json").write_text(content)
    assert not Verified().has("seal")
    (home / "verified.json").unlink()
    (home / "verified.json").mkdir()
    Verified().save()


def test_a_list_beside_records_counts_and_none_of_it_where_all_is_done_afresh(
    tmp_path: Path, home: Path
) -> None:
    first = Verified()
    first.add("seal", "data")
    beside = tmp_path / "beside"
    beside.mkdir()
    assert first.keep(beside) == beside / "verified.json"
    assert not Verified().has("seal", "data")
    assert Verified(beside).has("seal", "data")
    afresh = Verified(beside, afresh=True)
    assert not afresh.has("seal", "data")
    afresh.keep(beside)
    assert not Verified(beside).has("seal", "data")


def test_a_known_run_on_measured_molecules_opens_no_atlas(
    quick: None, tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RecordStore(tmp_path / "out")
    request = Request(("quick.noise",), (DatasetRequest(name="quick-small+quick-atlas"),))
    sweep.execute(sweep.plan(request, store, session), store, session)
    opened: list[str] = []

    def states() -> list[str]:
        opened.clear()
        datasets = Datasets(FetchOptions(offline=True))
        known = Verified(store.root)
        found = [check.state for check in check_all(store, datasets, "verify", known)]
        known.keep(store.root)
        return found

    original = opening.attached
    monkeypatch.setattr(opening, "attached", lambda *a: opened.append("") or original(*a))
    assert (states(), len(opened)) == (["ok"], 1)
    assert (states(), len(opened)) == (["ok"], 0)
    for module, name in ((sources.opening, "OPENING_VERSION"), (linking, "LINK_VERSION")):
        monkeypatch.setattr(module, name, "another")
        assert (states(), len(opened)) == (["ok"], 1)
