"""What all threads of a process share, and change together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager


def shared(
    change: Callable[[], AbstractContextManager[None]],
) -> Callable[[], AbstractContextManager[None]]:
    """Return a change to the process that many threads may be in at once.

    The first one in makes it, the last one out takes it back: were each to put back what it found,
    a thread that came second would put back the first one's change, for good.
    """
    lock, inside, made = threading.Lock(), 0, ExitStack()

    @contextmanager
    def together() -> Iterator[None]:
        nonlocal inside
        with lock:
            if not inside:
                made.enter_context(change())
            inside += 1
        try:
            yield
        finally:
            with lock:
                inside -= 1
                if not inside:
                    made.close()

    return together
