"""Each change is named and put back; what is only added is not."""

from __future__ import annotations

import builtins
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench.surroundings import NAMED, SIGNALS, Surroundings

CHANGES: Mapping[str, Callable[[], Any]] = {
    "builtins.open": lambda: setattr(builtins, "open", None),
    "random.random": lambda: delattr(random, "random"),
    "numpy.mean": lambda: setattr(np, "mean", np.median),
    "the environment variable CHMR_BENCH_HOME": lambda: os.environ.pop("CHMR_BENCH_HOME"),
    "the working folder": lambda: os.chdir("/"),
    "the standard streams": lambda: setattr(sys, "stderr", None),
    "the recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() - 1),
    "the warning filters (warnings are errors)": lambda: warnings.simplefilter("error"),
    "the alarm timer": lambda: signal.alarm(60),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
}


def state() -> list[Any]:
    return [
        *(builtins.open, vars(random).get("random"), np.mean, dict(os.environ), Path.cwd()),
        *(sys.stderr, sys.getrecursionlimit(), list(warnings.filters)),
        *(signal.getitimer(signal.ITIMER_REAL), [signal.getsignal(s) for s in SIGNALS]),
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_and_put_back(change: str, home: Path) -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()  # pytest makes errors of them already
        expected = state()
        before = Surroundings.now()
        CHANGES[change]()
        assert before.restored() == [change]
        assert state() == expected


def test_a_cleared_environment_is_told_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(NAMED + 2):
        monkeypatch.setenv(f"CHMR_BENCH_TEST_{i}", "x")
    before = Surroundings.now()
    n_variables = len(os.environ)
    os.environ.clear()
    changes = before.restored()
    assert changes[-1] == f"{n_variables - NAMED} more environment variables"
    assert len(changes) == NAMED + 1


def test_what_is_added_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Surroundings.now()
    monkeypatch.setenv("CHMR_BENCH_TEST_ADDED", "x")
    monkeypatch.setattr(np, "of_a_library", 1, raising=False)
    limit = sys.getrecursionlimit()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="of_a_library")
        sys.setrecursionlimit(limit + 100)
        changes = before.restored()
    sys.setrecursionlimit(limit)
    assert changes == []


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = Surroundings.now()
    tmp_path.rmdir()
    assert before.restored() == ["the working folder"]
    monkeypatch.undo()
