"""Runs with masked cells to curves: what a model loses as more is masked.

A run without anything masked is the start of every curve of its model. Curves are told apart by
what is masked, where, how, what fills it, and by all that can change a model's numbers.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chmr_bench.records import RecordStore, canonical_json
from chmr_bench.report.evidence import Evidence, Run
from chmr_bench.report.labels import plain_name
from chmr_bench.report.masking import (
    Kind,
    MaskedRun,
    Setting,
    by_kind,
    masked_counts,
    masked_runs,
    one_draw,
)
from chmr_bench.report.runs import DATA, dicts_of, load_runs
from chmr_bench.statistics import Difference, Runs, paired_difference

if TYPE_CHECKING:
    import pandas as pd

Seed = int | None
BASE = ("model", "model_version", "params", "plugin", "plugin_distribution", "plugin_version")


@dataclass(frozen=True)
class Point:
    """A model at one rate.

    Attributes
    ----------
    runs :
        Those with a score, one a seed; None where there is none, or a replicate cannot be read.
    n_failed :
        Runs without a score.
    change :
        The score less that at rate 0, paired over seeds and test molecules; None where it cannot
        be had.
    unpaired :
        Seeds that only one of both rates has; not in `change`.
    shares :
        ``pretrain``, ``train``, ``valid``, ``test`` -> share of the observed entries that was
        masked there, all runs together.
    n_pretrainings :
        Different weights that its runs begin with; 0 where they load none.
    """

    rate: float
    runs: Runs | None = field(compare=False, repr=False)
    n_failed: int
    change: Difference | None = None
    unpaired: tuple[Seed, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    n_pretrainings: int = 0

    @property
    def score(self) -> float | None:
        """Return the mean over seeds."""
        return None if self.runs is None else float(self.runs.scores.mean())

    @property
    def n_runs(self) -> int:
        """Return the seeds with a score."""
        return 0 if self.runs is None else len(self.runs.seeds)


@dataclass(frozen=True)
class Curve:
    """A model on a dataset, or on several averaged, over the rates of one setting, from rate 0.

    Attributes
    ----------
    facts :
        A run that stands for it. label : the model with what its user changed.
    shuffled :
        The control: profiles that are not masked are permuted among the molecules.
    plain :
        The runs with nothing masked.
    area :
        Mean change over the rates, by trapezoids; None below two rates, and where one has no
        score.
    unmoved :
        No stored prediction differs from that of rate 0.
    n_masked :
        Entries masked in all its runs together, of atlas and dataset; None where there was none
        that the model could read.
    """

    facts: Run
    label: str
    setting: Setting
    shuffled: bool
    plain: Runs | None
    points: tuple[Point, ...]
    area: Difference | None = None
    unmoved: bool = False
    n_masked: int | None = None
    identities: tuple[str, ...] = ()

    @property
    def is_line(self) -> bool:
        """Return whether there is something to draw: it moves, and has scores at two rates."""
        return not self.unmoved and sum(p.score is not None for p in self.points) > 1

    def at(self, rate: float) -> Point | None:
        """Return the model at a rate, None where it was not run there."""
        return next((p for p in self.points if p.rate == rate), None)

    def start(self) -> Runs | None:
        """Return the runs at rate 0 that the highest rate with a change is paired with.

        Where no change is against them, all: of what did not move, and of a control, whose changes
        are against the model itself.
        """
        first = self.at(0.0)
        if first is None or first.runs is None or self.shuffled or self.unmoved:
            return first.runs if first else None
        last = next((p.runs for p in reversed(self.points) if p.rate and p.change), None)
        return first.runs if last is None else common(last, first.runs)[1]


def curves(store: RecordStore) -> list[Curve]:
    """Return every curve that the records of a store give."""
    loaded = load_runs(store)
    return curves_of(loaded.frame, Evidence(store, stored=loaded.stored))


def curves_of(runs: pd.DataFrame, evidence: Evidence) -> list[Curve]:
    """Return every curve that runs give, by dataset, setting and model."""
    masked = masked_runs(dicts_of(runs[runs["missing"].notna()]))
    models = {run.run["model"] for run in masked}
    lines = dicts_of(runs[runs["model"].isin(models)])
    groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for line in lines:
        groups[(*(line[name] for name in (*DATA, "dataset_metric")), base_of(line))].append(line)
    fixed = one_draw(masked)
    curves = []
    for members in groups.values():
        plain = [line for line in members if line["missing"] is None]
        for kind, of_kind in by_kind(masked_runs(members), fixed).items():
            curves.append(_curve(kind, of_kind, plain, evidence))
    return _numbered(sorted(curves, key=_order))


def _order(curve: Curve) -> tuple[object, ...]:
    names = ("synthetic", "dataset", "dataset_digest", "split_digest")
    facts = (curve.facts[name] for name in names)
    return (*facts, str(curve.setting), curve.label, curve.shuffled, curve.facts["dataset_metric"])


def base_of(line: Run) -> str:
    """Return all that can change the numbers of a model but the seed and what is masked."""
    settings = [line[name] for name in (*BASE, "precision", "device", "cells")]
    return canonical_json([*settings, _making(line)])


def _making(line: Run) -> Any:
    """Return how the weights were made, the atlas's content left out, which masking changes."""
    pretraining = json.loads(line["pretraining"] or "null")
    if line["weights"] is None or pretraining is None:
        return line["row_weights"]
    inner = pretraining.get("atlas")
    atlas = inner if isinstance(inner, Mapping) else pretraining
    kept = {name: pretraining.get(name) for name in ("version", "config", "features")}
    return [kept, {name: atlas.get(name) for name in ("atlases", "transductive", "left_out_of")}]


