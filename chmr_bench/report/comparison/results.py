"""Every model against the first named one, dataset by dataset and over the datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from chmr_bench.errors import UsageError
from chmr_bench.metrics import METRICS
from chmr_bench.records import RecordStore
from chmr_bench.report.comparison import overall, selection
from chmr_bench.report.comparison.measure import Measure
from chmr_bench.report.comparison.overall import CV5X5, N_FOLDS, Entry, Folds, Overall
from chmr_bench.report.comparison.selection import Query, Selection, of_model, score, shared
from chmr_bench.report.runs import load_runs
from chmr_bench.runner.opening import Datasets
from chmr_bench.statistics import LEVEL, Difference, corrected_resampled, holm, paired_difference

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "no difference shown", "no interval", "not compared"]


@dataclass(frozen=True)
class Gain:
    """A model against the baseline on one dataset, above zero where the model is better.

    Attributes
    ----------
    difference :
        None where the two could not be compared.
    baseline_score, score :
        The baseline's and the model's, over the pairs compared: `difference` is the one less the
        other. Where one of the two has no run, the other's over all its runs; None where both have
        runs and none can be paired.
    p_holm :
        Adjusted for the datasets this model is compared on, not for the models named.
    verdict :
        ``better`` and ``worse`` only where the adjusted p is at most 0.05, and so the 95 % CI
        excludes 0. ``no interval`` where the data cannot give one; the notes say why.
    one_pretraining :
        Which of the two has several runs in it that all begin with the same weights, so that the
        interval leaves out what another pretraining would move.
    """

    model: str
    difference: Difference | None
    baseline_score: float | None = None
    score: float | None = None
    p_holm: float = math.nan
    verdict: Verdict = "not compared"
    one_pretraining: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnDataset(Selection):
    """The named models on one dataset: the selected runs, and what they say.

    Attributes
    ----------
    scores :
        Model -> mean over all its seeds, then over all its splits; models without a score left
        out. Those of two models may be of other splits and seeds: `Gain` has what is compared.
    shared_scores :
        Model -> the same over the splits and seeds that every named model has, which is what is
        ranked; empty where there are none.
    n_runs :
        Model -> runs with a score.
    gains :
        Model -> against the baseline; every model but the baseline, comparable or not.
    n_test, n_clusters :
        Molecules of the test part, and different ones among them; None where splits, not
        molecules, are what was sampled.
    folds :
        The analysis of the folds, with ``--protocol cv5x5``.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    shared_scores: Mapping[str, float] = field(default_factory=dict)
    n_runs: Mapping[str, int] = field(default_factory=dict)
    gains: Mapping[str, Gain] = field(default_factory=dict)
    n_splits: int = 0
    n_test: int | None = None
    n_clusters: int | None = None
    folds: Folds | None = None

    @property
    def sign(self) -> float:
        """Return 1 where a greater score is better, else -1."""
        return 1.0 if self.metric is None or METRICS[self.metric].greater_is_better else -1.0

    def missing(self, models: Sequence[str]) -> list[str]:
        """Return the models without a score here."""
        return [m for m in models if m not in self.scores]


@dataclass(frozen=True)
class Comparison:
    """All that was compared.

    Attributes
    ----------
    overall :
        None below two datasets with a split and seed that all models have.
    left_out :
        Simulated datasets with records, which were not asked for.
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
    source: Datasets,
    query: Query,
    *,
    protocol: str = "",
    progress: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Compare the models of `query` on their stored predictions.

    Parameters
    ----------
    source :
        Opens the datasets, for their labels.
    protocol :
        ``cv5x5`` = analyse 25 folds of a repeated cross-validation; "" = otherwise.
    progress :
        Called with each dataset's name before its data are opened.

    Raises
    ------
    UsageError
        A name that stands for nothing, or for several rows; nothing to compare.
    DataError
        A dataset's labels cannot be had, or are not those of the records.
    """
    if protocol == CV5X5:
        query = replace(query, split=CV5X5)
    loaded = load_runs(store, check={name.split(" ")[0] for name in query.models})
    selections, left_out = selection.choose(loaded, query)
    datasets = []
    for chosen in selections:
        progress(chosen.name)
        datasets.append(_on_dataset(store, source, chosen, query.models, protocol))
    gains = [(d.name, gain) for d in datasets for gain in d.gains.values()]
    if all(gain.difference is None for _, gain in gains):
        reasons = [f"{name}: {note}" for name, gain in gains for note in gain.notes]
        raise selection.refusal(loaded, query, list(dict.fromkeys(reasons)))
    datasets = _with_holm(datasets, query.models[1:])
    entries = {d.name: _entry(d, query.models) for d in datasets}
    together = overall.over_datasets(query.models, entries)
    return Comparison(query.models, tuple(datasets), together, protocol, tuple(left_out))


