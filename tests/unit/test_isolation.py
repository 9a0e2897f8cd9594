"""Calls in a process of their own: what comes back, and what becomes of harm."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chmr_bench import isolation
from chmr_bench.errors import (
    DataError,
    LeftoverProcessError,
    MemoryLimitError,
    RemoteError,
    TimeLimitError,
    UnknownNameError,
    WorkerDiedError,
)

MODULE = """
import gc, os, signal, sys, time
from pathlib import Path
import numpy as np
from chmr_bench.errors import DataError, UnknownNameError

def doubled(values, send):
    send("progress", 1, 2)
    print("to stdout")
    os.write(2, b"to stderr\\n")
    return 2 * values, values.flags.writeable, os.getcwd(), os.environ.get("MARK")

def changes_everything(send):
    np.mean = None
    os.environ["MARK"] = "changed"
    os.chdir("/")
    sys.path.clear()

def is_clean(send):
    return np.mean is not None and bool(sys.path)

def collects(send):
    return gc.isenabled(), gc.get_stats()[-1]["collections"]

def leaves(code, send):
    os._exit(code)

def killed(send):
    os.kill(os.getpid(), signal.SIGKILL)

def raises(send):
    raise ZeroDivisionError("one by none")

def raises_ours(send):
    raise DataError("row 7 is empty")

def raises_name(send):
    raise UnknownNameError("dataset", "board6k", ["broad6k"])

def raises_at_length(send):
    class Text(str):
        def __reduce__(self):
            return os._exit, (9,)
    class Error(Exception):
        def __str__(self):
            return Text("long " * 10_000_000)
    raise Error

def stalls_in_a_message(send):
    os.write(send.connection.fileno(), b"\\x00\\x00\\x10\\x00abc")
    time.sleep(60)

def prints_without_end(send):
    for _ in range(100):
        print("x" * 1_000_000)
        time.sleep(0.01)

def output_folder(send):
    return [os.readlink("/proc/self/fd/1"), os.listdir(os.environ["MARK"])]

def tidies_up(file, send):
    import atexit, tempfile
    global folder
    folder = tempfile.TemporaryDirectory(dir=file.parent)
    atexit.register(file.write_text, "done")

def sleeps(send):
    time.sleep(60)

def allocates(send):
    kept = []
    while True:
        kept.append(bytearray(20_000_000))

def forks_and_returns(send):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    time.sleep(0.2)

def counts_in_a_pool(send):
    from joblib import Parallel, delayed
    return Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(4))

def starts_a_child_and_waits(place, send):
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(place).write_text(str(child.pid))
    time.sleep(60)
"""


class Listening(isolation.Receiver):
    """Keeps what a worker says."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, ...]] = []
        self.text = ""

    def receive(self, name: str, *values: Any) -> None:
        self.messages.append((name, *values))

    def printed(self, text: str) -> None:
        self.text += text


@pytest.fixture(autouse=True)
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that a worker finds, whenever its server was started."""
    (tmp_path / "called_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def call(name: str, *arguments: Any, **more: Any) -> Any:
    return isolation.call(f"called_module:{name}", *arguments, **more)


def test_value_messages_and_prints_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARK", "set by the caller")
    heard = Listening()
    doubled, writeable, folder, mark = call("doubled", np.arange(3), receiver=heard)
    np.testing.assert_array_equal(doubled, [0, 2, 4])
    assert not writeable
    assert (folder, mark) == (str(tmp_path), "set by the caller")
    assert heard.messages == [("progress", 1, 2)]
    assert heard.text.splitlines() == ["to stdout", "to stderr"]


def test_what_a_call_changes_reaches_neither_the_caller_nor_the_next() -> None:
    folder = Path.cwd()
    call("changes_everything")
    assert call("is_clean")
    assert Path.cwd() == folder
    assert "MARK" not in os.environ


def test_garbage_is_collected_by_a_worker_and_not_by_its_server() -> None:
    assert call("collects") == (True, 0)


def test_a_folder_that_a_call_removes_is_no_obstacle_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    assert call("is_clean")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("leaves", (0,), WorkerDiedError, "exit code 0"),
        ("leaves", (7,), WorkerDiedError, "exit code 7"),
        ("killed", (), WorkerDiedError, "SIGKILL; often the machine was out of memory"),
        ("raises", (), RemoteError, "one by none"),
        ("raises_ours", (), DataError, "row 7 is empty"),
        ("raises_name", (), UnknownNameError, "did you mean 'broad6k'"),
        ("forks_and_returns", (), LeftoverProcessError, "left processes behind"),
    ],
)
def test_how_it_ended_is_said(
    name: str, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(name, *arguments)


def test_a_long_message_is_cut_and_is_plain_text() -> None:
    with pytest.raises(
        RemoteError, match=r"^long long .* \.\.\. \(50000000 characters\)$"
    ) as caught:
        call("raises_at_length")
    assert len(str(caught.value)) < 3000


def test_a_worker_that_stalls_in_the_middle_of_a_message_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "EXIT_SECONDS", 0.1)
    begun = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"limit of 0\.3 s"):
        call("stalls_in_a_message", limits=isolation.Limits(seconds=0.3))
    assert time.monotonic() - begun < 20


def test_what_is_printed_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [0]
    monkeypatch.setattr(isolation, "TICK", 0.005)
    truncate = os.ftruncate
    monkeypatch.setattr(
        os, "ftruncate", lambda file, n: (sizes.append(os.fstat(file).st_size), truncate(file, n))
    )
    heard = Listening()
    call("prints_without_end", receiver=heard)
    assert "left out" in heard.text
    assert len(heard.text) < 1_100_000
    assert 0 < max(sizes) < 50_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_has_no_file_that_a_killed_run_would_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    output, files = call("output_folder")
    assert output.endswith("(deleted)")
    assert [name for name in files if name.endswith(".log")] == []


def test_the_pool_of_a_library_is_no_child_left_behind() -> None:
    assert call("counts_in_a_pool") == [0, 1, 2, 3]


def test_what_a_call_leaves_to_its_end_is_done(tmp_path: Path) -> None:
    file = tmp_path / "end" / "file"
    file.parent.mkdir()
    call("tidies_up", file)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_the_kind_and_place_of_an_error_are_kept() -> None:
    with pytest.raises(RemoteError) as caught:
        call("raises")
    assert caught.value.kind == "ZeroDivisionError"
    assert "called_module.py" in caught.value.trace


def test_a_time_limit_ends_the_process() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"limit of 0\.5 s"):
        call("sleeps", limits=isolation.Limits(seconds=0.5))
    assert time.monotonic() - begun < 20


def test_a_memory_limit_ends_the_process() -> None:
    with pytest.raises(MemoryLimitError, match=r"limit of 0\.3 GB"):
        call("allocates", limits=isolation.Limits(memory_gb=0.3))


def test_children_go_with_a_process_that_is_ended(tmp_path: Path) -> None:
    place = tmp_path / "child"
    with pytest.raises(TimeLimitError):
        call("starts_a_child_and_waits", str(place), limits=isolation.Limits(seconds=1.5))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{place.read_text()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_script_without_a_guard_does_not_start_itself_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from chmr_bench import isolation
            print("once")
            print(isolation.call("called_module:is_clean"))
            """
        )
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.stdout.splitlines() == ["once", "True"]


def test_workers_end_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "child"
    code = (
        "from chmr_bench import isolation\n"
        f"isolation.call('called_module:starts_a_child_and_waits', {str(place)!r})"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as caller:
        deadline = time.monotonic() + 30
        while not (place.exists() and place.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        caller.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{place.read_text()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
