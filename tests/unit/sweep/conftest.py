"""An empty store and a session without network, for sweeps over the quick models."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.records import RecordStore
from chmr_bench.runner import RunOptions
from chmr_bench.sweep import Session


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    made = RecordStore(tmp_path / "out")
    made.prepare()
    return made


@pytest.fixture
def session() -> Session:
    return Session(RunOptions(FetchOptions(offline=True)))
