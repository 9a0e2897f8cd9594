"""What runs in a worker process (see `chmr_bench.isolation`)."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import logging
import multiprocessing.util
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from chmr_bench import streams
from chmr_bench.errors import ChmrBenchError
from chmr_bench.lazy import load_object

SET_CHILD_SUBREAPER = 36
"""Of Linux's ``prctl``: orphans among our descendants become our children."""
LEFTOVER_SECONDS = 0.5
CLEAR_LOOKS = 3
HELPERS = ("resource_tracker", "forkserver", "semaphore_tracker")
TRACEBACK_FRAMES = 8
NAME_CHARS, MESSAGE_CHARS = 100, 2000
"""So much of an error is passed on; a model may put a table into its message."""


@dataclass(frozen=True)
class ProcessState:
    """What a worker takes over from its caller, whenever the server was started."""

    folder: str
    path: tuple[str, ...]
    environment: dict[str, str]
    output: str = ""

    @classmethod
    def here(cls, output: str = "") -> ProcessState:
        """Return those of this process; what is printed goes to the file `output`, if named."""
        return cls(str(Path.cwd()), tuple(sys.path), dict(os.environ), output)

    def take_over(self) -> None:
        """Make them this process's own, in a session of its own that Ctrl-C does not reach."""
        gc.freeze()  # a collection would touch, and so copy, all that the server has loaded
        gc.enable()  # see `chmr_bench.preload`
        if hasattr(os, "setsid"):
            os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller gets it, and ends us
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.chdir(self.folder)
        sys.path[:] = self.path
        os.environ.clear()
        os.environ.update(self.environment)
        if self.output:
            self._redirect()
        with contextlib.suppress(OSError):  # where memory runs out, the worker goes first
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _redirect(self) -> None:
        descriptor = os.open(self.output, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # its reader has it open; a killed one leaves no file
            Path(self.output).unlink()
        sys.stdout, sys.stderr = _text(1), _text(2)
        faulthandler.enable(sys.stderr)


def _text(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)


def serve(connection: Any, surroundings: ProcessState) -> None:
    """Do one call and leave; the main function of a worker process."""
    surroundings.take_over()
    _forget_exit_functions()
    end_with_the_caller()
    sender = _Sender(connection)
    try:
        target, arguments = receive_arrays(connection)
        value = load_object(target)(*arguments, sender)
        sender("done", value)
    except BaseException as error:  # noqa: BLE001 - a stranger's code may raise anything
        sender("raised", type(error).__name__[:NAME_CHARS], _message(error), short_traceback(error))
    _run_exit_functions()
    left = _kill_leftovers()
    if left:
        sender("left", left)
    streams.flush()
    os._exit(0)


def _forget_exit_functions() -> None:
    """Leave to the server what it would do at its end: torch's part takes longer than a call.

    Python's own functions stay, for what the call begins.
    """
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    atexit._clear()
    atexit.register(logging.shutdown)
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]


def _run_exit_functions() -> None:
    """Do as Python does at its end: pools are shut down, those of joblib before the others."""
    for function in reversed(threading._threading_atexits):  # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):
            function()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()


class _Sender:
    """Sends messages, from any thread."""

    def __init__(self, connection: Any) -> None:
        self.connection, self.lock = connection, threading.Lock()

    def __call__(self, name: str, *values: Any) -> None:
        with self.lock:
            self.connection.send((name, *values))


def send_arrays(connection: Any, value: Any) -> None:
    """Send a value; its arrays go as they lie in memory."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    connection.send_bytes(len(buffers).to_bytes(4, "little") + head)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def receive_arrays(connection: Any) -> Any:
    """Return what `send_arrays` sent; contiguous arrays are read-only."""
    head = connection.recv_bytes()
    n_buffers = int.from_bytes(head[:4], "little")
    buffers = [connection.recv_bytes() for _ in range(n_buffers)]
    return pickle.loads(head[4:], buffers=buffers)  # noqa: S301 - from the process we belong to


def short_traceback(error: BaseException) -> str:
    """Return the last frames of an error, without the folders of this machine."""
    if isinstance(error, ChmrBenchError) and error.trace:
        return error.trace
    frames = traceback.extract_tb(error.__traceback__)[-TRACEBACK_FRAMES:]
    lines = [f"{short_path(f.filename)}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    return "\n".join(lines)


def short_path(filename: str) -> str:
    """Return a source file's path from its package on."""
    path = Path(filename)
    roots = [Path(p) for p in sys.path if p] + [Path(__file__).parents[1]]
    inside = [path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root)]
    return min(inside, key=len) if inside else "/".join(path.parts[-2:])


def _message(error: BaseException) -> str:
    try:
        text = str.__str__(str(error))  # a class of its own would be read back in the caller
    except BaseException:  # noqa: BLE001 - a stranger's __str__
        return ""
    more = f" ... ({len(text)} characters)" if len(text) > MESSAGE_CHARS else ""
    return text[:MESSAGE_CHARS] + more


def end_with_the_caller() -> None:
    """End this process, and those it started, as soon as its caller is gone."""
    threading.Thread(target=_watch_the_caller, daemon=True, name="watch-caller").start()


def _watch_the_caller() -> None:
    caller = multiprocessing.parent_process()
    if caller is not None:
        caller.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _kill_leftovers() -> list[str]:
    """Kill the children that do not end by themselves; return their names."""
    deadline = time.monotonic() + LEFTOVER_SECONDS
    n_clear = 0  # one look may fall between a child's end and its own child becoming ours
    while _has_children() and n_clear < CLEAR_LOOKS:
        import psutil

        me = psutil.Process()
        children = [one for one in me.children(recursive=True) if not _is_helper(one, me)]
        n_clear = 0 if children else n_clear + 1
        if children and time.monotonic() > deadline:
            return kill_all(children, patience=0)
        time.sleep(0.02)
    return []


def kill_all(processes: Sequence[Any], patience: float = LEFTOVER_SECONDS) -> list[str]:
    """Kill processes; return the names of those that had not ended by themselves."""
    import psutil

    _, alive = psutil.wait_procs(processes, timeout=patience)
    names = [name_of(one) for one in alive]
    for one in alive:
        with contextlib.suppress(psutil.Error):
            one.kill()
    return names


def name_of(process: Any) -> str:
    """Return what a process is called, and its number."""
    import psutil

    try:
        return f"{process.name()} (process {process.pid})"
    except psutil.Error:
        return f"process {process.pid}"


def is_tracker(process: Any) -> bool:
    """Return whether it frees the semaphores of a pool: it ends by itself, when all is freed."""
    try:
        return "resource_tracker import main" in " ".join(process.cmdline())
    except Exception:  # noqa: BLE001 - it has ended
        return True


def _is_helper(process: Any, me: Any) -> bool:
    """Return whether it is a helper of multiprocessing's, which ends with the one it serves.

    A fork of this process has its command line, which is the fork server's, and is no helper.
    """
    try:
        words, ours = " ".join(process.cmdline()), " ".join(me.cmdline())
        return words != ours and any(f"{name} import main" in words for name in HELPERS)
    except Exception:  # noqa: BLE001 - it has ended
        return True


def _has_children() -> bool:
    """Return whether any child is still alive; those that ended are reaped."""
    if not hasattr(os, "WNOHANG"):
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
