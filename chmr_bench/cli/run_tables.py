"""The tables a run prints: its plan before, its results after; and both as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chmr_bench.display.console import (
    SYNTHETIC,
    duration,
    plural,
    print_lines,
    print_table,
)
from chmr_bench.display.remarks import announcement
from chmr_bench.report.digits import decimals_needed, fixed
from chmr_bench.report.results import Numbers
from chmr_bench.report.words import dataset_label, grouped
from chmr_bench.sweep import Item, Plan, Summary
from chmr_bench.sweep.planning import State

STATE_WORDS: dict[State, str] = {
    "new": "new",
    "cached": "cached",
    "damaged": "damaged",
    "failed": "failed before",
    "impossible": "cannot run",
}
TITLES_SHOWN = 6
"""Pretrainings a plan names one by one, at most."""


def show_plan(plan: Plan, n_jobs: int = 1) -> None:
    """Print a line a model and dataset, the counts, and the expected time.

    Weights that would have to be made come with the time that takes over `n_jobs` cores.
    """
    masks = any(item.missing for item in plan.items)
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in plan.items:
        name = dataset_label(item.dataset, synthetic=item.synthetic, origin=item.origin)
        masked = [_masked(item)] if masks else []
        groups.setdefault((name, item.model, item.split, *masked), []).append(item)
    states = [state for state in STATE_WORDS if plan.count(state)]
    words = ["dataset", "model", "split", *(["masked"] if masks else []), "seeds"]
    columns = [*words, *(STATE_WORDS[s] for s in states), "expected"]
    rows = [
        [
            *key[:2],
            _split(items),
            *key[3:],
            _seeds(items),
            *_counts(items, states),
            _expected(items),
        ]
        for key, items in groups.items()
    ]
    print_table("Plan", columns, rows, right=columns[len(words) :])
    print_lines(*(SYNTHETIC for item in plan.items if item.synthetic))
    print_lines(_sentence(plan), *_pretrainings(plan, n_jobs), *_obstacles(plan), "")


def _pretrainings(plan: Plan, n_jobs: int) -> list[str]:
    """Return a line a pretraining that comes first; of many the first ones, and how many more."""
    pending = plan.pending()
    first = pending[:TITLES_SHOWN]
    lines = [f"first, for the weights: {announcement(one, n_jobs)}" for one in first]
    if len(pending) > TITLES_SHOWN:
        lines.append(f"and {len(pending) - TITLES_SHOWN} more pretrainings")
    return lines


def _obstacles(plan: Plan) -> list[str]:
    """Return a line a job that cannot run, or that nothing masked can reach."""
    checked = "one run checks that its predictions do not move"
    return [
        *(f"cannot run: {i.reason}" for i in plan.items if i.state == "impossible"),
        *(f"not applicable: {i.inapplicable}; {checked}" for i in plan.items if i.inapplicable),
    ]


def _masked(item: Item) -> str:
    """Return the share that is masked, and whether it is the control or but a check."""
    if item.missing is None:
        return "nothing"
    if item.missing.replaced:
        return "profiles of others"
    kind = ", shuffled" if item.missing.shuffled else ""
    return f"{100 * item.missing.rate:g} %{kind}" + (" (check)" if item.inapplicable else "")


def _split(items: Sequence[Item]) -> str:
    """Return the split, with its seeds where it is drawn."""
    seeds = [i.split_seed for i in items if i.split_seed is not None]
    return f"{items[0].split} {_listed(seeds)}" if seeds else items[0].split


def _seeds(items: Sequence[Item]) -> str:
    """Return which seeds, or that the model has none: it runs once."""
    seeds = [i.seed for i in items if i.seed is not None]
    draws = len({i.missing.seed for i in items if i.missing})
    if not seeds and draws > 1:
        return f"none; {draws} draws"
    return _listed(seeds) if seeds else "none"


def _listed(drawn: Sequence[int]) -> str:
    """Return each seed once: ``0-4``, or ``0,3``."""
    seeds = list(dict.fromkeys(drawn))
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _counts(items: Sequence[Item], states: Sequence[State]) -> list[str]:
    counts = [sum(i.state == state for i in items) for state in states]
    return [str(c) if c else "" for c in counts]


def _expected(items: Sequence[Item]) -> str:
    todo = [i for i in items if i.state in ("new", "damaged", "failed")]
    if not todo:
        return ""
    known = [i.seconds for i in todo if i.seconds is not None]
    return duration(sum(known)) if len(known) == len(todo) else "unknown"


def _sentence(plan: Plan) -> str:
    n_fits = len(plan.fits())
    shared = f" ({plural(n_fits, 'fit')})" if n_fits < len(plan.todo) else ""
    words = [f"{plural(plan.count('new'), 'job')} new{shared}", f"{plan.count('cached')} cached"]
    if plan.count("damaged"):
        words.append(f"{plan.count('damaged')} damaged (will be computed again)")
    kept = " (left as they are)" if plan.keep_failed else " (tried again)"
    words.append(f"{plan.count('failed')} failed before{kept if plan.count('failed') else ''}")
    if plan.count("impossible"):
        words.append(f"{plan.count('impossible')} cannot run")
    return f"{', '.join(words)}. {expectation(plan)}"


def expectation(plan: Plan) -> str:
    """Return how long the plan may take, and what that rests on."""
    if not plan.todo:
        return "Nothing to compute."
    seconds, unknown = plan.seconds()
    if unknown == len(plan.todo):
        return "Expected time: unknown, no earlier record of these models on these datasets."
    rest = f", and {plural(unknown, 'job')} without an earlier record" if unknown else ""
    uncounted = "pretraining and features" if plan.pending() else "features"
    return f"Expected time: {duration(seconds)}{rest}, not counting {uncounted} to be computed."


def show_results(rows: Sequence[Numbers]) -> None:
    """Print a line a model and dataset: mean and s.d. over seeds, interval over test molecules.

    Tasks of a regression may be in different units, so each is shown alone too.
    """
    columns = ["dataset", "model", "metric", "score", "95 % interval", "runs", "tasks"]
    print_table("Results", columns, [_result(r) for r in rows], right=columns[3:])
    _show_tasks(rows)
    _show_remarks(rows)


def _show_tasks(rows: Sequence[Numbers]) -> None:
    """Print a table a regression with several tasks: a line a task, a column a model."""
    groups = grouped(((_name(row), row["metric"]), row) for row in rows if row["tasks"])
    for (name, metric), group in groups.items():
        scores = [{task["task"]: task["score"] for task in row["tasks"]} for row in group]
        tasks = dict.fromkeys(task for of in scores for task in of)
        lines = [[task, *(_score(of.get(task)) for of in scores)] for task in tasks]
        models = [_model(row) for row in group]
        print_table(f"{name} by task, {metric}", ["task", *models], lines, right=models)
    if groups:
        print_lines("score above: the mean over tasks, whatever their units; here, each in its own")


def show_over_splits(rows: Sequence[Numbers]) -> None:
    """Print a line a model and dataset: mean and s.d. over splits, each the mean of its seeds."""
    columns = ["dataset", "model", "split", "metric", "score", "lowest to highest", "splits"]
    columns += ["runs", "tasks"]
    print_table("Results", columns, [_over_splits(r) for r in rows], right=columns[4:])
    each = "of each the mean over its seeds; --json has every split"
    print_lines(f"score: mean ± s.d. over splits, {each}")
    _show_remarks([row for one in rows for row in one["by_split"]])


def _over_splits(row: Numbers) -> list[str]:
    by_split = row["by_split"]
    first = by_split[0]
    metric = next((one["metric"] for one in by_split if one["metric"]), "")
    n_runs, n_failed = (sum(one[name] for one in by_split) for name in ("n_runs", "n_failed"))
    counts = [one["n_evaluable"] for one in by_split if one["mean"] is not None] or [0]
    tasks = "-".join(str(n) for n in sorted({min(counts), max(counts)}))
    return [
        _name(first),
        _model(first),
        first["split"],
        metric,
        *_score_and_ends(row, n_failed > 0),
        _n_of(row["n_splits"], row["n_failed"]),
        _n_of(n_runs, n_failed),
        f"{tasks}/{first['n_tasks']}",
    ]


def _n_of(n: int, n_failed: int) -> str:
    return f"{n}/{n + n_failed}" if n_failed else f"{n}"


def _score_and_ends(row: Numbers, any_failed: bool) -> tuple[str, str]:
    """Return a mean with its spread, and an interval, in digits that tell all of them apart."""
    mean, sd, low, high = (row[name] for name in ("mean", "sd", "low", "high"))
    if mean is None:
        return _score(None, any_failed=any_failed), ""
    width = None if low is None or high is None else high - low
    needed = decimals_needed([mean], [sd, width])
    score = _score(mean, needed) + ("" if sd is None else f" ± {_score(sd, needed)}")
    return score, "" if width is None else f"{fixed(low, 3, needed)} to {fixed(high, 3, needed)}"


def _score(value: float | None, needed: int | None = None, any_failed: bool = False) -> str:
    """Return a score in the digits needed, by default those that tell it from zero."""
    if value is None:
        return "failed" if any_failed else "none"
    return fixed(value, 4, decimals_needed([value], []) if needed is None else needed)


def _name(row: Numbers) -> str:
    return dataset_label(row["dataset"], synthetic=row["synthetic"], origin=row["origin"])


def _model(row: Numbers) -> str:
    """Return a row's model, with the atlases whose profiles it was given."""
    atlases = row["own_profiles"]
    return f"{row['model']} + own profiles of {atlases}" if atlases else str(row["model"])


