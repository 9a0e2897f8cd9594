"""Records of runs with hidden cells to curves: what a model loses as more is hidden.

A run without anything hidden is the start of every curve of its model. Curves are told apart by
what is hidden, where, how, what fills it, and by all that can change a model's numbers.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chmr_bench.ablation.missing import Missing
from chmr_bench.errors import RecordError
from chmr_bench.metrics import METRICS
from chmr_bench.records import DatasetInfo, Record, RecordStore, SplitInfo, canonical_json
from chmr_bench.records.pretrained import making_of_row
from chmr_bench.report.hidden_counts import n_hidden, shares
from chmr_bench.report.hidden_runs import Setting, by_setting, one_draw
from chmr_bench.report.labels import plain_name
from chmr_bench.report.resting import runs_of
from chmr_bench.report.sources import data_key, sound, splits_shown
from chmr_bench.statistics import Difference, Runs, paired_difference
from chmr_bench.types import FloatArray, MetricName


@dataclass(frozen=True)
class Point:
    """A model at one rate.

    Attributes
    ----------
    score : mean over seeds. n_runs, n_failed : runs with and without a score.
    change : the score less that at rate 0, paired over seeds and test molecules; None where it
        cannot be had.
    unpaired : seeds that only one of both rates has; not in `change`.
    shares : ``pretrain``, ``train``, ``valid``, ``test`` -> share of the observed entries that was
        hidden there, all runs together.
    n_pretrainings : different weights that its runs begin with; 0 where they load none.
    """

    rate: float
    score: float | None
    n_runs: int
    n_failed: int
    change: Difference | None = None
    unpaired: tuple[int | None, ...] = ()
    runs: Runs | None = dataclasses.field(default=None, compare=False, repr=False)
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)
    n_pretrainings: int = 0


@dataclass(frozen=True)
class Curve:
    """A model on a dataset over the rates of one setting, from rate 0.

    Attributes
    ----------
    model : its registered name. label : with what its user changed.
    shuffled : the control: what is not hidden is given to the wrong molecules.
    area : mean change over the rates, by trapezoids; None below two rates, and where one has no
        score.
    unmoved : no stored prediction differs from that of rate 0.
    n_hidden : entries hidden in all its runs together, of atlas and dataset; None where there was
        none that the model could read.
    """

    dataset: DatasetInfo
    split: SplitInfo
    metric: MetricName
    model: str
    label: str
    setting: Setting
    shuffled: bool
    points: tuple[Point, ...]
    area: Difference | None = None
    unmoved: bool = False
    n_hidden: int | None = None
    identities: tuple[str, ...] = ()

    @property
    def greater_is_better(self) -> bool:
        """Return which way is better."""
        return METRICS[self.metric].greater_is_better

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
    """Return every curve the records give, by dataset, setting and model."""
    records, _ = sound(store)
    splits = splits_shown(records)
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[(*data_key(record), record.dataset.metric, _base(record))].append(record)
    found = []
    fixed = one_draw(records)
    for members in groups.values():
        split = splits[data_key(members[0])][0]
        plain = [r for r in members if r.missing is None]
        for kind, hidden in by_setting(members, fixed).items():
            found.append(_curve(kind, hidden, plain, split, store))
    found.sort(key=_order)
    return _told_apart(found)


def _order(curve: Curve) -> tuple[object, ...]:
    names = (curve.dataset.name, curve.dataset.digest, curve.split.digest, str(curve.setting))
    return curve.dataset.synthetic, *names, curve.label, curve.shuffled


def _base(record: Record) -> str:
    """Return all that can change the numbers of a model but the seed and what is hidden."""
    return canonical_json(
        [
            record.model.id,
            record.model.version,
            record.model.params,
            [record.plugin.name, record.plugin.distribution, record.plugin.version],
            _making(record),
            record.precision,
            record.resources.device,
        ]
    )


def _making(record: Record) -> str | None:
    """Return how the weights were made, the atlas's content left out, which hiding changes."""
    told = record.model.pretraining
    if record.model.weights is None or told is None:
        return making_of_row(record)
    inner = told.get("atlas")
    atlas = inner if isinstance(inner, Mapping) else told
    kept = {name: told.get(name) for name in ("version", "config", "features")}
    names = {name: atlas.get(name) for name in ("atlases", "transductive", "left_out_of")}
    return canonical_json([kept, names])


# --------------------------------------------------------------------------------------- one curve


def _curve(
    kind: tuple[Setting, bool],
    hidden: Sequence[Record],
    plain: Sequence[Record],
    split: SplitInfo,
    store: RecordStore,
) -> Curve:
    setting, shuffled = kind
    start = _runs(plain, store)
    by_rate: dict[float, list[Record]] = {} if shuffled else {0.0: list(plain)}
    for record in hidden:
        by_rate.setdefault(Missing.from_dict(record.missing or {}).rate, []).append(record)
    points = [_point(rate, by_rate[rate], start, store) for rate in sorted(by_rate)]
    first = hidden[0]
    return Curve(
        dataset=first.dataset,
        split=split,
        metric=first.dataset.metric,
        model=first.model.id,
        label=plain_name(first.model_copy(update={"missing": None})),
        setting=setting,
        shuffled=shuffled,
        points=tuple(points),
        area=area(points, start),
        unmoved=_unmoved(hidden, plain),
        n_hidden=n_hidden(hidden),
        identities=tuple(r.identity for r in [*plain, *hidden]),
    )


