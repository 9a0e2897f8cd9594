"""An empty store and a session without network, for sweeps over the quick models."""

from __future__ import annotations

from pathlib import Path

import pytest

from chmr_bench.cells import Atlas
from chmr_bench.cells.linking import OwnProfiles
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.records import RecordStore


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    made = RecordStore(tmp_path / "out")
    made.prepare()
    return made


@pytest.fixture
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no atlas have a molecule of any dataset."""

    def nobody(atlas: Atlas, molecules: MoleculeKeys) -> OwnProfiles:
        return OwnProfiles(atlas.name, {}, {}, len(molecules.keys))

    monkeypatch.setattr("chmr_bench.runner.own_profiles.link", nobody)
