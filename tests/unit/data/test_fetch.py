"""Fetching against a real HTTP server on this machine that misbehaves in every way we know."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from chmr_bench import paths
from chmr_bench.contracts import DatasetSpec, SourceFile
from chmr_bench.data.downloads import within
from chmr_bench.data.fetch import (
    FetchOptions,
    SourceFiles,
    fetch_file,
    options_from_env,
    state_of,
)
from chmr_bench.errors import FetchError, PluginError, UsageError

CONTENT = random.Random(0).randbytes(300_000)
HTML = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
QUICK = FetchOptions(timeout=0.5, attempts=2, pause=0.01)


class Handler(BaseHTTPRequestHandler):
    """Answer /NAME as the function of that name in `ANSWERS` does; count the requests."""

    requests: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[0]
        Handler.requests[name] += 1
        ANSWERS[name](self)
        self.close_connection = True

    def send(
        self, content: bytes, status: int = 200, length: int | None = None, **more: str
    ) -> None:
        """Send a head that promises `length` bytes, then `content`."""
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


def drip(handler: Handler, seconds: float = 1.0, pieces: int = 20) -> None:
    """Send the right bytes slowly."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    size = len(CONTENT) // pieces
    try:
        for start in range(0, len(CONTENT), size):
            handler.wfile.write(CONTENT[start : start + size])
            time.sleep(seconds / pieces)
    except OSError:
        pass


def drip_head(handler: Handler) -> None:
    """Send the head letter by letter."""
    try:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.2)
    except OSError:
        pass


def busy_once(handler: Handler) -> None:
    if Handler.requests["busy"] == 1:
        handler.send(b"busy", 503, 4)
    else:
        handler.send(CONTENT, 200, len(CONTENT))


ANSWERS: dict[str, Callable[[Handler], None]] = {
    "good": lambda h: h.send(CONTENT, 200, len(CONTENT)),
    "wrong": lambda h: h.send(CONTENT[::-1], 200, len(CONTENT)),
    "cut": lambda h: h.send(CONTENT[:150_000], 200, len(CONTENT)),
    "cut-silently": lambda h: h.send(CONTENT[:150_000]),
    "empty": lambda h: h.send(b"", 200, 0),
    "html": lambda h: h.send(HTML, 200, len(HTML)),
    "pointer": lambda h: h.send(b"version https://git-lfs.github.com/spec/v1\n"),
    "gone": lambda h: h.send(HTML, 404, len(HTML)),
    "broken": lambda h: h.send(b"", 500, 0),
    "busy": busy_once,
    "silent": lambda h: time.sleep(1.5),
    "endless": endless,
    "nowhere": lambda h: h.send(b"", 302, 0, Location="http://[::bad"),
    "no-length": lambda h: h.send(CONTENT, Content_Length="abc"),
    "drip": drip,
    "drip-head": drip_head,
    "drip-long": lambda h: drip(h, seconds=20.0),
}


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a running server; the cache of the test is empty."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Handler.requests.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.socket.close()


def source(
    address: str = "", path: str = "set/file.csv.gz", content: bytes = CONTENT
) -> SourceFile:
    return SourceFile(path, hashlib.sha256(content).hexdigest(), len(content), address)


def files_in_cache() -> list[str]:
    folder = paths.data_folder()
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]


def test_what_ends_at_once_is_looked_at_too() -> None:
    looks: list[int] = []
    for n in range(200):
        assert within(5.0, lambda: 7, lambda: looks.append(0)) == 7
        assert len(looks) > n


