"""Runs with cells masked on purpose: the curves that they are points of, and the frozen control.

A run without anything masked is the start of every curve of its model. Curves are told apart by
what is masked, where, how, what fills it, and by all that can change a model's numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chmr_bench.ablation.missing import Fill, Mechanism, Missing, Stage
from chmr_bench.metrics import METRICS
from chmr_bench.records import canonical_json
from chmr_bench.records.pretrained import atlas_entry
from chmr_bench.report.runs import DATA, Run

Seed = int | None
BASE = ("model", "model_version", "params", "plugin", "plugin_distribution", "plugin_version")


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
        of = self.missing
        setting = Setting(of.stages, of.modalities, of.mechanism, of.fill, self.draw)
        return setting, of.shuffled

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


@dataclass(frozen=True)
class CurveRuns:
    """The runs of one curve: those with something masked, and those of its model with nothing."""

    setting: Setting
    shuffled: bool
    masked: tuple[MaskedRun, ...]
    plain: tuple[Run, ...]

    @property
    def start(self) -> list[tuple[Seed, Run]]:
        """Return the runs with nothing masked, each with what pairs it."""
        return [(run["seed"], run) for run in self.plain]

    @property
    def by_rate(self) -> dict[float, list[tuple[Seed, Run]]]:
        """Return rate, ascending -> its runs, each with what pairs it."""
        rates: dict[float, list[tuple[Seed, Run]]] = defaultdict(list)
        rates |= {} if self.shuffled else {0.0: self.start}
        for run in self.masked:
            rates[run.missing.rate].append((run.pairing, run.run))
        return dict(sorted(rates.items()))


@dataclass(frozen=True)
class Masked:
    """Runs with something masked, sorted.

    Attributes
    ----------
    key :
        A hash of all runs that curves and rows rest on, "" where nothing was ever masked.
    curves :
        The runs of each curve.
    frozen :
        The rows of the frozen control, see `frozen_rows`.
    """

    key: str = ""
    curves: Sequence[CurveRuns] = ()
    frozen: Sequence[Mapping[str, Any]] = ()


def masked_of(lines: Sequence[Run], known: str = "") -> Masked:
    """Return the masked runs of a store, sorted; not where their key is the one known already."""
    models = {line["model"] for line in lines if line["missing"] is not None}
    shared = [line for line in lines if line["model"] in models]
    seals = "".join(line["seal"] for line in shared)
    key = hashlib.sha256(seals.encode()).hexdigest() if shared else ""
    return Masked(key) if key == known else Masked(key, curve_runs(shared), frozen_rows(shared))


def curve_runs(lines: Sequence[Run]) -> list[CurveRuns]:
    """Return the runs of every curve of models with something masked."""
    fixed = one_draw(masked_runs(lines))
    groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for line in lines:
        groups[(*(line[name] for name in (*DATA, "dataset_metric")), base_of(line))].append(line)
    return [
        CurveRuns(setting, shuffled, tuple(masked), tuple(r for r in of if r["missing"] is None))
        for of in groups.values()
        for (setting, shuffled), masked in by_kind(masked_runs(of), fixed).items()
    ]


def base_of(line: Run) -> str:
    """Return all that can change the numbers of a model but the seed and what is masked."""
    settings = [line[name] for name in (*BASE, "precision", "device", "cells")]
    return canonical_json([*settings, _making(line)])


def _making(line: Run) -> Any:
    """Return how the weights were made, the atlas's content left out, which masking changes."""
    pretraining = json.loads(line["pretraining"] or "null")
    if line["weights"] is None or pretraining is None:
        return line["row_weights"]
    atlas = atlas_entry(pretraining)
    kept = {name: pretraining.get(name) for name in ("version", "config", "features")}
    return [kept, {name: atlas.get(name) for name in ("atlases", "transductive", "left_out_of")}]


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
        masked = atlas_entry(json.loads(line["pretraining"] or "{}")).get("hidden")
        parts: dict[str, Any] = json.loads(line["hidden"] or "{}")
        if isinstance(masked, Mapping) and isinstance(masked.get("counts"), Mapping):
            parts["pretrain"] = masked["counts"]
        for part, counts in parts.items():
            observed, hidden = totals.get(part, (0, 0))
            observed += sum(of.get("observed", 0) for of in counts.values())
            hidden += sum(of.get("hidden", 0) for of in counts.values())
            totals[part] = observed, hidden
    return totals


# ------------------------------------------------------------------------------- the frozen control


def frozen_rows(lines: Iterable[Run]) -> list[dict[str, Any]]:
    """Return what fitted models predict from the profiles of others, in the order of the runs.

    A row a dataset, split and model over its seeds. ``score`` and ``score_replaced`` are of the
    molecules whose profile was replaced; ``low`` and ``high`` are the ends of the change over the
    draws, each the mean over seeds.
    """
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for line in lines:
        if line["replaced"] is not None:
            groups[line["table"], base_of(line), _modalities(line)].append(line)
    return [row for members in groups.values() if (row := _frozen_row(members)) is not None]


def _modalities(line: Run) -> str:
    return "+".join(json.loads(line["missing"])["modalities"]) or "all"


def _frozen_row(lines: Sequence[Run]) -> dict[str, Any] | None:
    """Return the row of runs that differ in their seed alone; None where nothing was scored."""
    first = lines[0]
    controls = [json.loads(line["replaced"]) for line in lines]
    controls = [one for one in controls if one["score"] is not None and None not in one["scores"]]
    if not controls:
        return None
    own = float(np.mean([one["score"] for one in controls]))
    draws = np.mean([one["scores"] for one in controls], axis=0)  # (n_draws,)
    sign = 1.0 if METRICS[first["metric"]].greater_is_better else -1.0
    return {
        "dataset": first["dataset"],
        "synthetic": first["synthetic"],
        "split": first["split"],
        "split_seed": first["split_seed"],
        "metric": first["metric"],
        "model": first["named"],
        "modalities": _modalities(first),
        "n_runs": len(controls),
        "n_molecules": max(one["rows"] for one in controls),
        "n_draws": len(draws),
        "score": own,
        "score_replaced": float(draws.mean()),
        "change": float(draws.mean()) - own,
        "low": float(draws.min()) - own,
        "high": float(draws.max()) - own,
        "p": (1 + int((sign * (draws - own) >= 0).sum())) / (1 + len(draws)),
        "moved": float(np.mean([one["moved"] for one in controls])),
    }