def _show_remarks(rows: Sequence[Numbers]) -> None:
    """Print what holds of rows beside their numbers: simulated, pretrained, left out."""
    print_lines(*(SYNTHETIC for row in rows if row["synthetic"]))
    print_lines(*(_start(row) for row in rows if row["pretrained_on"]))
    absent = [row for row in rows if row["not_evaluable"]]
    print_lines(*(f"{_name(row)}: no score of {row['not_evaluable']}" for row in absent))
    dropped = {
        (row["origin"] or row["dataset"], row["dataset_digest"]): row["n_dropped"]
        for row in rows
        if row["n_dropped"]
    }
    for (name, _), n in dropped.items():
        print_lines(f"{name}: {plural(n, 'row')} of the source left out (--on-invalid drop)")


def _start(row: Numbers) -> str:
    """Return what a row's weights were made from."""
    seen = row["n_test_seen"]
    words = f"; saw {seen} of {row['dataset']}'s test molecules" if seen else ""
    return f"{row['model']}: pretrained on {row['pretrained_on']}{words}"


def _result(row: Numbers) -> list[str]:
    return [
        _name(row),
        _model(row),
        row["metric"],
        *_score_and_ends(row, row["n_failed"] > 0),
        _n_of(row["n_runs"], row["n_failed"]),
        f"{row['n_evaluable']}/{row['n_tasks']}",
    ]


