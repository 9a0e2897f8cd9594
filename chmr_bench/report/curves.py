"""What a model loses as more is masked: curves, and the families of curves that share a table."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chmr_bench.records import RecordStore
from chmr_bench.report.evidence import MeasuredCurve, measure
from chmr_bench.report.masking import Seed, Setting, masked_counts, masked_of
from chmr_bench.report.runs import Run, load_runs
from chmr_bench.statistics import Difference, Runs
from chmr_bench.statistics.changes import change_of, common, mean_change, mean_over_datasets
from chmr_bench.types import MetricName


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

    @property
    def title(self) -> str:
        """Return what it is called in a table or picture."""
        return self.label + (" (shuffled)" if self.shuffled else "")

    @property
    def why_unmoved(self) -> str:
        """Return why its predictions do not move."""
        if self.n_masked is None:
            return "does not read it"
        return "did not move" if self.n_masked else "nothing was masked"

    @property
    def of_one_seed(self) -> bool:
        """Return whether the interval of any change does not hold the spread over seeds."""
        return any(p.change is not None and p.change.note for p in self.points)

    @property
    def most_pairs(self) -> int:
        """Return over how many seeds the change is that is over most."""
        return max((p.change.n_pairs for p in self.points if p.change), default=0)

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


@dataclass(frozen=True)
class Family:
    """Curves that share a table: one dataset, or several averaged, and one setting."""

    datasets: tuple[str, ...]
    title: str
    metric: MetricName
    setting: Setting
    curves: tuple[Curve, ...]

    @property
    def rates(self) -> list[float]:
        """Return all rates but 0, ascending."""
        return sorted({p.rate for c in self.curves for p in c.points} - {0.0})

    def mean_change(self, curve: Curve) -> Difference | None:
        """Return the mean change from 0 to the last rate, None where any rate has no score."""
        scored = {p.rate for p in curve.points if p.score is not None}
        return curve.area if scored >= {0.0, *self.rates} else None


def curves(store: RecordStore) -> list[Curve]:
    """Return every curve that the records of a store give."""
    loaded = load_runs(store)
    return curves_of(measure(loaded, masked=masked_of(loaded.lines)).curves)


def families_of(store: RecordStore) -> list[Family]:
    """Return the tables of a store; none where nothing was ever masked."""
    return families(curves(store))


def curves_of(measured: Iterable[MeasuredCurve]) -> list[Curve]:
    """Return curves by dataset, setting and model."""
    return _numbered(sorted([_curve(one) for one in measured], key=_order))


def _order(curve: Curve) -> tuple[object, ...]:
    names = ("synthetic", "dataset", "dataset_digest", "split_digest")
    facts = (curve.facts[name] for name in names)
    return (*facts, str(curve.setting), curve.label, curve.shuffled, curve.facts["dataset_metric"])


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


def _curve(measured: MeasuredCurve) -> Curve:
    of, lines = measured.of, [run.run for run in measured.of.masked]
    points = [
        _point(rate, [run for _, run in pairs], measured.at[rate], measured.start)
        for rate, pairs in of.by_rate.items()
    ]
    counts = masked_counts(lines)
    values = {run["seed"]: run["values_sha256"] for run in of.plain if run["values_sha256"]}
    return Curve(
        facts=lines[0],
        label=lines[0]["named"],
        setting=of.setting,
        shuffled=of.shuffled,
        plain=measured.start,
        points=tuple(points),
        area=mean_change(measured.at, measured.start),
        unmoved=all(
            r["values_sha256"] and values.get(r["seed"]) == r["values_sha256"] for r in lines
        ),
        n_masked=sum(n for _, n in counts.values()) if counts else None,
        identities=tuple(run["identity"] for run in [*of.plain, *lines]),
    )


def _point(rate: float, shown: Sequence[Run], runs: Runs | None, start: Runs | None) -> Point:
    good = [run for run in shown if not math.isnan(run["score"])]
    n_weights = len({run["weights"] for run in good if run["weights"] is not None})
    shares = {part: n / of for part, (of, n) in masked_counts(shown).items() if of}
    return Point(rate, runs, len(shown) - len(good), *change_of(runs, start), shares, n_weights)


# ------------------------------------------------------------------------------------ shared tables


def families(curves: Sequence[Curve]) -> list[Family]:
    """Return the tables: one a dataset and setting, then the mean over datasets of one metric."""
    groups: dict[tuple[Any, ...], list[Curve]] = defaultdict(list)
    for curve in curves:
        names = ("dataset_digest", "split_digest", "dataset_metric")
        groups[(*(curve.facts[name] for name in names), curve.setting)].append(curve)
    single = [
        Family((of[0].facts["dataset"],), _title(of[0]), metric, setting, tuple(of))
        for (_, _, metric, setting), of in groups.items()
    ]
    alike: dict[tuple[Any, ...], list[Family]] = defaultdict(list)
    for family in single:
        facts = family.curves[0].facts
        if not facts["synthetic"] and facts["origin"] == "registered":
            alike[family.setting, family.metric, facts["split"]].append(family)
    means = [_mean_family(members) for members in alike.values()]
    return [*single, *(family for family in means if family is not None)]


def _title(curve: Curve) -> str:
    facts = curve.facts
    mark = " (SYNTHETIC)" if facts["synthetic"] else ""
    split = "" if facts["split"] == "reference" else f", {facts['split']} split"
    seed = "" if facts["split_seed"] is None else f" (seed {facts['split_seed']})"
    return f"{facts['dataset']}{mark}{split}{seed}: {curve.setting}"


def _mean_family(members: Sequence[Family]) -> Family | None:
    """Return the mean over the real datasets of one setting, split method and metric."""
    names = tuple(family.datasets[0] for family in members)
    if len(names) < 2 or len(set(names)) < len(names):
        return None
    by_row = [{(c.label, c.shuffled): c for c in family.curves} for family in members]
    shared = [[rows[key] for rows in by_row] for key in by_row[0] if all(key in r for r in by_row)]
    if not shared:
        return None
    first = members[0]
    means = tuple(_mean_curve(same) for same in shared)
    title = f"mean over {', '.join(names)}: {first.setting}"
    return Family(names, title, first.metric, first.setting, means)


def _mean_curve(same: Sequence[Curve]) -> Curve:
    """Return the mean of a row over datasets, at the rates that all of them have."""
    start = mean_over_datasets([c.plain for c in same])
    points = []
    for rate in sorted(set.intersection(*({p.rate for p in c.points} for c in same))):
        at_rate = [p for c in same if (p := c.at(rate)) is not None]
        runs = mean_over_datasets([p.runs for p in at_rate])
        n_failed = sum(p.n_failed for p in at_rate)
        n_weights = min(p.n_pretrainings for p in at_rate)
        points.append(Point(rate, runs, n_failed, *change_of(runs, start), {}, n_weights))
    return replace(
        same[0],
        plain=start,
        points=tuple(points),
        area=mean_change({point.rate: point.runs for point in points}, start),
        unmoved=all(c.unmoved for c in same),
        identities=tuple(identity for c in same for identity in c.identities),
    )


# ---------------------------------------------------------------------------------------- pictures


def pictures(families: Sequence[Family]) -> dict[str, list[Family]]:
    """Return file name -> the tables it shows: a picture a setting, a panel a dataset.

    A table without a curve to draw has no panel, and a setting of such tables no picture.
    """
    panels: dict[str, list[Family]] = {}
    for family in families:
        if len(family.datasets) == 1 and any(curve.is_line for curve in family.curves):
            panels.setdefault(f"missing-{slug(family.setting)}.png", []).append(family)
    return panels


def slug(setting: Setting) -> str:
    """Return a setting as part of a file name; names of files keep the word of the first ones."""
    words = str(setting).lower().replace("masked", "hidden", 1)
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
