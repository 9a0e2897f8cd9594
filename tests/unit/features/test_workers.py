"""Workers do not hear Ctrl-C, and none is given work that is not safe elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky.process_executor import BrokenProcessPool

from chmr_bench.errors import FeatureError
from chmr_bench.features import parallel, workers
from chmr_bench.features.plugin import FEATURES

SPECS = {spec.name: spec for spec in FEATURES}
SMILES = ["C" * (1 + i % 9) + "O" * (i % 2) + "c1ccccc1" for i in range(100)]


def interrupt_me(i: int) -> tuple[int, int]:
    os.kill(os.getpid(), signal.SIGINT)
    return i, os.getpid()


def test_workers_are_deaf_and_keep_the_order_and_are_used_again() -> None:
    first = list(workers.Ordered(2, [(interrupt_me, (i,)) for i in range(9)]))
    again = list(workers.Ordered(2, [(interrupt_me, (i,)) for i in range(9)]))
    assert [i for i, _ in first] == [i for i, _ in again] == list(range(9))
    assert {pid for _, pid in again} <= {pid for _, pid in first}
    assert os.getpid() not in {pid for _, pid in first}


def test_workers_never_hear_it_from_their_first_moment_and_the_block_stays() -> None:
    code = """
import chmr_bench, signal
from chmr_bench import signals
from chmr_bench.features import workers
with signals.relayed():
    made = list(workers.Ordered(2, [(signals.blocked_everywhere, ())] * 2))
    print(made, signals.blocked_everywhere())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[True, True] True", done


def test_a_worker_may_grow_beside_tasks_that_wait() -> None:
    """In a process of its own with a time limit: where it goes wrong, it hangs."""
    code = """
import os, sys, time
from chmr_bench.features import workers
def grow(i):
    sys.kept = bytearray(b"x" * 400_000_000) if i == 1 else getattr(sys, "kept", None)
    time.sleep(1.1 if i < 3 else 0)  # loky looks once a second
    return os.getpid()
print(len(set(workers.Ordered(1, [(grow, (i,)) for i in range(5)]))))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "1", done


def test_a_pool_whose_worker_died_idle_is_replaced() -> None:
    [(_, pid)] = workers.Ordered(1, [(interrupt_me, (0,))])
    os.kill(pid, signal.SIGKILL)
    [(_, other)] = workers.Ordered(1, [(interrupt_me, (0,))])
    assert other != pid


def test_a_worker_that_dies_at_work_is_told() -> None:
    with pytest.raises(BrokenProcessPool):
        list(workers.Ordered(1, [(os._exit, (3,))]))


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    ordered = workers.Ordered(1, [(interrupt_me, (i,)) for i in range(50)])
    _, pid = next(iter(ordered))
    ordered.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("bad_row", [None, 70])
def test_where_ctrl_c_could_get_in_nothing_is_computed_here(
    bad_row: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_safe_here", lambda: True)
    here = parallel.compute_block(SPECS["maccs"], {}, SMILES, 1)
    monkeypatch.setattr(parallel, "_safe_here", lambda: False)
    monkeypatch.setattr(parallel, "_here", lambda *_: pytest.fail("computed in this process"))
    if bad_row is not None:
        with pytest.raises(FeatureError, match=f"row {bad_row} "):
            parallel.compute_block(
                SPECS["maccs"], {}, [*SMILES[:bad_row], "C((", *SMILES[bad_row:]], 1
            )
        return
    there = parallel.compute_block(SPECS["maccs"], {}, SMILES, 1)
    np.testing.assert_array_equal(here.values.toarray(), there.values.toarray())  # type: ignore[union-attr]
