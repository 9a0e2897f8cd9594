"""Torch works on one thread in these tests: on a busy machine more threads wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chmr_bench.nn import trainer


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Let torch use one thread."""
    pytest.importorskip("torch")
    with trainer.one_thread():
        yield
