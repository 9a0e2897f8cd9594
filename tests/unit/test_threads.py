"""A change that many threads are in at once is made once, and taken back by the last one out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest

from chmr_bench import plugins
from chmr_bench.isolation import without_main
from chmr_bench.streams import stdout_to_stderr
from chmr_bench.threads import shared


def test_the_first_in_makes_it_and_the_last_out_takes_it_back() -> None:
    said: list[str] = []

    @shared
    @contextmanager
    def change() -> Iterator[None]:
        said.append("made")
        yield
        said.append("taken back")

    with change():
        with change():
            pass
        assert said == ["made"]
    assert said == ["made", "taken back"]
    with pytest.raises(ValueError, match="wrong"), change():
        raise ValueError("wrong")
    assert said == ["made", "taken back"] * 2


def test_threads_that_overlap_leave_the_process_as_it_was() -> None:
    """The one that came first leaves first, while the other is still inside."""
    before, meet = (sys.stdout, sys.modules["__main__"]), Barrier(2, timeout=20)

    def first() -> None:
        with stdout_to_stderr(), without_main():
            meet.wait()
            meet.wait()
        meet.wait()

    def second() -> None:
        meet.wait()
        with stdout_to_stderr(), without_main():
            meet.wait()
            meet.wait()
            assert sys.stdout is sys.stderr

    with ThreadPoolExecutor(2) as pool:
        for work in [pool.submit(first), pool.submit(second)]:
            work.result()
    assert (sys.stdout, sys.modules["__main__"]) == before


def test_plugins_are_looked_for_once() -> None:
    plugins.forget_registry()
    meet = Barrier(4, timeout=20)

    def asked() -> object:
        meet.wait()
        return plugins.registry()

    with ThreadPoolExecutor(4) as pool:
        found = {id(work.result()) for work in [pool.submit(asked) for _ in range(4)]}
    assert len(found) == 1
