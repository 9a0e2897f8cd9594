"""Which of two runs of one identity stands: the good one, or the one scored or failed last."""

from __future__ import annotations

from typing import Literal

from chmr_bench.records.run import Stored

DIFFERS = "differs from the packed run of the same identity, which is shown; remove one of them"


def compared(packed_run: Stored, other: Stored) -> Literal["same", "newer", "older", "differs"]:
    """Return what a run in a folder is to a packed run of the same identity."""
    if _fingerprint(packed_run) == _fingerprint(other):
        return "newer" if packed_run.damage() and not other.damage() else "same"
    if packed_run.content["status"] == other.content["status"] == "failed":
        # Of two in one second the loose one was tried last.
        return "older" if other.content["created"] < packed_run.content["created"] else "newer"
    ranks = [_rank(run) for run in (packed_run, other)]
    if ranks[0] == ranks[1]:
        return "differs"
    return "newer" if ranks[1] > ranks[0] else "older"


def _fingerprint(run: Stored) -> object:
    """Return what is the same for one run in two places, one of them of version 1 maybe.

    Or computed twice, with the same predictions and score. Or without its predictions of
    validation rows: the replicates are of the test rows alone.
    """
    info = run.content.get("predictions") or {}
    of = info.get("sha256") or info.get("replicates_sha256")
    rescored = run.content.get("rescored") or {}
    found = (run.content["metrics"]["macro"], of) if of else run.content["created"]
    return run.content["status"], run.content["error"], rescored.get("created"), found


def _rank(run: Stored) -> tuple[bool, str]:
    """Return how good a run is: one with a score, the one scored last."""
    rescored = run.content.get("rescored") or {}
    return run.content["status"] == "ok" and not run.damage(), str(rescored.get("created") or "")
