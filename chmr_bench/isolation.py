"""Call a function in a process of its own: whatever it does to the process ends with it.

One server process imports the heavy libraries once; each call is a fresh fork of it (a fresh
process where the platform has no fork). The caller watches time and memory, passes on messages and
printed text, and learns how the process ended.

Calls cost 10 ms with numpy loaded and 30 ms with torch; `pebble.ProcessPool` with one task a
process costs 50 to 130 ms here (``benchmarks/isolation.py``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from types import ModuleType
from typing import Any

import chmr_bench.errors
from chmr_bench import worker
from chmr_bench.errors import (
    ChmrBenchError,
    LeftoverProcessError,
    MemoryLimitError,
    RemoteError,
    TimeLimitError,
    WorkerDiedError,
    WorkerError,
)
from chmr_bench.threads import shared

PRELOADED = (
    "chmr_bench.preload",
    "numpy",
    "scipy.sparse",
    "pydantic",
    "psutil",
    "threadpoolctl",
    "rdkit.Chem.rdFingerprintGenerator",
    "chmr_bench.runner",
)
ALSO = {
    "torch": "torch._dynamo",
    "sklearn": "sklearn.linear_model",
    "numba": "chmr_bench.features.compiler",
}
"""What such a library does late, and for long: for an optimiser, an estimator, a compiled call."""
TICK = 0.05
"""Seconds between two looks at the clock and at what was printed."""
MEMORY_SECONDS = 0.2
"""Seconds between two looks at the memory."""
EXIT_SECONDS = 5.0
"""So long a worker that is done may take to end."""
OUTPUT_BYTES = 1_000_000
"""So much of what a worker prints is passed on."""


@dataclass(frozen=True)
class Limits:
    """What a call may take.

    Attributes
    ----------
    seconds :
        Of wall-clock time; None = no limit.
    memory_gb :
        Resident memory of the process and its children; None = no limit.
    """

    seconds: float | None = None
    memory_gb: float | None = None


class Receiver:
    """Ignores what a worker says while it works; a subclass takes what it wants to."""

    def receive(self, name: str, *values: Any) -> None:
        """Take a message: its name and plain values."""

    def printed(self, text: str) -> None:
        """Take what was printed, by compiled code and child processes too."""


def warm_up(modules: Sequence[str] = ()) -> None:
    """Start the server that workers are forked from, with these modules loaded.

    Returns at once: the server imports while the caller goes on. A server that runs stays as it is.
    """
    try:
        Path.cwd()
    except FileNotFoundError:  # a model removed it, and Python starts no process from nowhere
        os.chdir(tempfile.gettempdir())
    start = context()
    if start.get_start_method() == "forkserver":
        from multiprocessing import forkserver

        more = [ALSO[module] for module in modules if module in ALSO]
        start.set_forkserver_preload([*PRELOADED, *modules, *more])
        with without_main():
            forkserver.ensure_running()


def call(
    target: str,
    *arguments: Any,
    limits: Limits | None = None,
    receiver: Receiver | None = None,
) -> Any:
    """Return what ``target(*arguments, send)`` gives in a process of its own.

    Parameters
    ----------
    target :
        ``"module:name"``; imported in the worker. ``send(name, *values)`` reaches `receiver`.
    arguments :
        Pickled; numpy arrays arrive read-only.
    limits, receiver :
        None = no limit, and nobody who listens.

    Raises
    ------
    WorkerError
        The process died, went beyond a limit, or left processes behind.
    RemoteError
        The function raised something that is no `ChmrBenchError`; those are raised as they are.
    KeyboardInterrupt
        The user wants to stop; the process is killed.

    Examples
    --------
    >>> call("operator:is_", None)  # doctest: +SKIP
    """
    warm_up()
    running = _Running(limits or Limits(), receiver or Receiver())
    try:
        return running.result(target, arguments)
    finally:
        running.end()


def context() -> Any:
    """Return how processes are started: as forks of a server, or afresh where there is none."""
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")


@shared
@contextmanager
def without_main() -> Iterator[None]:
    """Keep multiprocessing from importing the program's main module in each worker.

    A user's script without ``if __name__ == "__main__"`` would start itself again there.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class _Running:
    """A worker process, from its start to its end."""

    def __init__(self, limits: Limits, receiver: Receiver) -> None:
        self.limits, self.receiver = limits, receiver
        descriptor, path = tempfile.mkstemp(prefix="chmr-bench-", suffix=".log")
        self.path, self.output = Path(path), os.fdopen(descriptor, "r+b", buffering=0)
        self.n_printed = 0
        self.done: list[Any] = []
        self.left: list[str] = []
        start = context()
        self.connection, theirs = start.Pipe()
        surroundings = worker.ProcessState.here(str(path))
        self.process = start.Process(target=worker.serve, args=(theirs, surroundings))
        with without_main():
            self.process.start()
        theirs.close()
        self.started = time.monotonic()
        self.memory = _Memory(self.process.pid, self._excess)
        self.memory.start()

    def result(self, target: str, arguments: Sequence[Any]) -> Any:
        """Return the function's value; raise where there is none."""
        with contextlib.suppress(OSError):  # it died at once: seen below
            worker.send_arrays(self.connection, (target, arguments))
        self._follow()
        self._pass_on()
        if not self.done:
            self._check()  # it may have been killed for it
            raise WorkerDiedError(f"the worker process {_ending(self.process.exitcode)}")
        self.left += worker.kill_all(self._others())
        if self.left:
            names = ", ".join(dict.fromkeys(self.left))
            raise LeftoverProcessError(f"it left processes behind, which were killed: {names}")
        kind, value = self.done
        if kind == "raised":
            raise _rebuilt(*value)
        return value

    def _follow(self) -> None:
        """Take messages until the process has ended."""
        deadline = float("inf")
        sources = [self.connection, self.process.sentinel]
        while True:
            ready = connection.wait(sources, timeout=TICK)
            if self.connection in ready:
                if not self._take():  # it has closed its end
                    sources.remove(self.connection)
                elif self.done:
                    deadline = min(deadline, time.monotonic() + EXIT_SECONDS)
            elif self.process.sentinel in ready:
                self.process.join()
                return
            else:
                self._pass_on()
            self._check()
            if time.monotonic() > deadline:  # it waits for children that never end
                children = self.memory.children
                self.left += [worker.name_of(one) for one in children if not worker.is_tracker(one)]
                return

    def _take(self) -> bool:
        """Take one message; False where there will be no more."""
        try:
            name, *values = self.connection.recv()
        except (EOFError, OSError):
            return False
        except Exception as error:  # noqa: BLE001 - a class of another's may be read back badly
            reason = f"what the worker sent cannot be read: {type(error).__name__}: {error}"
            self.done = ["raised", ("PluginError", reason, "")]
            return True
        if name in ("done", "raised"):
            self.done = [name, values[0] if name == "done" else values]
        elif name == "left":
            self.left += values[0]
        else:
            self.receiver.receive(name, *values)
        return True

    def _pass_on(self) -> None:
        """Pass on what was printed since the last time, up to a limit."""
        room = OUTPUT_BYTES - self.n_printed
        if room > 0 and (text := self.output.read(room)):
            self.n_printed += len(text)
            more = "" if len(text) < room else "\n[what was printed after this is left out]\n"
            self.receiver.printed(text.decode("utf-8", errors="replace") + more)
        elif room <= 0:  # or it would fill the disk
            os.ftruncate(self.output.fileno(), 0)

    def _check(self) -> None:
        """Raise where the call takes more than it may."""
        excess = self._excess()
        if excess is not None:
            raise excess

    def _excess(self) -> WorkerError | None:
        """Return the error of a call that takes more than it may; memory may be why it is slow."""
        seconds, memory_gb = self.limits.seconds, self.limits.memory_gb
        used = self.memory.used / 1e9
        if memory_gb is not None and used > memory_gb:
            return MemoryLimitError(
                f"it used {used:.2f} GB, more than the limit of {memory_gb:g} GB (--memory-limit)"
            )
        if seconds is not None and not self.done and time.monotonic() - self.started > seconds:
            return TimeLimitError(f"it took longer than the limit of {seconds:g} s (--time-limit)")
        return None

    def _others(self) -> list[Any]:
        """Return what is left of the worker's session, and of the children seen before."""
        import psutil

        by_pid = {one.pid: one for one in self.memory.children if one.is_running()}
        if hasattr(os, "getsid"):
            for pid in psutil.pids():
                with contextlib.suppress(OSError, psutil.Error):
                    if os.getsid(pid) == self.process.pid != pid:
                        by_pid[pid] = psutil.Process(pid)
        return [one for one in by_pid.values() if not worker.is_tracker(one)]

    def end(self) -> None:
        """Kill what is left, and tidy up."""
        self.memory.ended.set()
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            worker.kill_all(self._others(), patience=0)
        elif not self.done:
            worker.kill_all(self._others(), patience=0)
        self.connection.close()
        self.process.close()
        self.output.close()
        self.path.unlink(missing_ok=True)


