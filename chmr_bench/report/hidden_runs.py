"""Runs with something hidden, sorted by the curves that they are points of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chmr_bench.ablation.missing import Fill, Mechanism, Missing, Stage
from chmr_bench.records import Record


@dataclass(frozen=True)
class Setting:
    """What the curves of one table share: where something is hidden, of what, and how.

    Attributes
    ----------
    draw : the one seed that all runs hide by; None where each run hides by its own.
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


@dataclass(frozen=True)
class HiddenRun:
    """A record with something hidden, and what that is."""

    record: Record
    missing: Missing

    @property
    def is_edge(self) -> bool:
        """Return whether it is a point of every mechanism's curve: nothing, or all, is hidden."""
        return self.missing.is_everything or self.missing.rate == 0

    @property
    def is_own(self) -> bool:
        """Return whether it hides by its own seed, or by none."""
        drawn = self.record.seed is not None and self.missing.draws
        return not drawn or self.missing.seed == self.record.seed

    @property
    def draw(self) -> int | None:
        """Return the seed it hides by, None where that is its own."""
        return None if self.is_own else self.missing.seed

    def is_on(self, setting: Setting, *, shuffled: bool) -> bool:
        """Return whether it is a point of that curve."""
        missing = self.missing
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


def one_draw(records: Sequence[Record]) -> list[Setting]:
    """Return the settings in which all runs hide by one seed."""
    runs = [HiddenRun(r, Missing.from_dict(r.missing)) for r in records if r.missing is not None]
    return list(dict.fromkeys(_setting_of(run)[0] for run in runs if run.draw is not None))


def by_setting(
    members: Sequence[Record], fixed: Sequence[Setting]
) -> dict[tuple[Setting, bool], list[Record]]:
    """Return (setting, shuffled) -> its runs with something hidden.

    A run that hides nothing or everything is a point of the curves of all mechanisms, and has one
    of its own only where there is none. A model without randomness is in the tables of one draw
    (`fixed`) too.
    """
    runs = [HiddenRun(r, Missing.from_dict(r.missing)) for r in members if r.missing is not None]
    middle = {_setting_of(run): None for run in runs if not run.is_edge}
    lone = [run for run in runs if run.record.seed is None and not run.is_edge]
    also = [(s, run.missing.shuffled) for s in fixed for run in lone]
    asked = [
        *middle,
        *(kind for kind in also if any(r.is_on(kind[0], shuffled=kind[1]) for r in lone)),
    ]
    for run in runs:
        if run.is_edge and not any(run.is_on(s, shuffled=shuffled) for s, shuffled in asked):
            asked.append(_setting_of(run))
    on = {kind: [r for r in runs if r.is_on(kind[0], shuffled=kind[1])] for kind in asked}
    return {
        kind: [run.record for run in kept]
        for kind, kept in on.items()
        if not _is_part_of_one_draw(kind, on)
    }


def _is_part_of_one_draw(
    kind: tuple[Setting, bool], on: Mapping[tuple[Setting, bool], Sequence[HiddenRun]]
) -> bool:
    """Return whether the runs that hide by their own seed are all in the table of one draw.

    Of many runs that hide by seed 0, the one with seed 0 hides by its own, too.
    """
    setting, shuffled = kind
    own = {run.record.identity for run in on[kind] if not run.is_edge}
    draws = (s for s, also in on if s.draw is not None and also == shuffled)
    same = [s for s in draws if dataclasses.replace(s, draw=None) == setting]
    return any(own < {run.record.identity for run in on[s, shuffled]} for s in same if own)


def _setting_of(run: HiddenRun) -> tuple[Setting, bool]:
    missing = run.missing
    how = (missing.stages, missing.modalities, missing.mechanism, missing.fill)
    return Setting(*how, run.draw), missing.shuffled
