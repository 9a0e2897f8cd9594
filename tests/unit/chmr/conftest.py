"""What the tests of CHMR share: a tiny atlas and settings that go with it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

TINY = Path(__file__).resolve().parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module of the tiny atlas."""
    sys.path.insert(0, str(TINY))
    try:
        import tiny_atlas
    finally:
        sys.path.remove(str(TINY))
    return tiny_atlas
