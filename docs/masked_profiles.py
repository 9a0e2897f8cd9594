"""The table of what is lost as more of the molecules' own profiles is masked.

It is made of the tables of masked modalities of datasets called ``NAME+ATLAS``: a row a curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sections import MASKED, NONE, holm_words, markdown, tables_in

from chmr_bench.report.digits import difference_text

STORED = MASKED
MODELS = ("cells.counts", "cells.mlp")
"""The networks on own profiles whose curves are shown."""
STAGES = {"pretrain+finetune+test": "world"}
LEAST = 2
"""A curve has so many shares beyond 0."""
NOTES = (
    "Changes in points of ROC-AUC against the same network with nothing masked, with 95 % "
    "intervals as in the table above; below 0 is a loss. Bold: the interval excludes 0, each for "
    "itself. Asymmetric: the share is of molecules, and each that is hit keeps one kind of "
    "read-out at most.",
    "mean: over all shares from 0 to the last, the area between the curve and its start; '-' where "
    "a share of the setting has no run of the network. permuted: the mean of the same network on "
    "the profiles of other molecules, against that on its own; so what permuting costs is in it.",
)


class Curve(NamedTuple):
    """One network's changes as more is masked, in one setting."""

    key: tuple[str, ...]
    n_runs: int
    changes: dict[float, dict[str, Any]]
    """Share -> the change there."""
    mean: dict[str, Any] | None
    permuted: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Say which curve it is."""
        dataset, split, stage, model = self.key
        return f"`{model}` on {dataset} ({stage}, {split})"


def section() -> str:
    """Return the table, a row a curve, and whose mean changes are left after correction."""
    found = curves()
    if not found:
        return NONE
    shares = sorted({share for curve in found for share in curve.changes})
    words = ("molecules", "split", "masked at", "network")
    heads = (*words, "runs", *(f"{100 * share:.0f} %" for share in shares), "mean", "permuted")
    rows = []
    for curve in found:
        changes = (*map(curve.changes.get, shares), curve.mean, curve.permuted)
        rows.append((*curve.key, curve.n_runs, *map(_text, changes)))
    notes = (*NOTES, *_corrected(found))
    return "\n".join([markdown(heads, rows, left=words), "", *(f"- {note}" for note in notes)])


def curves() -> list[Curve]:
    """Return the curves on record, by dataset, split and stage."""
    found = (curve for table in tables_in(STORED) for curve in _curves_of(table))
    return sorted(found, key=lambda curve: curve.key)


def _curves_of(table: dict[str, Any]) -> Iterator[Curve]:
    """Yield the curves of one setting."""
    (name, *others), split = table["datasets"], table["split"]
    setting = [table[what] for what in ("modalities", "fill", "metric")]
    if "+" not in name or others or table["synthetic"] or setting != ["all", "none", "roc_auc"]:
        return
    stage = STAGES.get(table["stages"], table["stages"])
    stage += "" if table["mechanism"] == "random" else f", {table['mechanism']}"
    kind = "published" if split["name"] == "reference" else f"{split['n_splits']} {split['name']}"
    rows = {(row["model"], row["shuffled"]): row for row in table["rows"]}
    for model in MODELS:
        row, permuted = (rows.get((model, shuffled)) for shuffled in (False, True))
        points = row["points"] if row else []
        changes = {p["rate"]: p for p in points if p["rate"] and p["change"] is not None}
        if row and len(changes) >= LEAST:
            mean = permuted and permuted["mean_change"]
            n_runs = min(point["n_runs"] for point in changes.values())
            yield Curve((name, kind, stage, model), n_runs, changes, row["mean_change"], mean)


def _text(change: dict[str, Any] | None) -> str:
    """Return a change and its interval; of one share or the mean of all."""
    if not change:
        return "-"
    keys = (
        ("change", "change_low", "change_high") if "change" in change else ("mean", "low", "high")
    )
    if any(change[key] is None for key in keys):
        return "-"
    return difference_text(*(100 * change[key] for key in keys))


def _corrected(found: Sequence[Curve]) -> Iterator[str]:
    """Yield which mean changes are left after Holm's correction for their number."""
    p = {c.name: c.mean["p"] for c in found if c.mean and c.mean["p"] is not None}
    if len(p) > 1:
        yield f"After {holm_words(p, 'means,')}"
