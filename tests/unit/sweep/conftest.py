"""An empty store and a workspace without network, for sweeps over the quick models."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.records import RecordStore
from chmr_bench.runner import Workspace


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    made = RecordStore(tmp_path / "out")
    made.prepare()
    return made


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(FetchOptions(offline=True), n_jobs=1)
