"""What is said below the tables of a comparison."""

from __future__ import annotations

from chmr_bench.report.comparison.protocol import CV5X5, N_FOLDS
from chmr_bench.report.comparison.results import Comparison
from chmr_bench.statistics import Difference

METHOD = (
    "gain: score minus the baseline's over the same test molecules and seeds (both scores shown "
    "are over these alone), turned so that above zero is better. Its 95 % interval holds the "
    "choice of test molecules (bootstrap; those of one connectivity drawn together) and of seeds "
    "(paired t)."
)
METHOD_SPLITS = (
    "Where two models have several splits in common, scores and gain are over these (and over the "
    "seeds that both have on each), and the split is the unit: corrected resampled t-test (Nadeau "
    "and Bengio, 2003), since their training rows overlap. The scores of the splits are those on "
    "record; chmr-bench verify computes them again from the predictions."
)
METHOD_FOLDS = (
    f"{CV5X5}: the fold is the unit ({N_FOLDS} of them). Gains, intervals, p and verdicts are of "
    "the corrected resampled t-test (Nadeau and Bengio, 2003). 'all pairs' is the analysis of "
    "variance with repeated measures and Tukey's test of Ash et al. (2025), which take folds for "
    "independent: where models are equally good they find a difference far more often than in 5 %."
)
VERDICTS = (
    "better, worse: p Holm is at most 0.05, so the interval leaves zero out. no difference shown: "
    "not that there is none."
)
HOLM = (
    "p Holm of a dataset: corrected for the datasets of that one model, not for the models named. "
    "Each further model has its own 5 % chance of a better or worse that is none."
)


def gain_notes(comparison: Comparison, model: str) -> list[str]:
    """Return what is said below a model's table."""
    pairs = [(d, d.gains[model]) for d in comparison.datasets]
    compared = [g for _, g in pairs if g.difference is not None]
    counts = [
        f"{sum(g.verdict == v for g in compared)} {v}"
        for v in ("better", "worse", "no difference shown", "no interval")
        if v != "no interval" or any(g.verdict == v for g in compared)
    ]
    notes = [f"Of {_plural(len(compared), 'dataset')} compared: {', '.join(counts)}."]
    alone = [
        d.name
        for d, g in pairs
        if g.difference and g.verdict == "no difference shown" and not covers_zero(g.difference)
    ]
    if alone:
        notes.append(
            f"{', '.join(alone)}: the interval leaves zero out, but not after the correction for "
            f"{len(compared)} datasets."
        )
    absent = [d.name for d, g in pairs if g.difference is None]
    if absent:
        notes.append(f"Not compared: {', '.join(absent)}.")
    notes += [*_others_on_record(comparison, model), *_one_pretraining(comparison, model)]
    notes += [f"{d.name}: {note}." for d, g in pairs for note in [*d.notes, *g.notes]]
    notes += _left_out(comparison, model)
    if any(d.synthetic for d, _ in pairs):
        notes.append("* synthetic: simulated labels on real molecules.")
    return notes


def _left_out(comparison: Comparison, model: str) -> list[str]:
    """Return what runs of the two models are in no score."""
    pair = (comparison.baseline, model)
    lines = []
    for on in comparison.datasets:
        chosen = on.chosen
        failed = {m: n for m, n in (chosen.n_failed or {}).items() if m in pair}
        unscored = {m: len(splits) for m, splits in chosen.unscored.items() if m in pair}
        lines += [
            *(
                f"{on.name}: {_plural(n, 'failed run')} of {m}, in no score."
                for m, n in failed.items()
            ),
            *(
                f"{on.name}: {_plural(n, 'run')} of {m} without a score (no task of the test "
                "part can be evaluated), not compared."
                for m, n in unscored.items()
            ),
        ]
        if chosen.n_damaged:
            lines.append(
                f"{on.name}: {_plural(chosen.n_damaged, 'damaged record')} of the models left out; "
                "chmr-bench verify names them."
            )
    return lines


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _others_on_record(comparison: Comparison, model: str) -> list[str]:
    """Return the rows that a model without a run may have been meant by."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for on in comparison.datasets:
        for name, others in on.chosen.on_record.items():
            if name in (comparison.baseline, model):
                groups.setdefault((name, others), []).append(on.name)
    return [
        f"{', '.join(names)}: missing {name}; on record: {', '.join(map(repr, others))}."
        for (name, others), names in groups.items()
    ]


def _one_pretraining(comparison: Comparison, model: str) -> list[str]:
    """Say whose runs begin with the same weights: their spread is not that of a pretraining."""
    gains = [(d.name, d.gains[model]) for d in comparison.datasets]
    compared = [name for name, gain in gains if gain.difference is not None]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, gain in gains:
        if gain.one_pretraining:
            groups.setdefault(gain.one_pretraining, []).append(name)
    return [
        f"{' and '.join(models)}: all runs{'' if names == compared else ' on ' + ', '.join(names)} "
        f"begin with one pretraining{' each' if len(models) > 1 else ''}, so that the intervals "
        "leave out what another would move."
        for models, names in groups.items()
    ]


def method_notes(comparison: Comparison) -> list[str]:
    """Return how the intervals were made: of the tests that were made, each."""
    pairs = [(d, g.difference) for d in comparison.datasets for g in d.gains.values()]
    made = [
        (d.folds is not None, difference.over_splits)
        for d, difference in pairs
        if difference is not None
    ]
    kinds = [
        (METHOD, any(not folds and not splits for folds, splits in made)),
        (METHOD_SPLITS, any(not folds and splits for folds, splits in made)),
        (METHOD_FOLDS, any(folds for folds, _ in made)),
        (VERDICTS, bool(made)),
        (HOLM, bool(made)),
    ]
    return [text for text, applies in kinds if applies]


def covers_zero(difference: Difference) -> bool:
    """Return whether zero is in the interval, or there is none."""
    return not (difference.low > 0 or difference.high < 0)
