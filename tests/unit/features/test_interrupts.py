"""Ctrl-C reaches Python, and never RDKit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chmr_bench.features.parallel import ordered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="masks are read from /proc")


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process group of its own, as a terminal gives a command."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


STORM = """
import os, signal, subprocess, sys
from chmr_bench.features.parallel import compute_block
from chmr_bench.features.plugin import FEATURES
heard, n = 0, 200
def hear(*_):
    global heard
    heard += 1
    sender.stdin.write(b".")
    sender.stdin.flush()
signal.signal(signal.SIGINT, hear)
maccs = next(spec for spec in FEATURES if spec.name == "maccs")
smiles = ["CC(C)Cc1ccc(cc1)C(C)C(=O)NC1CCN(CC1)C(=O)c1ccc(Cl)cc1S(=O)(=O)N"] * 400
def keys():
    return compute_block(maccs, {}, smiles, 2).values.toarray()
clean, wrong, rounds = keys(), 0, 0
code = f'''
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
for _ in range({n}):
    os.killpg({os.getpgrp()}, signal.SIGINT)
    sys.stdin.buffer.read(1)
    time.sleep(0.005)
'''
sender = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
while sender.poll() is None:
    wrong += (keys() != clean).any()
    rounds += 1
print(wrong, heard, rounds > 1)
"""


@pytest.mark.slow
def test_rdkit_gets_none_of_a_storm_of_signals_and_python_all() -> None:
    # Computed here, RDKit would take most of them, and some molecules would be wrong. Each signal
    # goes to the whole group, as a terminal's does, and is sent when the one before was heard,
    # since two that wait are one: so every one of them counts.
    done = python(STORM)
    assert done.stdout.split() == ["0", "200", "True"], done


def threads_that_let_it_through() -> int:
    """Return how many threads of this process do not block SIGINT, numpy's among them."""
    import signal
    from pathlib import Path

    import numpy  # noqa: F401 - it starts threads

    masks = [
        int(line.split()[1], 16)
        for status in Path("/proc/self/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("SigBlk:")
    ]
    return sum(not mask >> (signal.SIGINT - 1) & 1 for mask in masks)


def test_every_thread_of_a_worker_blocks_it_and_ours_does_not() -> None:
    assert list(ordered("threads", threads_that_let_it_through, [(), ()], 2)) == [0, 0]
    assert threads_that_let_it_through() > 0


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    code = """
import signal, sys
import chmr_bench.cli
class Press:
    def find_spec(self, name, *_):
        if name == "chmr_bench.cli.app":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
chmr_bench.cli.main([])
"""
    done = python(code)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