def _on_dataset(
    store: RecordStore,
    source: Datasets,
    chosen: Selection,
    models: Sequence[str],
    protocol: str,
) -> OnDataset:
    n_runs = {m: len(of) for m in models if len(of := chosen.of(m))}
    common = shared(chosen.runs, models) if len(n_runs) == len(models) else chosen.runs.iloc[:0]
    base = OnDataset(
        **vars(chosen),
        scores=_scores(chosen.runs, models),
        shared_scores=_scores(common, models),
        n_runs=n_runs,
        n_splits=max((chosen.of(m)["split_key"].nunique() for m in n_runs), default=0),
    )
    if protocol == CV5X5 and len(n_runs) > 1 and models[0] in n_runs:
        return _with_folds(base, [*n_runs], models)
    measures: dict[int, Measure] = {}

    def measure(of: pd.DataFrame) -> Measure:
        split = of["split_key"].iloc[0]
        if split not in measures:
            measures[split] = Measure(store, source, of)
        return measures[split]

    gains = {m: _gain(base, m, models[0], measure) for m in models[1:]}
    only = next(iter(measures.values())) if len(measures) == 1 else None
    n_test, n_clusters = (len(only.rows), only.n_clusters) if only else (None, None)
    return replace(base, gains=gains, n_test=n_test, n_clusters=n_clusters)


def _scores(runs: pd.DataFrame, models: Sequence[str]) -> dict[str, float]:
    return {m: s for m in models if (s := score(of_model(runs, m))) is not None}


def _entry(on: OnDataset, models: Sequence[str]) -> Entry:
    """Return what the ranks and tests over datasets take from one."""
    return Entry(
        scores={m: on.sign * s for m, s in on.shared_scores.items()},
        gains={m: g.difference.in_errors for m, g in on.gains.items() if g.difference is not None},
        missing=tuple(on.missing(models)),
    )


# -------------------------------------------------------------------------------------- one gain


def _gain(
    on: OnDataset, model: str, baseline: str, measure: Callable[[pd.DataFrame], Measure]
) -> Gain:
    """Return the gain of a model, over splits where both have several in common."""
    if on.missing((model, baseline)):
        return Gain(model, None, on.scores.get(baseline), on.scores.get(model))
    notes = selection.unshared(on.runs, (model, baseline))
    common = shared(on.runs, (model, baseline))
    if common.empty:
        return Gain(model, None, notes=tuple(notes))
    mine, theirs = of_model(common, model), of_model(common, baseline)
    if common["split_key"].nunique() > 1:
        difference = _over_splits(mine, theirs)
    else:
        resampled = measure(common)
        difference = paired_difference(resampled.runs(mine), resampled.runs(theirs))
    difference = difference.turned() if on.sign < 0 else difference
    notes += [difference.note] if difference.note else []
    return replace(_described(model, baseline, common, difference), notes=tuple(notes))


def _described(model: str, baseline: str, common: pd.DataFrame, difference: Difference) -> Gain:
    """Return a difference with the scores it is of."""
    theirs, mine = of_model(common, baseline), of_model(common, model)
    alone = [m for m, of in ((baseline, theirs), (model, mine)) if selection.one_pretraining(of)]
    return Gain(model, difference, score(theirs), score(mine), one_pretraining=tuple(alone))


def _over_splits(mine: pd.DataFrame, theirs: pd.DataFrame) -> Difference:
    a, b = selection.split_means(mine), selection.split_means(theirs)
    sizes = mine.drop_duplicates("split_key")[["n_train", "n_test"]].astype(float).mean()
    values = np.asarray(a - b.loc[a.index], dtype=np.float64)
    return corrected_resampled(values, n_train=sizes["n_train"], n_test=sizes["n_test"])


# --------------------------------------------------------------------------- folds, and corrections


def _with_folds(on: OnDataset, have: Sequence[str], models: Sequence[str]) -> OnDataset:
    """Return the dataset by the protocol: all models that have it, on the seeds they share."""
    baseline, common = models[0], shared(on.runs, have)
    overall.check_folds(on.name, {m: set(on.of(m)["split_key"]) for m in have}, on.unscored)
    lost = sorted({*range(N_FOLDS)} - {*common["split_key"]})
    if lost:
        raise UsageError(
            f"dataset {on.name!r}: {', '.join(have)} have no seed in common on the folds "
            f"{', '.join(map(str, lost))} of {CV5X5}; run them with the same seeds"
        )
    first = of_model(common, baseline).iloc[0]
    means: dict[str, Any] = {m: selection.split_means(of_model(common, m)).to_dict() for m in have}
    folds = overall.over_folds(means, on.sign, (first["n_train"], first["n_test"]))
    gains = {
        m: _described(m, baseline, common, folds.difference(m, baseline))
        if m in have
        else Gain(m, None, on.scores[baseline])
        for m in models[1:]
    }
    return replace(
        on, gains=gains, folds=folds, notes=(*on.notes, *selection.unshared(on.runs, have))
    )


def _with_holm(datasets: Sequence[OnDataset], models: Sequence[str]) -> list[OnDataset]:
    """Return the datasets with adjusted p-values and verdicts, each model's a family."""
    adjusted = {m: holm([_p(d.gains[m]) for d in datasets]) for m in models}
    return [
        replace(d, gains={m: _judged(d.gains[m], adjusted[m][i]) for m in models})
        for i, d in enumerate(datasets)
    ]


def _p(gain: Gain) -> float:
    return math.nan if gain.difference is None else gain.difference.p


def _judged(gain: Gain, p: float) -> Gain:
    if gain.difference is None:
        return gain
    if math.isnan(p):
        return replace(gain, verdict="no interval")
    verdict: Verdict = "no difference shown"
    if p <= 1 - LEVEL:
        verdict = "better" if gain.difference.mean > 0 else "worse"
    return replace(gain, p_holm=p, verdict=verdict)
