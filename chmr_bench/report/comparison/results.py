"""Every model against the first named one, dataset by dataset and over the datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chmr_bench.errors import UsageError
from chmr_bench.metrics import METRICS
from chmr_bench.records import RecordStore
from chmr_bench.report.comparison.gains import Gain, Verdict, described, paired_gain
from chmr_bench.report.comparison.measuring import Measure
from chmr_bench.report.comparison.nothing import refuse_nothing
from chmr_bench.report.comparison.overall import Entry, Overall, over_datasets
from chmr_bench.report.comparison.protocol import CV5X5, N_FOLDS, Folds, check_folds, over_folds
from chmr_bench.report.comparison.selection import Query, Selection, choose
from chmr_bench.report.comparison.sharing import score, shared, split_means, unshared
from chmr_bench.report.runs import load_runs
from chmr_bench.runner.loading import Datasets
from chmr_bench.statistics import LEVEL, holm
from chmr_bench.types import MetricName

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class OnDataset:
    """The named models on one dataset.

    Attributes
    ----------
    scores : dict
        Model -> mean over all its seeds, then over all its splits; models without a score left
        out. Those of two models may be of other splits and seeds: `Gain` has what is compared.
    shared_scores : dict
        Model -> the same over the splits and seeds that every named model has, which is what is
        ranked; empty where there are none.
    n_runs : dict
        Model -> runs with a score.
    gains : dict
        Model -> against the baseline; every model but the baseline, comparable or not.
    n_test, n_clusters : int or None
        Molecules of the test part, and different ones among them; None where splits, not
        molecules, are what was sampled.
    folds : Folds or None
        The analysis of the folds, with ``--protocol cv5x5``.
    """

    name: str
    chosen: Selection
    scores: Mapping[str, float]
    shared_scores: Mapping[str, float]
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
        return self.chosen.synthetic

    def missing(self, models: Sequence[str]) -> list[str]:
        """Return the models without a score here."""
        return [m for m in models if m not in self.scores]


@dataclass(frozen=True)
class Comparison:
    """All that was compared.

    Attributes
    ----------
    overall : Overall or None
        None below two datasets with a split and seed that all models have.
    left_out : tuple of str
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
    store : RecordStore
        The runs.
    source : Datasets
        Opens the datasets, for their labels.
    query : Query
        Which models, datasets and split.
    protocol : str
        ``cv5x5`` = analyse 25 folds of a repeated cross-validation; "" = otherwise.
    progress : callable
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
    loaded = load_runs(store)
    selections, left_out = choose(loaded, query)
    datasets = []
    for chosen in selections:
        progress(chosen.name)
        datasets.append(_on_dataset(store, source, chosen, query.models, protocol))
    refuse_nothing(loaded, query, {d.name: d.gains for d in datasets})
    datasets = _with_holm(datasets, query.models[1:])
    overall = over_datasets(query.models, {d.name: _entry(d, query.models) for d in datasets})
    return Comparison(query.models, tuple(datasets), overall, protocol, tuple(left_out))


def _on_dataset(
    store: RecordStore,
    source: Datasets,
    chosen: Selection,
    models: Sequence[str],
    protocol: str,
) -> OnDataset:
    runs = {m: chosen.of(m) for m in models if len(chosen.of(m))}
    common = shared(chosen.runs, models) if len(runs) == len(models) else chosen.runs.iloc[:0]
    base = OnDataset(
        chosen.name,
        chosen,
        scores=_scores(chosen.runs, models),
        shared_scores=_scores(common, models),
        n_runs={m: len(of) for m, of in runs.items()},
        gains={},
        n_splits=max((of["split_key"].nunique() for of in runs.values()), default=0),
        notes=chosen.notes,
    )
    if protocol == CV5X5 and len(runs) > 1 and models[0] in runs:
        return _with_folds(base, [*runs], models)
    measures: dict[int, Measure] = {}

    def measure(of: pd.DataFrame) -> Measure:
        split = of["split_key"].iloc[0]
        if split not in measures:
            measures[split] = Measure(store, source, of)
        return measures[split]

    gains = {m: paired_gain(chosen, m, models[0], base.sign, measure) for m in models[1:]}
    only = next(iter(measures.values())) if len(measures) == 1 else None
    n_test, n_clusters = (len(only.rows), only.n_clusters) if only else (None, None)
    return replace(base, gains=gains, n_test=n_test, n_clusters=n_clusters)


def _scores(runs: pd.DataFrame, models: Sequence[str]) -> dict[str, float]:
    scores = {m: score(runs[runs["asked"] == m]) for m in models}
    return {m: s for m, s in scores.items() if s is not None}


def _entry(on: OnDataset, models: Sequence[str]) -> Entry:
    """Return what the ranks and tests over datasets take from one."""
    return Entry(
        scores={m: on.sign * s for m, s in on.shared_scores.items()},
        gains={m: g.difference.in_errors for m, g in on.gains.items() if g.difference is not None},
        missing=tuple(on.missing(models)),
    )


# --------------------------------------------------------------------------- folds, and corrections


def _with_folds(on: OnDataset, have: Sequence[str], models: Sequence[str]) -> OnDataset:
    """Return the dataset by the protocol: all models that have it, on the seeds they share."""
    runs, baseline = on.chosen.runs, models[0]
    check_folds(on.name, {m: set(on.chosen.of(m)["split_key"]) for m in have}, on.chosen.unscored)
    common = shared(runs, have)
    lost = sorted({*range(N_FOLDS)} - {*common["split_key"]})
    if lost:
        raise UsageError(
            f"dataset {on.name!r}: {', '.join(have)} have no seed in common on the folds "
            f"{', '.join(map(str, lost))} of {CV5X5}; run them with the same seeds"
        )
    means = {m: split_means(common[common["asked"] == m]) for m in have}
    sizes = common[common["asked"] == baseline].iloc[0]
    folds = over_folds(
        on.name,
        {m: dict(zip(of.index.astype(int), of, strict=True)) for m, of in means.items()},
        on.sign,
        (sizes["n_train"], sizes["n_test"]),
    )
    gains = {
        m: described(m, baseline, common, folds.difference(m, baseline))
        if m in have
        else Gain(m, None, on.scores[baseline])
        for m in models[1:]
    }
    return replace(on, gains=gains, folds=folds, notes=(*on.notes, *unshared(runs, have)))


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
    if gain.difference is None:
        return gain
    if math.isnan(p):
        return replace(gain, verdict="no interval")
    verdict: Verdict = "no difference shown"
    if p <= ALPHA:
        verdict = "better" if gain.difference.mean > 0 else "worse"
    return replace(gain, p_holm=p, verdict=verdict)
