"""What a benchmark measured, as `run.py` collects it; and where it looks for the nine datasets."""

from __future__ import annotations

import json
import os
from pathlib import Path

MARK = "RESULT "


def result(what: str, value: float, **limit: float) -> bool:
    """Print what was measured, and return whether its limit is kept.

    Parameters
    ----------
    limit : float
        ``at_least`` or ``at_most``; none = nothing is asked of it.
    """
    print(MARK + json.dumps({"what": what, "value": value, **limit}), flush=True)
    return is_kept(value, **limit)


def is_kept(value: float, at_least: float = float("-inf"), at_most: float = float("inf")) -> bool:
    """Return whether a value is within its limits."""
    return at_least <= value <= at_most


def use_mirror() -> None:
    """Read the datasets from the folder beside the repository, unless another one is set."""
    mirror = Path(__file__).resolve().parents[2] / "shared" / "data"
    if "CHMR_BENCH_MIRROR" not in os.environ and (mirror / "SOURCES.csv").is_file():
        os.environ["CHMR_BENCH_MIRROR"] = str(mirror)
