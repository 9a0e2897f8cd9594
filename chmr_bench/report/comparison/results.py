"""Every model against the first named one, dataset by dataset and over the datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chmr_bench.metrics import METRICS
from chmr_bench.records import Record, RecordStore
from chmr_bench.report.comparison.choosing import Chosen, Query, choose
from chmr_bench.report.comparison.measuring import Measure
from chmr_bench.report.comparison.overall import Overall, over_datasets
from chmr_bench.report.comparison.protocol import CV5X5, Folds, over_folds
from chmr_bench.runner.workspace import Workspace
from chmr_bench.statistics import (
    LEVEL,
    Difference,
    Runs,
    corrected_resampled,
    holm,
    paired_difference,
)
from chmr_bench.types import MetricName

Verdict = Literal["better", "worse", "no difference shown", "not compared"]
ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class Gain:
    """A model against the baseline on one dataset, above zero where the model is better.

    Attributes
    ----------
    difference : None where the two could not be compared.
    p_holm : adjusted for the datasets this model is compared on.
    verdict : ``better`` and ``worse`` only where the adjusted p is at most 0.05, and so zero
        outside the interval.
    """

    model: str
    difference: Difference | None
    p_holm: float = math.nan
    verdict: Verdict = "not compared"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnDataset:
    """The named models on one dataset.

    Attributes
    ----------
    scores : model -> mean over its seeds, then over its splits; models without a score left out.
    n_runs : model -> runs with a score.
    gains : model -> against the baseline; every model but the baseline, comparable or not.
    n_test, n_clusters : molecules of the test part, and different ones among them; None where
        splits, not molecules, are what was sampled.
    folds : the analysis of the folds, with ``--protocol cv5x5``.
    """

    name: str
    chosen: Chosen
    scores: Mapping[str, float]
    n_runs: Mapping[str, int]
    gains: Mapping[str, Gain]
    n_splits: int = 0
    n_test: int | None = None
    n_clusters: int | None = None
    folds: Folds | None = None
    notes: tuple[str, ...] = ()

    @property
    def metric(self) -> MetricName | None:
        """Return the metric, None where nothing was scored."""
        return self.chosen.metric

    @property
    def sign(self) -> float:
        """Return 1 where a greater score is better, else -1."""
        return 1.0 if self.metric is None or METRICS[self.metric].greater_is_better else -1.0

    @property
    def synthetic(self) -> bool:
        """Return whether the labels are simulated."""
        return self.chosen.dataset is not None and self.chosen.dataset.synthetic

    def missing(self, models: Sequence[str]) -> list[str]:
        """Return the models without a score here."""
        return [m for m in models if m not in self.scores]


@dataclass(frozen=True)
class Comparison:
    """All that was compared.

    Attributes
    ----------
    overall : None below two datasets that all models have.
    left_out : simulated datasets with records, which were not asked for.
    """

    models: tuple[str, ...]
    datasets: tuple[OnDataset, ...]
    overall: Overall | None
    protocol: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def baseline(self) -> str:
        """Return the first named model."""
        return self.models[0]


def compare(
    store: RecordStore,
    workspace: Workspace,
    query: Query,
    *,
    protocol: str = "",
    said: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Compare the models of `query` on their stored predictions.

    Parameters
    ----------
    protocol : ``cv5x5`` = analyse 25 folds of a repeated cross-validation; "" = otherwise.
    said : hears each dataset's name before its data are opened.

    Raises
    ------
    UsageError : a name that stands for nothing, or for several rows.
    DataError : a dataset's labels cannot be had, or are not those of the records.
    """
    if protocol == CV5X5:
        query = replace(query, split=CV5X5)
    datasets = []
    found, left_out = choose(store, query)
    for chosen in found:
        said(chosen.name)
        datasets.append(_on_dataset(store, workspace, chosen, query.models, protocol))
    datasets = _with_holm(datasets, query.models[1:])
    overall = over_datasets(
        query.models, {d.name: {m: d.sign * s for m, s in d.scores.items()} for d in datasets}
    )
    return Comparison(query.models, tuple(datasets), overall, protocol, tuple(left_out))


def _on_dataset(
    store: RecordStore,
    workspace: Workspace,
    chosen: Chosen,
    models: Sequence[str],
    protocol: str,
) -> OnDataset:
    means = {m: _split_means(chosen.of(m)) for m in models if chosen.of(m)}
    base = OnDataset(
        chosen.name,
        chosen,
        scores={m: float(np.mean(list(v.values()))) for m, v in means.items()},
        n_runs={m: sum(len(r) for r in chosen.of(m).values()) for m in means},
        gains={m: Gain(m, None) for m in models[1:]},
        n_splits=max((len(v) for v in means.values()), default=0),
        notes=chosen.notes,
    )
    if protocol == CV5X5:
        return _with_folds(base, means, models)
    if models[0] not in means or len(means) < 2:
        return base
    measures: dict[int | None, Measure] = {}

    def measure(split: int | None) -> Measure:
        if split not in measures:
            record = chosen.of(models[0])[split][0]
            measures[split] = Measure(store, workspace, record)
        return measures[split]

    gains = {m: _gain(base, m, models[0], measure) for m in models[1:]}
    only = next(iter(measures.values())) if measures else None
    return replace(
        base,
        gains=gains,
        n_test=len(only.rows) if only else None,
        n_clusters=only.n_clusters if only else None,
    )