def test_a_good_file_is_fetched_once_and_reported(server: str) -> None:
    seen: list[tuple[int, int, str]] = []
    pinned = source(f"{server}/good")
    path = fetch_file(pinned, QUICK, lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT
    assert path == paths.data_folder() / "set/file.csv.gz"
    assert seen[-1] == (len(CONTENT), len(CONTENT), "bytes")
    assert all(0 <= done <= total for done, total, _ in seen)
    assert fetch_file(pinned, QUICK) == path
    assert Handler.requests["good"] == 1
    assert files_in_cache() == ["set/file.csv.gz"]


@pytest.mark.parametrize(
    ("name", "what", "n_requests"),
    [
        ("wrong", "wrong content", 1),
        ("cut", "connection broke after 131072 of 300000 bytes", 2),
        ("cut-silently", "only 150000 of 300000 bytes", 2),
        ("empty", "an empty file", 1),
        ("html", "a web page (HTML", 2),
        ("pointer", "a Git LFS pointer", 2),
        ("gone", "HTTP 404 Not Found", 1),
        ("broken", "HTTP 500 Internal Server Error", 2),
        ("silent", "no answer within 0.5 s", 2),
        ("endless", "more than 300000 bytes", 1),
        ("nowhere", "cannot be asked for: ", 1),
        ("no-length", "cannot be asked for: ", 1),
    ],
)
def test_a_bad_answer_is_named_and_leaves_nothing(
    server: str, name: str, what: str, n_requests: int
) -> None:
    address = f"{server}/{name}"
    with pytest.raises(FetchError) as caught:
        fetch_file(source(address), QUICK)
    message = str(caught.value)
    assert what in message
    assert address in message
    for way_out in ("--mirror", "CHMR_BENCH_MIRROR", "--offline", "--suite demo"):
        assert way_out in message
    assert files_in_cache() == []
    assert Handler.requests[name] == n_requests
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["drip-long", "drip-head"])
def test_a_server_that_drips_is_left(server: str, name: str) -> None:
    """No silence is long enough for the time-out of the connection."""
    begun = time.monotonic()
    options = FetchOptions(timeout=5.0, attempts=3, limit=-14.0)
    with pytest.raises(FetchError, match="not done within 1 s") as caught:
        fetch_file(source(f"{server}/{name}"), options)
    assert time.monotonic() - begun < 5.0
    assert "tried" not in str(caught.value)
    assert files_in_cache() == []


def test_a_server_that_is_silent_until_the_end_is_given_the_limit_in_all(server: str) -> None:
    options = FetchOptions(timeout=0.7, attempts=3, pause=0.01, limit=-14.0)
    with pytest.raises(FetchError, match=r"not done within 1 s \(tried 2 times\)"):
        fetch_file(source(f"{server}/silent"), options)


def test_a_refused_connection_is_no_network(home: Path) -> None:
    with pytest.raises(FetchError, match=r"no connection \(no network.*refused.*tried 2 times"):
        fetch_file(source("http://127.0.0.1:1/x"), QUICK)


def test_an_unknown_host_is_no_network(home: Path) -> None:
    with pytest.raises(FetchError, match="no connection"):
        fetch_file(source("http://no-such-host.invalid/x"), QUICK)


def test_an_address_that_is_none_is_said_so(home: Path) -> None:
    with pytest.raises(FetchError, match="cannot be asked for"):
        fetch_file(source("nonsense"), QUICK)
    with pytest.raises(FetchError, match="has no public address"):
        fetch_file(source(""), QUICK)


def test_a_busy_server_is_asked_again(server: str) -> None:
    assert fetch_file(source(f"{server}/busy"), QUICK).read_bytes() == CONTENT
    assert Handler.requests["busy"] == 2


@pytest.mark.parametrize("damage", [CONTENT[:1000], b"", CONTENT[::-1], CONTENT + b"x"])
def test_a_damaged_cache_file_is_noticed_and_replaced(server: str, damage: bytes) -> None:
    pinned = source(f"{server}/good")
    path = fetch_file(pinned, QUICK)
    times = path.stat()
    path.write_bytes(damage)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert state_of(pinned).state == "damaged"
    assert fetch_file(pinned, QUICK).read_bytes() == CONTENT
    assert state_of(pinned).state == "ok"


def test_offline_serves_the_cache_and_nothing_else(server: str) -> None:
    pinned = source(f"{server}/good")
    offline = FetchOptions(offline=True)
    with pytest.raises(FetchError, match=r"missing in the cache .* --offline forbids"):
        fetch_file(pinned, offline)
    with pytest.raises(FetchError, match="--offline forbids"):
        fetch_file(pinned, FetchOptions(offline=True, mirror=server))
    path = fetch_file(pinned, QUICK)
    assert fetch_file(pinned, offline) == path
    path.write_bytes(CONTENT[:1000])
    with pytest.raises(FetchError, match=r"damaged \(only 1000 of 300000 bytes\)"):
        fetch_file(pinned, offline)
    assert Handler.requests.total() == 1


