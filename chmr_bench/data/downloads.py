"""One try to bring the bytes of an address, or of a folder's file, and what went wrong in words."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

CHUNK = 1 << 16
TICK = 0.1
"""Seconds between two looks at a file that is being fetched."""
STATUS_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})

Answer = TypeVar("Answer")


class DownloadError(Exception):
    """One try failed: what happened, and whether another try can help."""

    def __init__(self, what: str, again: bool = False) -> None:
        self.again = again
        super().__init__(what)


def within(
    seconds: float, call: Callable[[], Answer], watch: Callable[[], None] = lambda: None
) -> Answer:
    """Return what `call` does; TimeoutError where it takes longer, whatever it waits for.

    A connection's own time-out counts the silence between two bytes: a server that drips never
    reaches it. The call goes on in a thread that nobody waits for.

    Parameters
    ----------
    seconds : float
        The limit.
    call : callable
        Runs in a thread of its own.
    watch : callable
        Called every now and then meanwhile, and at the end; what it raises ends the wait.
    """
    done: list[Answer] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    end = time.monotonic() + seconds
    thread.start()
    alive = True
    while alive:
        thread.join(TICK)
        alive = thread.is_alive()  # asked first: the last look is at all that came
        watch()
        if alive and time.monotonic() > end:
            raise TimeoutError(f"not done within {seconds:.0f} s")
    if failed:
        raise failed[0]
    return done[0]


@contextlib.contextmanager
def taking(
    origin: Path | str, part: Path, n_bytes: int, timeout: float
) -> Iterator[Callable[[], None]]:
    """Give the function that writes the bytes of `origin` to `part`; it ends with the block.

    `timeout` : seconds without a byte after which a connection counts as dead.
    """
    import pooch
    import requests

    responses: list[requests.Response] = []
    download = pooch.HTTPDownloader(
        chunk_size=CHUNK,
        timeout=timeout,
        # A server that compresses on the way would make the length it announces another one.
        headers={"Accept-Encoding": "identity"},
        hooks={"response": lambda response, *_, **__: responses.append(response)},
    )

    def take() -> None:
        try:
            download(str(origin), str(part), None)
        except (requests.RequestException, ValueError) as error:
            n_done = part.stat().st_size if part.exists() else 0
            raise _explain(
                error, f"{n_done} of {n_bytes} bytes" if n_done else "", timeout
            ) from error

    try:
        yield functools.partial(_copy, origin, part) if isinstance(origin, Path) else take
    finally:  # pooch leaves the connection of a failed download open
        for response in responses:
            with contextlib.suppress(Exception):  # it may be closed by now
                response.raw.shutdown()
            response.close()


def _copy(origin: Path, part: Path) -> None:
    try:
        content = origin.open("rb")
    except OSError as error:
        raise DownloadError(f"the mirror folder does not give it: {error.strerror}") from error
    with content, part.open("wb") as copy:
        shutil.copyfileobj(content, copy)


def _explain(error: Exception, done: str, timeout: float) -> DownloadError:
    """Say in words what the download met."""
    import requests

    response = getattr(error, "response", None)
    if isinstance(error, requests.HTTPError) and response is not None:
        answer = f"{response.status_code} {response.reason}".strip()
        again = response.status_code in STATUS_WORTH_ANOTHER_TRY
        return DownloadError(f"the server answered HTTP {answer}", again)
    if done:
        return DownloadError(f"the connection broke after {done}", True)
    if isinstance(error, requests.Timeout):
        return DownloadError(f"no answer within {timeout:g} s", True)
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(f"no secure connection (a proxy in between?): {error}")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return DownloadError(
            f"no connection (no network, or the server is down): {_cause(error)}", True
        )
    return DownloadError(f"cannot be asked for: {error}")


def _cause(error: Exception) -> str:
    """Return the innermost reason of a connection error, which wraps it several times over."""
    cause = re.search(r"""Caused by \w+\(["']?(?:\w+\([^)]*\): )?(.*?)["']?\)+$""", str(error))
    return cause.group(1) if cause else str(error)
