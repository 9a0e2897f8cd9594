"""What the intervals of a table rest on: bootstrap replicates, read only where they are needed.

An interval depends on nothing but its runs and the code, so it is kept under their hash beside the
records, and a build after one new run reads the replicates of that run's row alone. ``leaderboard
build --check`` computes everything anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.errors import DataError, RecordError
from chmr_bench.records import Problem, RecordStore, Stored
from chmr_bench.report.columns import record_of_run
from chmr_bench.statistics import Runs, mean_over_seeds, paired_interval, score_interval
from chmr_bench.types import FloatArray

Run = Mapping[str, Any]
"""A line of the frame of runs."""
Ends = tuple[float | None, float | None]


class Evidence:
    """Replicates of the runs of a store, and the statistics that were computed from them.

    Parameters
    ----------
    store :
        Where replicates are read.
    known :
        Statistics by hash, from an earlier build.
    stored :
        Runs by identity, where they are at hand: the store need not look for them again.
    """

    def __init__(
        self,
        store: RecordStore,
        known: Mapping[str, Any] | None = None,
        stored: Mapping[str, Stored] | None = None,
    ) -> None:
        self.store = store
        self.stored = stored or {}
        self.known = dict(known or {})
        self.used: dict[str, Any] = {}
        self.problems: dict[Path, Problem] = {}
        self.n_unread = 0

    def runs(self, lines: Sequence[Run], seeds: Sequence[int | None]) -> Runs | None:
        """Return scored runs by seed; None, and a problem, where replicates cannot be read."""
        replicates = []
        for line in lines:
            try:
                replicates.append(self.replicates(line))
            except RecordError as error:
                self._note(line, error)
        if len(replicates) < len(lines) or not lines:
            return None
        try:
            mean_over_seeds(replicates)
            first = lines[0]
            scores = np.array([line["score"] for line in lines], dtype=np.float64)
            return Runs(
                scores,
                np.stack(replicates).astype(np.float64),
                tuple(seeds),
                first["metric"],
                n_units=first["n_test"],
                n_effective=first["n_effective"],
            )
        except DataError as error:
            self._note(lines[0], error)
            return None

    def replicates(self, line: Run) -> FloatArray:
        """Return the (1000,) bootstrap replicates of a run; RecordError where they are damaged."""
        entry = self.stored.get(line["identity"])
        if entry is not None:
            with contextlib.suppress(RecordError):  # damaged, or another process has packed it
                return entry.replicates()
        return self.store.replicates(record_of_run(line))

    def _note(self, line: Run, error: Exception) -> None:
        self.n_unread += 1
        path = self.store.path_of(record_of_run(line))
        self.problems[path] = Problem(path, f"no interval: {error}")

    def remembered(self, what: str, lines: Iterable[Run], compute: Callable[[], Any]) -> Any:
        """Return a statistic of runs: plain values, computed only where not known already.

        What could not be computed for want of replicates is asked for again next time.
        """
        seals = "".join(line["seal"] for line in lines)
        key = hashlib.sha256(f"{_code()} {what} {seals}".encode()).hexdigest()[:32]
        if key not in self.used:
            n_unread = self.n_unread
            value = self.known[key] if key in self.known else compute()
            if self.n_unread > n_unread:
                return value
            self.used[key] = value
        return self.used[key]


@cache
def _code() -> str:
    """Return a hash of the code and words that what is remembered depends on."""
    package = Path(__file__).resolve().parents[1]
    patterns = ("statistics/*.py", "report/*.py", "report/templates/*")
    files = [path for pattern in patterns for path in sorted(package.glob(pattern))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def interval_of(runs: Runs | None) -> Ends:
    """Return the interval of the mean over seeds; None twice where there is none."""
    if runs is None:
        return None, None
    low, high = score_interval(runs)
    return finite(low), finite(high)


def finite(value: float | None) -> float | None:
    """Return the number, None for NaN and infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def known_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean, None where there is no value or one is not known.

    Example
    -------
    >>> known_mean([0.25, 0.75]), known_mean([0.25, None])
    (0.5, None)
    """
    every = [*values]
    known = [value for value in every if value is not None]
    return statistics.fmean(known) if known and len(known) == len(every) else None


def paired_ends(a: Runs | None, b: Runs | None, sign: float) -> Ends:
    """Return the interval of (a - b) times the sign, none where the two have other seeds."""
    if a is None or b is None or (a.drawn and b.drawn and set(a.seeds) != set(b.seeds)):
        return None, None
    low, high = sorted(sign * end for end in paired_interval(a, b))
    return finite(low), finite(high)
