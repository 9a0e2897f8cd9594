"""What a job hears of its work, and tells: seconds a phase, progress, the lines of its log."""

from __future__ import annotations

import io
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from chmr_bench import isolation
from chmr_bench.contracts import Progress
from chmr_bench.errors import TimeLimitError
from chmr_bench.records import Phase, Timing

log = logging.getLogger("chmr_bench.runner")


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


@dataclass
class Clock(isolation.Receiver):
    """Seconds a phase, and which phase it is; takes what a worker says."""

    listener: Listener
    stream: io.StringIO = field(default_factory=io.StringIO)
    seconds: dict[Phase, float] = field(default_factory=dict)
    phase: Phase = "load"
    begun: float = field(default_factory=time.perf_counter)
    n_logged: int = 0

    def stage(self, phase: Phase) -> None:
        """End the phase that was, and begin another."""
        self.stop()
        self.phase = phase
        self.listener.stage(phase)

    def stop(self) -> None:
        """Count the seconds since the phase began."""
        now = time.perf_counter()
        self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self.begun
        self.begun = now

    def limited(self, seconds: float | None) -> Progress:
        """Return what tells the listener of progress, for so many seconds.

        Raises
        ------
        TimeLimitError
            From what is returned, where the time is over.
        """
        if seconds is None:
            return self.listener.progress
        end = time.monotonic() + seconds

        def progress(done: int, total: int, unit: str) -> None:
            if time.monotonic() > end:
                raise TimeLimitError(
                    f"its features took longer than the limit of {seconds:g} s (--time-limit)"
                )
            self.listener.progress(done, total, unit)

        return progress

    def receive(self, name: str, *values: Any) -> None:
        """Take a worker's message."""
        if name == "stage":
            self.stage(values[0])
        elif name == "log":
            self._log(values[0])
        elif name == "step":
            self.listener.step(values[0])
        elif name == "progress":
            self.listener.progress(*values)

    def _log(self, text: str) -> None:
        """Keep a worker's line, up to a limit."""
        room = isolation.OUTPUT_BYTES - self.n_logged
        self.n_logged += len(text)
        if room > 0:
            more = "" if len(text) < room else "\n[what was logged after this is left out]\n"
            self.stream.write(text[:room] + more)

    def printed(self, text: str) -> None:
        """Take what a model printed."""
        self.stream.write(text)
        self.listener.printed(text)

    def end(self) -> None:
        """End the last phase, and log what each took."""
        self.stop()
        for phase, seconds in self.seconds.items():
            log.info("%s: %.2f s", phase, seconds)

    def timing(self, weights: float = 0.0, n_runs: int = 1) -> Timing:
        """Return what the record says; `weights` seconds were spent before.

        Where several runs share a fit, each has the whole fit and its share of the rest.
        """
        mine = {p: s if p == "fit" else s / n_runs for p, s in self.seconds.items()}
        mine["weights"] = mine.get("weights", 0.0) + weights
        rounded = {phase: round(seconds, 3) for phase, seconds in mine.items()}
        return Timing(**rounded, total=round(sum(mine.values()), 3))