def _split_means(runs: Mapping[int | None, Sequence[Record]]) -> dict[int | None, float]:
    """Return the mean over seeds on each split."""
    return {split: float(np.mean([_macro(r) for r in rs])) for split, rs in runs.items()}


def _macro(record: Record) -> float:
    value = record.metrics.macro if record.metrics else None
    return math.nan if value is None else value


# ------------------------------------------------------------------------------ a model, a dataset


def _gain(
    on: OnDataset, model: str, baseline: str, measure: Callable[[int | None], Measure]
) -> Gain:
    """Return the gain of a model, over splits where both have several in common."""
    mine, theirs = on.chosen.of(model), on.chosen.of(baseline)
    shared = [split for split in mine if split in theirs]
    notes = _left_out("splits", model, baseline, set(mine), set(theirs))
    if not mine or not shared:
        return Gain(model, None, notes=tuple(notes if mine else ()))
    if len(shared) > 1:
        return Gain(model, _over_splits(on, mine, theirs, shared), notes=tuple(notes))
    return _over_molecules(on, model, baseline, measure(shared[0]), notes)


def _over_splits(
    on: OnDataset,
    mine: Mapping[int | None, Sequence[Record]],
    theirs: Mapping[int | None, Sequence[Record]],
    shared: Sequence[int | None],
) -> Difference:
    a, b = _split_means(mine), _split_means(theirs)
    parts = [mine[split][0].split for split in shared]
    return corrected_resampled(
        on.sign * np.array([a[split] - b[split] for split in shared]),
        n_train=float(np.mean([p.n_train for p in parts])),
        n_test=float(np.mean([p.n_test for p in parts])),
    )


def _over_molecules(
    on: OnDataset, model: str, baseline: str, measure: Measure, notes: list[str]
) -> Gain:
    split = next(s for s in on.chosen.of(model) if s in on.chosen.of(baseline))
    mine, theirs = on.chosen.of(model)[split], on.chosen.of(baseline)[split]
    seeds = {r.seed for r in mine}, {r.seed for r in theirs}
    if {None} not in seeds:
        notes = [*notes, *_left_out("seeds", model, baseline, *seeds)]
        common = seeds[0] & seeds[1]
        if not common:
            return Gain(model, None, notes=tuple(notes))
        mine, theirs = (tuple(r for r in rs if r.seed in common) for rs in (mine, theirs))
    a, b = _turned(measure.runs(mine), on.sign), _turned(measure.runs(theirs), on.sign)
    found = paired_difference(a, b)
    notes = [*notes, found.note] if found.note else notes
    return Gain(model, found, notes=tuple(notes))


def _turned(runs: Runs, sign: float) -> Runs:
    """Return the runs with scores of which greater is better."""
    return replace(runs, scores=sign * runs.scores, replicates=sign * runs.replicates)


def _left_out(
    what: str, model: str, baseline: str, mine: set[int | None], theirs: set[int | None]
) -> list[str]:
    """Return which splits or seeds one of the two alone has."""
    found = []
    for name, alone in ((model, mine - theirs), (baseline, theirs - mine)):
        if alone and mine and theirs:
            told = ", ".join(sorted(("none" if s is None else str(s) for s in alone), key=_place))
            found.append(f"{what} {told} of {name} alone, not compared")
    return found


def _place(text: str) -> tuple[int, str]:
    return len(text), text


# --------------------------------------------------------------------------- folds, and corrections


def _with_folds(
    on: OnDataset, means: Mapping[str, Mapping[int | None, float]], models: Sequence[str]
) -> OnDataset:
    """Return the dataset by the protocol: Tukey's intervals instead of the paired ones."""
    if len(means) < 2 or models[0] not in means:
        return on
    runs = next(iter(on.chosen.of(models[0]).values()))
    folds = over_folds(on.name, means, on.sign, runs[0].split)
    gains = {
        m: Gain(m, folds.difference(m, models[0])) if m in means else Gain(m, None)
        for m in models[1:]
    }
    return replace(on, gains=gains, folds=folds)


def _with_holm(datasets: Sequence[OnDataset], models: Sequence[str]) -> list[OnDataset]:
    """Return the datasets with adjusted p-values and verdicts, each model's a family."""
    adjusted = {m: holm([_p(d.gains[m]) for d in datasets]) for m in models}
    result = []
    for i, dataset in enumerate(datasets):
        gains = {m: _judged(dataset.gains[m], adjusted[m][i]) for m in models}
        result.append(replace(dataset, gains=gains))
    return result


def _p(gain: Gain) -> float:
    return math.nan if gain.difference is None else gain.difference.p


def _judged(gain: Gain, p: float) -> Gain:
    if gain.difference is None or math.isnan(p):
        return gain
    verdict: Verdict = "no difference shown"
    if p <= ALPHA:
        verdict = "better" if gain.difference.mean > 0 else "worse"
    return replace(gain, p_holm=p, verdict=verdict)
