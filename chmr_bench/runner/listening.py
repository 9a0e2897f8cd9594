"""What a job reports while it runs."""

from __future__ import annotations

from chmr_bench.records import Phase


class Listener:
    """Ignores all that a job reports; a subclass shows what it wants to."""

    def stage(self, phase: Phase) -> None:
        """Take that a phase begins."""

    def step(self, name: str) -> None:
        """Take that a part of a long phase begins."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Take how far the phase is."""

    def printed(self, text: str) -> None:
        """Take what a model printed."""
