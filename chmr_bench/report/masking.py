"""Runs with cells masked on purpose, sorted by the curves that they are points of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chmr_bench.ablation.missing import Fill, Mechanism, Missing, Stage
from chmr_bench.report.evidence import Run


@dataclass(frozen=True)
class Setting:
    """What the curves of one table share: where something is masked, of what, and how.

    Attributes
    ----------
    draw :
        The one seed that all runs mask by; None where each run masks by its own.
    """

    stages: tuple[Stage, ...]
    modalities: tuple[str, ...]
    mechanism: Mechanism
    fill: Fill
    draw: int | None = None

    def __str__(self) -> str:
        missing = Missing(0.0, self.stages, self.modalities, self.mechanism, self.fill)
        words = str(missing).partition(" % of ")[2]
        return words + ("" if self.draw is None else f", draw {self.draw}")


Kind = tuple[Setting, bool]
"""A setting, and whether its runs are the control, with profiles permuted."""


@dataclass(frozen=True)
class MaskedRun:
    """A run with something masked, and what that is."""

    run: Run
    missing: Missing

    @property
    def kind(self) -> Kind:
        """Return the curve it is a point of by itself."""
        missing = self.missing
        how = (missing.stages, missing.modalities, missing.mechanism, missing.fill)
        return Setting(*how, self.draw), missing.shuffled

    @property
    def is_edge(self) -> bool:
        """Return whether it is a point of every mechanism's curve: nothing, or all, is masked."""
        return self.missing.is_everything or self.missing.rate == 0

    @property
    def draw(self) -> int | None:
        """Return the seed it masks by, None where that is its own, or where none is drawn."""
        drawn = self.run["seed"] is not None and self.missing.draws
        is_own = not drawn or self.missing.seed == self.run["seed"]
        return None if is_own else self.missing.seed

    @property
    def pairing(self) -> int | None:
        """Return what pairs it with other runs: its seed, or that of what is masked."""
        seed: int | None = self.run["seed"]
        return self.missing.seed if seed is None and self.missing.draws else seed

    def is_on(self, kind: Kind) -> bool:
        """Return whether it is a point of that curve."""
        missing, (setting, shuffled) = self.missing, kind
        if (missing.stages, missing.modalities) != (setting.stages, setting.modalities):
            return False
        if missing.is_everything:
            return setting.mechanism != "asymmetric" and missing.fill == setting.fill
        if missing.shuffled != shuffled:
            return False
        if missing.draws and setting.draw not in (self.draw, missing.seed):
            return False
        same = (missing.mechanism, missing.fill) == (setting.mechanism, setting.fill)
        return same or missing.rate == 0


def masked_runs(lines: Iterable[Run]) -> list[MaskedRun]:
    """Return the lines of runs with something masked; not those of the frozen control."""
    masked = [
        MaskedRun(line, Missing.from_dict(json.loads(line["missing"])))
        for line in lines
        if line["missing"] is not None
    ]
    return [run for run in masked if not run.missing.replaced]


def one_draw(runs: Sequence[MaskedRun]) -> list[Setting]:
    """Return the settings in which all runs mask by one seed."""
    return list(dict.fromkeys(run.kind[0] for run in runs if run.draw is not None))


def by_kind(runs: Sequence[MaskedRun], fixed: Sequence[Setting]) -> dict[Kind, list[MaskedRun]]:
    """Return (setting, shuffled) -> its runs, of the masked runs of one model on one dataset.

    A run that masks nothing or everything is a point of the curves of all mechanisms, and has one
    of its own only where there is none. A model without randomness is in the tables of one draw
    (`fixed`) too.
    """
    middle = {run.kind: None for run in runs if not run.is_edge}
    lone = [run for run in runs if run.run["seed"] is None and not run.is_edge]
    also = [(setting, run.missing.shuffled) for setting in fixed for run in lone]
    kinds = [*middle, *(kind for kind in also if any(run.is_on(kind) for run in lone))]
    for run in runs:
        alike = [kind for kind in kinds if kind[1] == run.missing.shuffled]  # a control has its own
        if run.is_edge and not any(run.is_on(kind) for kind in alike):
            kinds.append(run.kind)
    on = {kind: [run for run in runs if run.is_on(kind)] for kind in kinds}
    return {kind: kept for kind, kept in on.items() if not _is_part_of_one_draw(kind, on)}


def _is_part_of_one_draw(kind: Kind, on: Mapping[Kind, Sequence[MaskedRun]]) -> bool:
    """Return whether the runs that mask by their own seed are all in the table of one draw.

    Of many runs that mask by seed 0, the one with seed 0 masks by its own, too.
    """
    setting, shuffled = kind
    own = {run.run["identity"] for run in on[kind] if not run.is_edge}
    draws = (s for s, also in on if s.draw is not None and also == shuffled)
    same = [s for s in draws if replace(s, draw=None) == setting]
    return any(own < {run.run["identity"] for run in on[s, shuffled]} for s in same if own)


# ------------------------------------------------------------------------------------------ counts


def masked_counts(lines: Iterable[Run]) -> dict[str, tuple[int, int]]:
    """Return where something was to be masked -> entries observed there before, and masked.

    Of all runs together; nothing where no run had any to mask.
    """
    totals: dict[str, tuple[int, int]] = {}
    for line in lines:
        pretraining = json.loads(line["pretraining"] or "{}")
        atlas = (
            pretraining["atlas"] if isinstance(pretraining.get("atlas"), Mapping) else pretraining
        )
        masked = atlas.get("hidden")
        parts: dict[str, Any] = json.loads(line["hidden"] or "{}")
        if isinstance(masked, Mapping) and isinstance(masked.get("counts"), Mapping):
            parts["pretrain"] = masked["counts"]
        for part, counts in parts.items():
            before = totals.get(part, (0, 0))
            here = (sum(m.get(n, 0) for m in counts.values()) for n in ("observed", "hidden"))
            totals[part] = (before[0] + next(here), before[1] + next(here))
    return totals