def plan_json(plan: Plan, n_jobs: int = 1) -> dict[str, Any]:
    """Return the plan for ``--json``; pretraining takes so long over `n_jobs` cores, or None."""
    from chmr_bench.runner.estimate import making_seconds

    seconds, unknown = plan.seconds()
    names = ("model", "dataset", "origin", "synthetic", "split", "split_seed", "seed")
    jobs = [
        {
            **{name: getattr(i, name) for name in names},
            "missing": i.missing.to_dict() if i.missing else None,
            "inapplicable": i.inapplicable or None,
            "state": i.state,
            "identity": i.job.identity if i.job and not i.pretraining else None,
            "pretraining": i.pretraining or None,
            "expected_seconds": i.seconds,
            "reason": i.reason,
        }
        for i in plan.items
    ]
    counts = {state: plan.count(state) for state in STATE_WORDS}
    return {
        "counts": counts,
        "expected_seconds": seconds,
        "jobs_of_unknown_time": unknown,
        "pretraining": [one.title for one in plan.pending()],
        "pretraining_seconds": [making_seconds(one, n_jobs) for one in plan.pending()],
        "jobs": jobs,
    }


def result_json(rows: Sequence[Numbers], summary: Summary) -> dict[str, Any]:
    """Return the results for ``--json``."""
    failed = [
        {
            "model": o.record.model.id,
            "dataset": o.record.dataset.name,
            "origin": o.item.origin,
            "synthetic": o.record.dataset.synthetic,
            "seed": o.record.seed,
            "error": o.record.error.model_dump(mode="json") if o.record.error else None,
        }
        for o in summary.failed
    ]
    return {
        "interrupted": summary.interrupted,
        "n_computed": sum(o.computed for o in summary.outcomes),
        "results": rows,
        "failed": failed,
    }
