"""What the tests of CHMR share: a tiny atlas and settings that go with it, and one thread."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

TINY = Path(__file__).resolve().parents[2] / "fixtures" / "tiny"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small networks are slower on many threads."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module of the tiny atlas."""
    sys.path.insert(0, str(TINY))
    try:
        import tiny_atlas
    finally:
        sys.path.remove(str(TINY))
    return tiny_atlas
