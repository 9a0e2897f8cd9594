"""What a command says of weights that would have to be made first."""

from __future__ import annotations

from chmr_bench.contracts import PendingWeights
from chmr_bench.display.console import duration


def announcement(pending: PendingWeights, n_jobs: int) -> str:
    """Return what would be made, how long that takes here, and how to do without."""
    from chmr_bench.runner.estimate import making_seconds

    seconds = making_seconds(pending, n_jobs)
    words = [pending.title]
    if seconds is not None:
        words.append(f"about {duration(seconds)} on this machine, once")
    return "; ".join([*words, pending.without] if pending.without else words)
