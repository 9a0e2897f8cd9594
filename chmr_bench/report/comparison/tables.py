"""A comparison as tables of text."""

from __future__ import annotations

import math

from chmr_bench.data.counts import plural
from chmr_bench.report.comparison.overall import CV5X5, N_FOLDS, Folds, Overall
from chmr_bench.report.comparison.results import Comparison, Gain, OnDataset, Verdict
from chmr_bench.report.digits import NONE, finite
from chmr_bench.report.grids import Grid, decimals_of, heading, number, pairs_apart, span
from chmr_bench.report.runs import REFERENCE
from chmr_bench.report.words import grouped, notes
from chmr_bench.statistics import EXACT_UP_TO, ONE_SEED
from chmr_bench.types import MetricName

VERDICT_COLUMNS: dict[str, Verdict] = {
    "better": "better",
    "worse": "worse",
    "no difference": "no difference shown",
}


def grids(comparison: Comparison) -> list[Grid]:
    """Return a table a model, then one of all models over the datasets."""
    tables = [gains_grid(comparison, model) for model in comparison.models[1:]]
    tables += [folds_grid(d.name, d.metric, d.folds) for d in comparison.datasets if d.folds]
    return [*tables, overall_grid(comparison)]


def gains_grid(comparison: Comparison, model: str) -> Grid:
    """Return a model against the baseline, a row a dataset."""
    base = comparison.baseline
    columns = ("dataset", "verdict", base, model, "gain", "95 % interval", "p", "p Holm", "pairs")
    rows = tuple(_gain_cells(d, base, model) for d in comparison.datasets)
    below = _gain_notes(comparison, model)
    return Grid(f"{model} against {base}", columns, rows, ("dataset", "verdict"), below)


def _gain_notes(comparison: Comparison, model: str) -> tuple[str, ...]:
    pair = (comparison.baseline, model)
    gains = {d.name: d.gains[model] for d in comparison.datasets}
    compared = {name: gain.difference for name, gain in gains.items() if gain.difference}
    verdicts = [gains[name].verdict for name in compared]
    counts = {v: verdicts.count(v) for v in ("better", "worse", "no difference shown")}
    counts |= {v: verdicts.count(v) for v in verdicts if v == "no interval"}
    return notes(
        "gain",
        model=model,
        pair=pair,
        datasets=comparison.datasets,
        compared=[*compared],
        counts=[f"{n} {verdict}" for verdict, n in counts.items()],
        uncorrected=[
            name
            for name, difference in compared.items()
            if gains[name].verdict == "no difference shown"
            and (difference.low > 0 or difference.high < 0)
        ],
        absent=[name for name in gains if name not in compared],
        on_record=grouped(
            ((name, tuple(map(repr, others))), on.name)
            for on in comparison.datasets
            for name, others in on.on_record.items()
            if name in pair
        ),
        one_pretraining=grouped(
            (gain.one_pretraining, name) for name, gain in gains.items() if gain.one_pretraining
        ),
    )


def _gain_cells(on: OnDataset, base: str, model: str) -> tuple[str, ...]:
    gain, metric = on.gains[model], on.metric
    lacking = on.missing((base, model))
    verdict = f"missing: {' and '.join(lacking)}" if lacking else gain.verdict
    difference = gain.difference
    pair = [gain.baseline_score, gain.score]
    decimals = decimals_of(metric, pair, pairs_apart([difference]))
    scores = [number(metric, score, decimals) for score in pair]
    if difference is None:
        return (dataset_title(on), verdict, *scores, *[NONE] * 5)
    if difference.note == ONE_SEED and gain.verdict in ("better", "worse"):
        verdict += " (one seed)"
    return (
        dataset_title(on),
        verdict,
        *scores,
        signed(metric, difference.mean, decimals),
        span(metric, finite(difference.low), finite(difference.high), decimals),
        p_value(difference.p),
        p_value(gain.p_holm),
        _pairs(on, gain),
    )


def dataset_title(on: OnDataset) -> str:
    """Return a dataset's name, with its metric unless that is ROC-AUC, and its split."""
    title = on.marked_name
    if on.metric not in (None, "roc_auc"):
        title += f" ({heading(on.metric)})"
    return title if on.split in ("", REFERENCE) else f"{title}, {on.split}"


