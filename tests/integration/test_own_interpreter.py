"""A run of a model in an interpreter of its own: the same record, but for what it ran in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from chmr_bench.interpreters import environment_digest
from chmr_bench.plugins import registry
from chmr_bench.records import RecordStore
from chmr_bench.runner.job import key_of

WORDS = ("run", "-m", "quick.away", "-m", "quick.mean", "-d", "quick-small", "--out", "out")


@pytest.mark.slow
def test_its_environment_is_part_of_the_identity(
    inside: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("QUICK_PYTHON", raising=False)
    done = inside(*WORDS)
    assert "set QUICK_PYTHON to the python of an environment" in done.stdout + done.stderr
    monkeypatch.setenv("QUICK_PYTHON", sys.executable)
    done = inside(*WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {record.model.id: record for record in RecordStore(tmp_path / "out").records()}
    away, here = records["quick.away"], records["quick.mean"]
    assert away.metrics == here.metrics
    digest = environment_digest(registry().model("quick.away").spec)
    assert (away.model.features, here.model.features) == ({"interpreter": digest}, {})
    assert key_of(away).identity() == away.identity
    assert (away.resources.peak_memory_mb or 0) > 0