def _point(rate: float, shown: Sequence[Record], start: Runs | None, store: RecordStore) -> Point:
    runs = _runs(shown, store)
    good = [r for r in shown if r.metrics is not None and r.metrics.macro is not None]
    score = float(runs.scores.mean()) if runs is not None else None
    n_failed, change = len(shown) - len(good), _change(runs, start)
    n_weights = len({r.model.weights for r in good if r.model.weights is not None})
    return Point(rate, score, len(good), n_failed, *change, runs, shares(shown), n_weights)


def seed_of(record: Record) -> int | None:
    """Return what pairs a run with others: its seed, or that of what is hidden; None = neither."""
    if record.seed is not None or record.missing is None:
        return record.seed
    missing = Missing.from_dict(record.missing)
    return missing.seed if missing.draws else None


def _runs(records: Iterable[Record], store: RecordStore) -> Runs | None:
    """Return the runs with a score; None where there is none, or a replicate cannot be read."""
    first: Record | None = None
    scores: dict[int | None, float] = {}
    replicates: dict[int | None, FloatArray] = {}
    for record in records:
        if record.metrics is None or record.metrics.macro is None:
            continue
        try:
            replicates[seed_of(record)] = store.replicates(record)
        except RecordError:
            return None
        scores[seed_of(record)] = record.metrics.macro
        first = first or record
    if first is None:
        return None
    seeds = tuple(sorted(scores, key=lambda s: -1 if s is None else s))
    whole = np.stack([replicates[s] for s in seeds]).astype(np.float64)
    return runs_of(first, np.array([scores[s] for s in seeds]), whole, seeds)


def _change(
    runs: Runs | None, start: Runs | None
) -> tuple[Difference | None, tuple[int | None, ...]]:
    """Return the paired change, and the seeds that could not be paired."""
    if runs is None or start is None:
        return None, ()
    a, b, unpaired = common(runs, start)
    return (paired_difference(a, b) if a and b else None), unpaired


def common(a: Runs, b: Runs) -> tuple[Runs | None, Runs | None, tuple[int | None, ...]]:
    """Return both on the seeds they share, and those that only one has."""
    if not (a.drawn and b.drawn):
        return a, b, ()
    shared = [seed for seed in a.seeds if seed in b.seeds]
    unpaired = tuple(sorted(set(a.seeds) ^ set(b.seeds), key=str))
    if not shared:
        return None, None, unpaired
    return _on(a, shared), _on(b, shared), unpaired


def _on(runs: Runs, seeds: Sequence[int | None]) -> Runs:
    rows = [runs.seeds.index(seed) for seed in seeds]
    return dataclasses.replace(
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
    shared: list[int | None] = [None]
    if drawn:
        shared = [seed for seed in drawn[0] if all(seed in seeds for seeds in drawn)]
    if not shared:
        return None
    parts = [_spread(runs, shared) for runs in known]
    whole = dataclasses.replace(
        parts[0],
        scores=np.sum([w * r.scores for w, r in zip(weights, parts, strict=True)], axis=0),
        replicates=np.sum([w * r.replicates for w, r in zip(weights, parts, strict=True)], axis=0),
    )
    a, b, _ = common(whole, start)
    return paired_difference(a, b) if a and b else None


def _spread(runs: Runs, seeds: Sequence[int | None]) -> Runs:
    """Return the runs on these seeds; one that draws nothing stands for each."""
    if runs.drawn:
        return _on(runs, seeds)
    n = len(seeds)
    return dataclasses.replace(
        runs,
        scores=np.repeat(runs.scores, n),
        replicates=np.repeat(runs.replicates, n, axis=0),
        seeds=tuple(seeds),
    )


def _unmoved(hidden: Sequence[Record], plain: Sequence[Record]) -> bool:
    """Return whether every run with something hidden predicts what its seed does without."""
    whole = {r.seed: r.predictions.values_sha256 for r in plain if r.predictions}
    return all(
        r.predictions is not None and whole.get(r.seed) == r.predictions.values_sha256
        for r in hidden
    )


def _told_apart(found: Sequence[Curve]) -> list[Curve]:
    """Return the curves, numbered where two of one dataset and setting share a label."""
    seen: dict[tuple[str, ...], int] = defaultdict(int)
    result = []
    for curve in found:
        what = (curve.dataset.digest, curve.split.digest, curve.metric, str(curve.setting))
        key = (*what, curve.label, str(curve.shuffled))
        seen[key] += 1
        if seen[key] > 1:
            curve = dataclasses.replace(curve, label=f"{curve.label} (#{seen[key]})")
        result.append(curve)
    return result
