"""Many runs: plan, skip what is on record, execute."""

from __future__ import annotations

from chmr_bench.sweep.execution import Outcome, Summary, SweepListener, execute
from chmr_bench.sweep.model_settings import ModelSetting
from chmr_bench.sweep.planning import Item, Opening, Plan, Request, Session, plan

__all__ = [
    "Item",
    "ModelSetting",
    "Opening",
    "Outcome",
    "Plan",
    "Request",
    "Session",
    "Summary",
    "SweepListener",
    "execute",
    "plan",
]
