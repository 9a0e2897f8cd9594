"""What a job reports while it runs."""

from __future__ import annotations

from typing import Protocol

from chmr_bench.records import Phase


class Listener(Protocol):
    """Gets to know how a job goes."""

    def stage(self, phase: Phase) -> None:
        """Note that a phase begins."""

    def step(self, name: str) -> None:
        """Note that a part of a long phase begins."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Note how far the phase is."""

    def printed(self, text: str) -> None:
        """Take what a model printed."""


class Silent:
    """Listens to nothing."""

    def stage(self, phase: Phase) -> None:
        """Ignore it."""

    def step(self, name: str) -> None:
        """Ignore it."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Ignore it."""

    def printed(self, text: str) -> None:
        """Ignore it."""
