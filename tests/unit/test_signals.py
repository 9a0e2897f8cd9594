"""Ctrl-C reaches Python, and nobody else."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from chmr_bench import signals

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="masks are read from /proc")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_line_can_block_in_every_thread_numpys_too() -> None:
    code = """
import chmr_bench
from chmr_bench import signals
print(signals.blocked_everywhere())
with signals.relayed():
    import numpy, threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(signals.blocked_everywhere())
print(signals.blocked_everywhere())
"""
    assert python(code).stdout.split() == ["False", "True", "False"]


def test_one_thread_that_lets_it_through_is_noticed() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with signals.blocked():
            assert not signals.blocked_everywhere()
    finally:
        end.set()
        thread.join()


def test_relayed_ctrl_c_calls_pythons_handler_and_wakes_a_wait() -> None:
    # In a process of its own: a test runner has threads that would take the signal.
    code = """
import os, signal, threading, time
from chmr_bench import signals
begun = time.monotonic()
with signals.relayed():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        threading.Event().wait(20)
    except KeyboardInterrupt:
        print("heard", time.monotonic() - begun < 5)
"""
    assert python(code).stdout.split() == ["heard", "True"]


def test_all_is_put_back() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGUSR2)
    with signals.relayed():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert any(t.name == "relay-ctrl-c" for t in threading.enumerate())
    after = signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGUSR2)
    assert after == before
    assert not any(t.name == "relay-ctrl-c" for t in threading.enumerate())


STORM = """
import os, signal, subprocess, sys
import chmr_bench
from chmr_bench import signals
heard, n = 0, 60
def hear(*_):
    global heard
    heard += 1
    os.write(sender.stdin.fileno(), b".")
signal.signal(signal.SIGINT, hear)
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
mol = Chem.MolFromSmiles("CC(C)Cc1ccc(cc1)C(C)C(=O)NC1CCN(CC1)C(=O)c1ccc(Cl)cc1S(=O)(=O)N")
def keys():
    return rdMolDescriptors.GetMACCSKeysFingerprint(mol).ToBitString()
clean, wrong = keys(), 0
with signals.relayed():
    send = "import os, sys\\nfor _ in range(%d): os.kill(%d, 2); sys.stdin.buffer.read(1)"
    code = send % (n, os.getpid())
    sender = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    while sender.poll() is None:
        wrong += keys() != clean
print(wrong, heard)
"""


def test_rdkit_gets_none_of_a_storm_of_signals() -> None:
    # Without the relay RDKit takes most of them, and some molecules are wrong. Each signal is sent
    # when the one before was heard, since two that wait are one: so every one of them counts.
    done = python(STORM)
    assert done.stdout.split() == ["0", "60"], done


def test_a_worker_is_deaf() -> None:
    code = """
import os, signal
from chmr_bench import signals
signals.leave_interrupts_to_the_parent()
os.kill(os.getpid(), signal.SIGINT)
print("alive")
"""
    assert python(code).stdout == "alive\n"


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    code = """
import signal, sys
import chmr_bench.cli
class Press:
    def find_spec(self, name, *_):
        if name == "chmr_bench.cli.app":
            signal.raise_signal(signal.SIGUSR2)
sys.meta_path.insert(0, Press())
chmr_bench.cli.main([])
"""
    done = python(code)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
