"""Ctrl-C once: stop cleanly. Twice: stop at once, even where compiled code is at work.

SIGTERM, which `kill` and the schedulers of clusters send, is the same as Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chmr_bench.errors import INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MESSAGE = b"\nstopping; press Ctrl-C again to stop at once\n"
SHOW_CURSOR = b"\x1b[?25h"


class Interrupt:
    """Whether the user wants to stop."""

    def __init__(self) -> None:
        self.requested = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Turn the first signal into KeyboardInterrupt."""
        if not self.requested:
            self.requested = True
            raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[Interrupt]:
    """Handle Ctrl-C and SIGTERM while the block runs; outside the main thread nothing is changed.

    Python runs its signal handlers only between bytecodes, so one long call into compiled code
    would hold up the second Ctrl-C as well. The interpreter writes every signal to a socket at
    once, however; a thread that reads it gives the answer.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    previous = {one: signal.signal(one, interrupt.handle) for one in SIGNALS}
    previous_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(ours,), daemon=True, name="ctrl-c")
    watcher.start()
    try:
        yield interrupt
    finally:
        signal.set_wakeup_fd(previous_fd)
        for one, handler in previous.items():
            signal.signal(one, handler)
        theirs.close()
        watcher.join(timeout=1.0)
        ours.close()


def _watch(signals: socket.socket) -> None:
    count = 0
    while received := signals.recv(16):
        count += sum(byte in SIGNALS for byte in received)
        if count == 1:
            os.write(2, MESSAGE)
        elif count > 1:
            if sys.stderr.isatty():
                os.write(2, SHOW_CURSOR)
            os._exit(INTERRUPTED)
