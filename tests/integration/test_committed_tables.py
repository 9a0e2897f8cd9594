"""The committed tables are what the committed records give."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.records import RecordStore
from chmr_bench.report import leaderboard
from chmr_bench.runner.job import key_of

pytestmark = pytest.mark.slow
"""``.ci/run`` has both every time, by ``leaderboard build --check`` and ``verify``."""
COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


@pytest.fixture(scope="module")
def store() -> RecordStore:
    """The committed records; the tests are skipped where there is none yet."""
    store = RecordStore(COMMITTED)
    if not store.exists():
        pytest.skip("no records are committed yet")
    return store


def test_tables_are_what_the_records_give(store: RecordStore) -> None:
    found = leaderboard.differences(store, COMMITTED)
    assert found == [], "run 'chmr-bench leaderboard build'\n" + "\n".join(found)


def test_every_committed_record_can_be_read(store: RecordStore) -> None:
    assert store.problems() == []
    for stored in store.stored():
        assert key_of(stored.record).identity() == stored.identity
        if stored.record.status == "ok":
            assert len(stored.replicates()) == 1000