def test_a_mirror_address_takes_the_place_of_the_public_one(server: str) -> None:
    pinned = source("http://127.0.0.1:1/x", path="good/a file.csv")
    options = FetchOptions(mirror=f"{server}/", attempts=1)
    assert fetch_file(pinned, options).read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize("offline", [True, False])
def test_a_mirror_folder_is_copied_even_offline(
    home: Path, tmp_path: Path, form: str, offline: bool
) -> None:
    original = tmp_path / "my mirror" / "set" / "file.csv.gz"
    original.parent.mkdir(parents=True)
    original.write_bytes(CONTENT)
    mirror = form.format(tmp_path / "my mirror")
    path = fetch_file(source(), FetchOptions(mirror=mirror, offline=offline))
    assert path.read_bytes() == CONTENT
    assert path != original


def test_a_mirror_file_is_never_used_unverified(home: Path, tmp_path: Path) -> None:
    options = FetchOptions(mirror=str(tmp_path))
    with pytest.raises(FetchError, match="mirror folder does not give it: No such file"):
        fetch_file(source(), options)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.csv.gz").write_bytes(CONTENT[::-1])
    with pytest.raises(FetchError, match="wrong content"):
        fetch_file(source(), options)
    assert files_in_cache() == []


FETCH = """
import sys
from chmr_bench.contracts import SourceFile
from chmr_bench.data.fetch import FetchOptions, fetch_file
path, sha256, n_bytes, address = sys.argv[1:]
print(fetch_file(SourceFile(path, sha256, int(n_bytes), address), FetchOptions()))
"""


def start_fetch(pinned: SourceFile) -> subprocess.Popen[str]:
    arguments = [pinned.path, pinned.sha256, str(pinned.n_bytes), pinned.address]
    command = [sys.executable, "-c", FETCH, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_download_once(server: str) -> None:
    pinned = source(f"{server}/drip")
    processes = [start_fetch(pinned) for _ in range(2)]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert Path(out.strip()).read_bytes() == CONTENT
    assert Handler.requests["drip"] == 1
    assert files_in_cache() == ["set/file.csv.gz"]


def test_a_killed_download_leaves_no_file_that_passes_for_one(server: str) -> None:
    pinned = source(f"{server}/drip-long")
    process = start_fetch(pinned)
    part = paths.data_folder() / "set" / "file.csv.gz.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert part.stat().st_size < len(CONTENT)
    assert state_of(pinned).state == "missing"
    again = source(f"{server}/good")
    assert fetch_file(again, QUICK).read_bytes() == CONTENT
    assert files_in_cache() == ["set/file.csv.gz"]


def test_a_cache_that_cannot_be_written_is_said_so(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("CHMR_BENCH_HOME", str(blocked))
    with pytest.raises(FetchError, match=r"(?s)cannot be (written|read).*CHMR_BENCH_HOME"):
        fetch_file(source(f"{server}/good"), QUICK)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../outside", "a/../../b"])
def test_a_source_path_cannot_leave_the_cache(home: Path, path: str) -> None:
    with pytest.raises(PluginError, match=r"without '\.\.'"):
        fetch_file(source("http://127.0.0.1:1/x", path=path), QUICK)


def test_a_loader_gets_its_own_sources_only(server: str) -> None:
    pinned = source(f"{server}/good")
    spec = DatasetSpec("toy", "", "classification", ("t",), "roc_auc", 1, "m:f", sources=(pinned,))
    file = SourceFiles(spec, QUICK)
    assert Handler.requests.total() == 0
    assert file("set/file.csv.gz").read_bytes() == CONTENT
    with pytest.raises(PluginError, match=r"'toy' asks for the file 'other'"):
        file("other")


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHMR_BENCH_MIRROR", raising=False)
    assert options_from_env() == FetchOptions()
    monkeypatch.setenv("CHMR_BENCH_MIRROR", "http://mirror")
    assert options_from_env(offline=True) == FetchOptions(mirror="http://mirror", offline=True)
    assert options_from_env("/data").mirror == "/data"
    with pytest.raises(UsageError, match="expected a folder or an http"):
        options_from_env("ftp://mirror")
