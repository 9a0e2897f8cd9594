"""Each change is named and put back; what is only added is not."""

from __future__ import annotations

import builtins
import functools
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from chmr_bench.surroundings import NAMED, SIGNALS, Surroundings

CHANGES: Mapping[str, Callable[[], Any]] = {
    "builtins.open": lambda: setattr(builtins, "open", None),
    "random.random": lambda: delattr(random, "random"),
    "numpy.mean": lambda: setattr(np, "mean", np.median),
    "numpy.ma.MaskedArray.mean": lambda: setattr(np.ma.MaskedArray, "mean", None),
    "pandas.DataFrame.mean": lambda: setattr(pd.DataFrame, "mean", pd.DataFrame.median),
    "pandas.read_csv": lambda: setattr(pd, "read_csv", print),
    "sklearn.linear_model._ridge.Ridge.predict": lambda: setattr(Ridge, "predict", None),
    "what numpy does at an error (numpy.seterr)": lambda: np.seterr(all="raise"),
    "the environment variable CHMR_BENCH_HOME": lambda: os.environ.pop("CHMR_BENCH_HOME"),
    "the working folder": lambda: os.chdir("/"),
    "sys.path": lambda: sys.path.clear(),
    "sys.meta_path": lambda: sys.meta_path.clear(),
    "the umask": lambda: os.umask(0o777),
    "the standard streams": lambda: setattr(sys, "stderr", None),
    "the recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() - 1),
    "the warning filters (warnings are errors)": lambda: warnings.simplefilter("error"),
    "the alarm timer": lambda: signal.alarm(60),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
}


def state() -> list[Any]:
    return [
        *(builtins.open, vars(random).get("random"), np.mean, dict(os.environ), Path.cwd()),
        *(np.ma.MaskedArray.mean, pd.DataFrame.mean, pd.read_csv, Ridge.predict, np.geterr()),
        *(list(sys.path), list(sys.meta_path)),
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


def test_what_torch_replaces_of_itself_is_no_change() -> None:
    torch = pytest.importorskip("torch")
    before = Surroundings.now()
    weight = torch.nn.Parameter(torch.ones(1))
    torch.optim.Rprop([weight])  # the first of its class wraps the class's step
    assert "step" in vars(torch.optim.Rprop)
    assert before.restored() == []


def test_a_strangers_method_in_a_class_of_torch_is_a_change() -> None:
    torch = pytest.importorskip("torch")
    forward = torch.nn.Linear.forward
    before = Surroundings.now()

    @functools.wraps(forward)
    def other(self: Any, inputs: Any) -> Any:
        return 2 * forward(self, inputs)

    torch.nn.Linear.forward = other
    assert before.restored() == ["torch.nn.modules.linear.Linear.forward"]
    assert torch.nn.Linear.forward is forward