def _numbered(curves: Iterable[Curve]) -> list[Curve]:
    """Return the curves, numbered where two of one dataset and setting share a label."""
    seen: dict[tuple[object, ...], int] = defaultdict(int)
    result = []
    for curve in curves:
        key = _order(curve)
        seen[key] += 1
        if seen[key] > 1:
            curve = replace(curve, label=f"{curve.label} (#{seen[key]})")
        result.append(curve)
    return result


# --------------------------------------------------------------------------------------- one curve


def _curve(
    kind: Kind, masked: Sequence[MaskedRun], plain: Sequence[Run], evidence: Evidence
) -> Curve:
    setting, shuffled = kind
    by_rate: dict[float, list[tuple[Seed, Run]]] = defaultdict(list)
    unmasked = [(run["seed"], run) for run in plain]
    by_rate |= {} if shuffled else {0.0: [*unmasked]}
    for run in masked:
        by_rate[run.missing.rate].append((run.pairing, run.run))
    start = _runs(unmasked, evidence)
    points = [_point(rate, by_rate[rate], start, evidence) for rate in sorted(by_rate)]
    masked_lines = [run.run for run in masked]
    counts = masked_counts(masked_lines)
    values = {run["seed"]: run["values_sha256"] for run in plain if run["values_sha256"]}
    return Curve(
        facts=masked_lines[0],
        label=plain_name(
            masked_lines[0]["model"],
            masked_lines[0]["overrides"],
            own_profiles=masked_lines[0]["own_profiles"],
        ),
        setting=setting,
        shuffled=shuffled,
        plain=start,
        points=tuple(points),
        area=area(points, start),
        unmoved=all(
            r["values_sha256"] and values.get(r["seed"]) == r["values_sha256"] for r in masked_lines
        ),
        n_masked=sum(n for _, n in counts.values()) if counts else None,
        identities=tuple(run["identity"] for run in [*plain, *masked_lines]),
    )


def _runs(pairs: Iterable[tuple[Seed, Run]], evidence: Evidence) -> Runs | None:
    """Return the runs with a score, in the order of their seeds."""
    scored = {seed: run for seed, run in pairs if not math.isnan(run["score"])}
    seeds = sorted(scored, key=lambda seed: -1 if seed is None else seed)
    return evidence.runs([scored[seed] for seed in seeds], seeds)


def _point(
    rate: float, pairs: Sequence[tuple[Seed, Run]], start: Runs | None, evidence: Evidence
) -> Point:
    runs, shown = _runs(pairs, evidence), [run for _, run in pairs]
    good = [run for run in shown if not math.isnan(run["score"])]
    n_weights = len({run["weights"] for run in good if run["weights"] is not None})
    shares = {part: n / of for part, (of, n) in masked_counts(shown).items() if of}
    return Point(rate, runs, len(shown) - len(good), *change_of(runs, start), shares, n_weights)


def change_of(runs: Runs | None, start: Runs | None) -> tuple[Difference | None, tuple[Seed, ...]]:
    """Return the paired change, and the seeds that could not be paired."""
    if runs is None or start is None:
        return None, ()
    a, b, unpaired = common(runs, start)
    return (paired_difference(a, b) if a and b else None), unpaired


def common(a: Runs, b: Runs) -> tuple[Runs | None, Runs | None, tuple[Seed, ...]]:
    """Return both on the seeds they share, and those that only one has."""
    if not (a.drawn and b.drawn):
        return a, b, ()
    shared = [seed for seed in a.seeds if seed in b.seeds]
    unpaired = tuple(sorted({*a.seeds} ^ {*b.seeds}, key=str))
    return (_on(a, shared), _on(b, shared), unpaired) if shared else (None, None, unpaired)


def _on(runs: Runs, seeds: Sequence[Seed]) -> Runs:
    """Return the runs on these seeds; one that draws nothing stands for each."""
    rows = [runs.seeds.index(seed) if runs.drawn else 0 for seed in seeds]
    return replace(
        runs, scores=runs.scores[rows], replicates=runs.replicates[rows], seeds=tuple(seeds)
    )


def area(points: Sequence[Point], start: Runs | None) -> Difference | None:
    """Return the mean change over the rates from the first to the last, by trapezoids.

    None where a rate has no score: a line over the gap would say what was not measured.
    """
    known = [p.runs for p in points if p.runs is not None]
    if len(known) < max(len(points), 2) or start is None:
        return None
    rates = np.array([p.rate for p in points])
    weights = np.zeros(len(known))
    weights[:-1] += np.diff(rates) / 2
    weights[1:] += np.diff(rates) / 2
    weights /= rates[-1] - rates[0]
    drawn = [runs.seeds for runs in known if runs.drawn]
    shared = [seed for seed in drawn[0] if all(seed in s for s in drawn)] if drawn else [None]
    if not shared:
        return None
    parts = [_on(runs, shared) for runs in known]
    together = replace(
        parts[0],
        scores=np.sum([w * r.scores for w, r in zip(weights, parts, strict=True)], axis=0),
        replicates=np.sum([w * r.replicates for w, r in zip(weights, parts, strict=True)], axis=0),
    )
    a, b, _ = common(together, start)
    return paired_difference(a, b) if a and b else None