def _pairs(on: OnDataset, gain: Gain) -> str:
    difference = gain.difference
    if difference is None:
        return NONE
    if on.folds:
        return f"{difference.n_pairs} folds"
    return plural(difference.n_pairs, "split" if difference.over_splits else "run")


def signed(metric: MetricName | None, value: float, decimals: int) -> str:
    """Return a difference as it is shown, with its sign."""
    text = number(metric, value, decimals)
    return text if text.startswith("-") else f"+{text}"


def p_value(p: float) -> str:
    """Return a p-value as it is shown."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# ------------------------------------------------------------------------------ folds of a dataset


def folds_grid(name: str, metric: MetricName | None, folds: Folds) -> Grid:
    """Return every pair of models on the folds of one dataset."""
    gains = [pair.tukey for pair in folds.pairs]
    values = [*folds.sd.values(), *(gain.mean for gain in gains)]
    decimals = decimals_of(metric, values, pairs_apart(gains))
    rows = [
        {
            "pair": f"{pair.a} - {pair.b}",
            "gain": signed(metric, pair.tukey.mean, decimals),
            "95 % interval (Tukey)": span(metric, pair.tukey.low, pair.tukey.high, decimals),
            "p (Tukey)": p_value(pair.tukey.p),
            "p corrected": p_value(pair.corrected.p),
        }
        for pair in folds.pairs
    ]
    spread = [f"{m} {number(metric, s, decimals)}" for m, s in folds.sd.items()]
    anova = folds.anova
    below = notes("fold", anova=anova, p=_p_words(anova.p), n_folds=N_FOLDS, spread=spread)
    return Grid.of(f"{name}, {CV5X5}: all pairs", rows, ("pair",), below)


def _p_words(p: float) -> str:
    shown = p_value(p)
    return shown if shown.startswith("<") else f"= {shown}"


# --------------------------------------------------------------------------------- over datasets


def overall_grid(comparison: Comparison) -> Grid:
    """Return all models over the datasets that all have, the best average rank first."""
    overall = comparison.overall
    below: list[str] = []
    order = list(comparison.models)
    if overall is not None:
        order.sort(key=lambda m: overall.average_rank[m])
        below += overall_notes(overall, comparison.baseline, len(comparison.datasets))
    units = {
        "fold" if d.folds else "split" if gain.difference.over_splits else "run"
        for d in comparison.datasets
        for gain in d.gains.values()
        if gain.difference is not None
    }
    below += notes(
        "method",
        has_overall=overall is not None,
        left_out=comparison.left_out,
        units=units,
        n_folds=N_FOLDS,
    )
    rows = [_overall_row(comparison, model) for model in order]
    return Grid.of(f"Over datasets, against {comparison.baseline}", rows, ("model",), below)


def _overall_row(comparison: Comparison, model: str) -> dict[str, str]:
    overall, is_baseline = comparison.overall, model == comparison.baseline
    verdicts = [d.gains[model].verdict for d in comparison.datasets if not is_baseline]
    counts = {
        column: NONE if is_baseline else str(verdicts.count(verdict))
        for column, verdict in VERDICT_COLUMNS.items()
    }
    tested = None if is_baseline else overall
    return {
        "model": model,
        "rank": NONE if overall is None else f"{overall.average_rank[model]:.2f}",
        **(counts | {"better": "baseline"} if is_baseline else counts),
        "missing": str(sum(model not in d.scores for d in comparison.datasets)),
        "p": NONE if tested is None else p_value(tested.p[model]),
        "p Holm": NONE if tested is None else p_value(tested.p_holm[model]),
    }


def overall_notes(overall: Overall, baseline: str, n_datasets: int) -> tuple[str, ...]:
    """Return what is said below the table over datasets: which of them, and by which tests."""
    p = overall.friedman.p
    has_test = not math.isnan(p) and len(overall.average_rank) > 2
    return notes(
        "overall",
        overall=overall,
        baseline=baseline,
        n_datasets=n_datasets,
        friedman_p=_p_words(p) if has_test else "",
        is_exact=len(overall.datasets) <= EXACT_UP_TO,
    )
