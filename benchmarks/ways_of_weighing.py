"""Ways to weigh the rows of `zoo.ensemble`, each judged on validation rows it did not see.

    CHMR_BENCH_MIRROR=FOLDER python benchmarks/ways_of_weighing.py [RECORDS] [DATASET ...]

Validation rows are halved five times; each way weighs on one half and is scored on the other, both
ways round. Test rows are not read, and nothing enters a record.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chmr_bench.api.ensembling import _members, _usable
from chmr_bench.api.options import datasets_of, store_of
from chmr_bench.metrics import METRICS
from chmr_bench.records import Predictions
from chmr_bench.report.runs import load_runs
from chmr_bench.runner import ensembling
from chmr_bench.runner.recorded import open_split
from chmr_bench.runner.scoring import score_only

ROWS = (
    *("chmr", "chmr.finetuned", "mmsa", "fingerprint.boosting", "fingerprint.forest"),
    *("fingerprint.gp", "fingerprint.knn", "fingerprint.linear", "fingerprint.mlp"),
)
DATASETS = ("chembl2k", "broad6k", "biogen3k", "bbbp", "bace", "clintox", "sider", "hiv")
HALVINGS, DRAWS = 5, 8
Valid = Mapping[str, list[Predictions]]
Weigh = Callable[[Any, Valid], dict[str, float]]


def picked(loaded: Any, valid: Valid) -> dict[str, float]:
    """Return the weights as `ensemble` makes them."""
    return ensembling.best_of(ensembling.picked_rows(loaded, valid), loaded.spec)[0]


def equal(loaded: Any, valid: Valid) -> dict[str, float]:
    """Return the same weight for every row."""
    return dict.fromkeys(valid, 1 / len(valid))


def best(n: int) -> Weigh:
    """Return what gives the n rows that are best by themselves the same weight."""

    def weigh(loaded: Any, valid: Valid) -> dict[str, float]:
        sign = 1 if METRICS[loaded.spec.metric].greater_is_better else -1
        order = sorted(valid, key=lambda row: -sign * score(loaded, valid, {row: 1.0}))
        return dict.fromkeys(order[:n], 1 / n)

    return weigh


def halfway(loaded: Any, valid: Valid) -> dict[str, float]:
    """Return the mean of picking and of equal weights."""
    return mean([picked(loaded, valid), equal(loaded, valid)])


def drawn(loaded: Any, valid: Valid) -> dict[str, float]:
    """Return the mean of what is picked among half of the rows, drawn several times."""
    rng = np.random.default_rng(0)
    names = [rng.choice(list(valid), len(valid) // 2, replace=False) for _ in range(DRAWS)]
    return mean([picked(loaded, {row: valid[row] for row in some}) for some in names])


WAYS: dict[str, Weigh] = {
    "picked (as ensemble does)": picked,
    "equal": equal,
    "best alone": best(1),
    "three best, equal": best(3),
    "five best, equal": best(5),
    "half picked, half equal": halfway,
    "picked among half, mean": drawn,
}


def mean(weights: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of several weights."""
    rows = {row for one in weights for row in one}
    return {row: sum(one.get(row, 0.0) for one in weights) / len(weights) for row in rows}


def score(loaded: Any, valid: Valid, weights: Mapping[str, float]) -> float:
    """Return the mean score over seeds of the rows so weighed; NaN where there is none."""
    n_seeds = len(next(iter(valid.values())))
    scores = []
    for seed in range(n_seeds):
        parts = [(weight, valid[row][seed]) for row, weight in weights.items()]
        whole = replace(ensembling.mean_of(parts, loaded.spec), molecules=None)
        scores.append(score_only(loaded.spec, loaded.dataset, whole).macro)
    return float(np.mean([np.nan if one is None else one for one in scores]))


def part_of(valid: Valid, rows: Any) -> Valid:
    """Return the predictions of some of the validation rows."""
    return {
        name: [replace(p, values=p.values[rows], rows=p.rows[rows], molecules=None) for p in of]
        for name, of in valid.items()
    }


def main() -> int:
    """Print the score of each way on validation rows that it did not see, a line each."""
    out, names = (sys.argv[1:2] or ["leaderboards"])[0], sys.argv[2:] or [*DATASETS]
    options: Any = {"out": out, "dataset": names, "model": [*ROWS]}
    runs, _ = _usable(load_runs(store_of(out)), options)
    for _, table in runs[runs["row"].isin(ROWS)].groupby("table", sort=False):
        members, _ = _members(table)
        if members is None:
            continue
        loaded, _ = open_split(next(iter(members.rows.values()))[0].record, datasets_of({}))
        kept = {row: [run.predictions().valid for run in of] for row, of in members.rows.items()}
        valid = {row: [one for one in of if one is not None] for row, of in kept.items()}
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        rng, n = np.random.default_rng(1), len(next(iter(valid.values()))[0].rows)
        for _ in range(HALVINGS):
            order = rng.permutation(n)
            halves = [part_of(valid, np.sort(half)) for half in np.array_split(order, 2)]
            for seen, unseen in (halves, halves[::-1]):
                for way, weigh in WAYS.items():
                    found[way].append(score(loaded, unseen, weigh(loaded, seen)))
        base = np.array(found["picked (as ensemble does)"])
        print(f"{loaded.spec.name}: {len(valid)} rows, {n} validation rows")
        for way, scores in found.items():
            ahead = np.mean(np.array(scores) - base)
            print(f"  {way:26} {np.nanmean(scores):.4f} ({ahead:+.4f})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
