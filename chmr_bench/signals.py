"""Ctrl-C kept from compiled code that would take it for its own.

RDKit (2026.09) puts its own handler in place of Python's during every substructure search: Ctrl-C
then ends the search early, with a wrong result and no error, and Python never hears of it. A
handler belongs to the whole process and runs in whichever thread does not block the signal. So
SIGINT is safe only where *every* thread blocks it: then it waits, and RDKit cannot get it.

The command line lives so (`relayed`): one thread waits for SIGINT and passes it on to the main
thread as another signal. Elsewhere `blocked` and `blocked_everywhere` say whether it is safe to
compute here. Worker processes inherit the block from the thread that starts them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_TASKS = Path("/proc/self/task")
_relays: set[int] = set()
"""Threads that wait for SIGINT. They seem not to block it, but take it without any handler."""


def relay_signal() -> int | None:
    """Return the signal that stands for Ctrl-C in the main thread; None where there is none."""
    if sys.platform == "win32":
        return None
    return signal.SIGUSR2


@contextmanager
def blocked() -> Iterator[None]:
    """Hold SIGINT back from this thread, and from all threads and processes it starts meanwhile."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def blocked_everywhere() -> bool:
    """Return whether every thread of this process blocks SIGINT; False where nothing tells.

    It stays so while the calling thread blocks it: new threads inherit the block.
    """
    try:
        tasks = [task for task in _TASKS.iterdir() if int(task.name) not in _relays]
    except OSError:  # no Linux
        return False
    return bool(tasks) and all(_blocks(task / "status") for task in tasks)


def _blocks(status: Path) -> bool:
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):  # the thread has ended
        return True
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")]
    return bool(masks) and bool(masks[0] >> (signal.SIGINT - 1) & 1)


def leave_interrupts_to_the_parent() -> None:
    """Make this worker process deaf to Ctrl-C: its parent hears it, and ends the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def relayed() -> Iterator[None]:
    """Let Python alone hear of Ctrl-C while the block runs; in the main thread only.

    Whatever handler Python has for SIGINT is called, as without this, but on another signal.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    with blocked():
        previous = signal.signal(signal.SIGUSR2, _call_handler)
        stopped = threading.Event()
        relay = threading.Thread(
            target=_relay, args=(threading.get_ident(), stopped), daemon=True, name="relay-ctrl-c"
        )
        relay.start()  # it inherits the block
        _relays.add(relay.native_id or 0)
        try:
            yield
        finally:
            stopped.set()
            signal.pthread_kill(relay.ident or 0, signal.SIGINT)
            relay.join()
            _relays.discard(relay.native_id or 0)
            signal.signal(signal.SIGUSR2, previous)


if sys.platform != "win32":

    def _relay(main: int, stopped: threading.Event) -> None:
        while True:
            signal.sigwait({signal.SIGINT})
            if stopped.is_set():
                return
            signal.pthread_kill(main, signal.SIGUSR2)


def _call_handler(signum: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    elif handler != signal.SIG_IGN:
        os._exit(128 + signal.SIGINT)


# numpy starts the threads of its linear algebra when it is imported: they inherit the block, or
# the process could never be one in which every thread has it.
with blocked():
    import numpy  # noqa: F401
