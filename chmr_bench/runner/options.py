"""What holds for all jobs of a run, and for none of its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.isolation import Limits


@dataclass(frozen=True)
class RunOptions:
    """How jobs are done.

    Attributes
    ----------
    fetch :
        Where data come from.
    n_jobs :
        Cores.
    limits :
        Of the worker process of a job.
    command :
        The command line, for the records.
    """

    fetch: FetchOptions
    n_jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    command: tuple[str, ...] = ()
