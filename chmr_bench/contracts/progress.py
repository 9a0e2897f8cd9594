"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int, str], None]
"""``progress(done, total, unit)``: called by long work as it goes; cheap to call often."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Report nothing."""
