"""Many runs: plan, skip what is on record, execute."""

from __future__ import annotations

from chmr_bench.sweep.execution import Outcome, SilentSweep, Summary, SweepListener, execute
from chmr_bench.sweep.planning import Item, ModelSetting, Opening, Plan, Request, Session, plan

__all__ = [
    "Item",
    "ModelSetting",
    "Opening",
    "Outcome",
    "Plan",
    "Request",
    "Session",
    "SilentSweep",
    "Summary",
    "SweepListener",
    "execute",
    "plan",
]
