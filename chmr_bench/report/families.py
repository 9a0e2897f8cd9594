"""What a model loses as more is masked: a curve, its points, and curves that share a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from chmr_bench.report.masking import Seed, Setting
from chmr_bench.report.runs import Run
from chmr_bench.statistics import Difference, Runs
from chmr_bench.statistics.changes import common
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


def numbered(curves: Iterable[Curve], key: Callable[[Curve], Hashable]) -> list[Curve]:
    """Return the curves, with a number behind the label of those whose key an earlier one has."""
    seen: Counter[Hashable] = Counter()
    result = []
    for curve in curves:
        seen[key(curve)] += 1
        n = seen[key(curve)]
        result.append(curve if n == 1 else replace(curve, label=f"{curve.label} (#{n})"))
    return result


@dataclass(frozen=True)
class Family:
    """Curves that share a table: one dataset, or several averaged, and one setting.

    Attributes
    ----------
    n_splits :
        Splits of the dataset that the curves are over; a point's runs are then one a split.
    uneven :
        Rows of which some split is over fewer seeds than it has: those that every share has.
    """

    datasets: tuple[str, ...]
    title: str
    metric: MetricName
    setting: Setting
    curves: tuple[Curve, ...]
    n_splits: int = 1
    uneven: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Return what a run of a point is: a seed, or a split."""
        return "split" if self.n_splits > 1 else "seed"

    @property
    def rates(self) -> list[float]:
        """Return all rates but 0, ascending."""
        return sorted({p.rate for c in self.curves for p in c.points} - {0.0})

    def mean_change(self, curve: Curve) -> Difference | None:
        """Return the mean change from 0 to the last rate, None where any rate has no score."""
        scored = {p.rate for p in curve.points if p.score is not None}
        return curve.area if scored >= {0.0, *self.rates} else None