class _Memory(threading.Thread):
    """Looks at a process and its children: in a thread, where Ctrl-C breaks into nothing.

    One that is over its limits and goes on is killed: its caller may be waiting for the rest of a
    message, and cannot do it.

    Attributes
    ----------
    used :
        Their resident memory in bytes, when last seen.
    children :
        Of all generations: all that were seen and run still.
    """

    def __init__(self, pid: int, excess: Callable[[], WorkerError | None]) -> None:
        super().__init__(daemon=True, name="watch-memory")
        self.pid, self.excess, self.ended = pid, excess, threading.Event()
        self.used, self.children = 0, []  # type: int, list[Any]

    def run(self) -> None:
        """Look until the end."""
        import psutil

        while not self.ended.wait(MEMORY_SECONDS):
            with contextlib.suppress(psutil.Error):
                worker_process = psutil.Process(self.pid)
                children = worker_process.children(recursive=True)
                self.used = worker_process.memory_info().rss + sum(map(_resident, children))
                # Also those seen before: what a worker that just died left is its child no more.
                before = [one for one in self.children if one not in children and one.is_running()]
                self.children = children + before
                if self.excess() is not None and not self.ended.wait(EXIT_SECONDS):
                    worker_process.kill()


def _resident(process: Any) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _ending(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None or code >= 0:
        return f"ended itself with exit code {code}, without a result"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    why = "; often the machine was out of memory" if -code == signal.SIGKILL else ""
    return f"was ended by {name}{why}"


def _rebuilt(kind: str, message: str, trace: str) -> ChmrBenchError:
    """Return the error that a worker raised: as it was where it is one of ours."""
    known = getattr(chmr_bench.errors, kind, None)
    error: ChmrBenchError
    if isinstance(known, type) and issubclass(known, ChmrBenchError):
        error = known.__new__(known)
        Exception.__init__(error, message)
    else:
        error = RemoteError(kind, message)
    error.trace = trace
    return error
