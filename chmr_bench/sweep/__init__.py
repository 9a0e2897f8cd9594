"""Many runs: plan, skip what is on record, execute."""

from __future__ import annotations

from chmr_bench.sweep.execution import Outcome, SilentSweep, Summary, SweepListener, execute
from chmr_bench.sweep.planning import Item, Opening, Plan, Request, Session, Setting, plan

__all__ = [
    "Item",
    "Opening",
    "Outcome",
    "Plan",
    "Request",
    "Session",
    "Setting",
    "SilentSweep",
    "Summary",
    "SweepListener",
    "execute",
    "plan",
]
