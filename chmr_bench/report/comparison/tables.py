"""A comparison as tables of text."""

from __future__ import annotations

import math

from chmr_bench.report.comparison.gains import Gain
from chmr_bench.report.comparison.notes import gain_notes, method_notes
from chmr_bench.report.comparison.overall import Overall
from chmr_bench.report.comparison.protocol import CV5X5, N_FOLDS, Folds
from chmr_bench.report.comparison.results import Comparison, OnDataset
from chmr_bench.report.grids import NONE, PERCENT, Grid, heading, number, span
from chmr_bench.statistics import EXACT_UP_TO, ONE_SEED
from chmr_bench.types import MetricName


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
    return Grid(
        f"{model} against {base}",
        columns,
        rows,
        left=("dataset", "verdict"),
        notes=tuple(gain_notes(comparison, model)),
    )


def _gain_cells(on: OnDataset, base: str, model: str) -> tuple[str, ...]:
    gain, metric = on.gains[model], on.metric
    scores = [number(metric, gain.base_score), number(metric, gain.score)]
    lacking = on.missing((base, model))
    verdict = f"missing: {' and '.join(lacking)}" if lacking else gain.verdict
    difference = gain.difference
    if difference is None:
        return (dataset_title(on), verdict, *scores, *[NONE] * 5)
    if difference.note == ONE_SEED and gain.verdict in ("better", "worse"):
        verdict += " (one seed)"
    return (
        dataset_title(on),
        verdict,
        *scores,
        signed(metric, difference.mean),
        span(metric, _known(difference.low), _known(difference.high)),
        p_value(difference.p),
        p_value(gain.p_holm),
        _pairs(on, gain),
    )


def dataset_title(on: OnDataset) -> str:
    """Return a dataset's name, with its metric unless that is ROC-AUC, and its split."""
    title = on.name + ("*" if on.synthetic else "")
    if on.metric not in (None, "roc_auc"):
        title += f" ({heading(on.metric)})"
    return title if on.chosen.split in ("", "reference") else f"{title}, {on.chosen.split}"


def _pairs(on: OnDataset, gain: Gain) -> str:
    difference = gain.difference
    if difference is None:
        return NONE
    if on.folds:
        return f"{difference.n_pairs} folds"
    what = "split" if difference.over_splits else "run"
    return f"{difference.n_pairs} {what}" + ("s" if difference.n_pairs > 1 else "")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def signed(metric: MetricName | None, value: float) -> str:
    """Return a difference as it is shown, with its sign."""
    return f"{100 * value:+z.1f}" if metric in PERCENT else f"{value:+z.3f}"


def p_value(p: float) -> str:
    """Return a p-value as it is shown."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# ------------------------------------------------------------------------------ folds of a dataset


def folds_grid(name: str, metric: MetricName | None, folds: Folds) -> Grid:
    """Return every pair of models on the folds of one dataset."""
    rows = tuple(
        (
            f"{pair.a} - {pair.b}",
            signed(metric, pair.tukey.mean),
            span(metric, pair.tukey.low, pair.tukey.high),
            p_value(pair.tukey.p),
            p_value(pair.corrected.p),
        )
        for pair in folds.pairs
    )
    anova = folds.anova
    degrees = f"{anova.df_models}, {anova.df_error}"
    spread = ", ".join(f"{m} {number(metric, s)}" for m, s in folds.sd.items())
    return Grid(
        f"{name}, {CV5X5}: all pairs",
        ("pair", "gain", "95 % interval (Tukey)", "p (Tukey)", "p corrected"),
        rows,
        left=("pair",),
        notes=(
            f"Analysis of variance with repeated measures: F({degrees}) = {anova.f:.3g}, "
            f"p {_p_words(anova.p)}.",
            f"s.d. over {N_FOLDS} folds: {spread}.",
        ),
    )


def _p_words(p: float) -> str:
    shown = p_value(p)
    return shown if shown.startswith("<") else f"= {shown}"


# --------------------------------------------------------------------------------- over datasets


def overall_grid(comparison: Comparison) -> Grid:
    """Return all models over the datasets that all have, the best average rank first."""
    columns = ("model", "rank", "better", "worse", "no difference", "missing", "p", "p Holm")
    overall = comparison.overall
    order = list(comparison.models)
    if overall is not None:
        order.sort(key=lambda m: overall.average_rank[m])
    rows = tuple(_overall_cells(comparison, model) for model in order)
    if overall is None:
        notes: tuple[str, ...] = (
            "No ranks, no test over datasets: fewer than two datasets have a score of every model "
            "on a split and seed that all of them have.",
        )
    else:
        notes = tuple(overall_notes(overall, comparison.baseline, len(comparison.datasets)))
    title = f"Over datasets, against {comparison.baseline}"
    if comparison.left_out:
        made = ", ".join(comparison.left_out)
        notes = (*notes, f"Simulated, compared only when named with --dataset: {made}.")
    notes = (*notes, *method_notes(comparison))
    return Grid(title, columns, rows, left=("model",), notes=notes)


def _overall_cells(comparison: Comparison, model: str) -> tuple[str, ...]:
    overall = comparison.overall
    rank = NONE if overall is None else f"{overall.average_rank[model]:.2f}"
    n_missing = str(sum(model not in d.scores for d in comparison.datasets))
    if model == comparison.baseline:
        return (model, rank, "baseline", NONE, NONE, n_missing, NONE, NONE)
    verdicts = [d.gains[model].verdict for d in comparison.datasets]
    counts = [str(verdicts.count(v)) for v in ("better", "worse", "no difference shown")]
    tests = [NONE, NONE]
    if overall is not None:
        tests = [p_value(overall.p[model]), p_value(overall.p_holm[model])]
    return (model, rank, *counts, n_missing, *tests)


def overall_notes(overall: Overall, baseline: str, n_datasets: int) -> list[str]:
    """Return what is said below the table over datasets: which of them, and by which tests."""
    notes = [f"Warning: {warning}." for warning in overall.warnings]
    used = f"rank, p: over {len(overall.datasets)} of {n_datasets} datasets"
    notes.append(
        f"{used} ({', '.join(overall.datasets)}), each counting once; ranks are of the scores over "
        "the splits and seeds that every model has there."
    )
    notes += [f"{name} is not among them: {why}." for name, why in overall.left_out.items()]
    test = overall.friedman
    if not math.isnan(test.p) and len(overall.average_rank) > 2:
        notes.append(
            f"Do the ranks differ at all? Friedman chi2 = {test.chi2:.2f}, "
            f"F (Iman and Davenport) = {test.f:.2f}, p {_p_words(test.p)}."
        )
    how = "exact" if len(overall.datasets) <= EXACT_UP_TO else "by the normal approximation"
    notes.append(
        f"p: Wilcoxon's signed-rank test of the paired gains over {baseline} on these datasets, "
        f"{how}, each gain in units of its own standard error; p Holm: for all models of this "
        "table."
    )
    groups = "; ".join(", ".join(group) for group in overall.groups) or "no two models"
    notes.append(
        f"Not told apart by average rank (Nemenyi, critical difference {overall.difference:.2f}): "
        f"{groups}."
    )
    return notes
