"""Find a model's default settings on validation rows, and write its recipe.

    python benchmarks/recipe_search.py --model fingerprint.forest

Every setting of the grid is fitted on the training rows of a few datasets and scored on their
validation rows. Test rows are cut off before anything else happens. One setting wins for all: the
best mean skill over the datasets, where skill is 2 AUC - 1 for classification and 1 - MAE / MAE of
the training mean for regression. The recipe keeps the winner, the CSV beside it every score.

Models that read a molecule's own profiles are searched on the two planted datasets, whose
validation part is small, `fingerprint.mlp` on all nine: there a score is the mean of three seeds.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench.contracts import Block, FitContext, Inputs, ModelSpec, TaskInfo
from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.fetch import options_from_env
from chmr_bench.features.cache import featurise
from chmr_bench.lazy import load_object
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.paths import feature_folder
from chmr_bench.plugins import registry
from chmr_bench.settings import build_config
from chmr_bench.types import FloatArray

DATASETS = ("bace", "bbbp", "sider", "chembl2k", "biogen3k")
NINE = (*DATASETS, "broad6k", "toxcast", "clintox", "hiv")
WITH_CELLS = ("planted", "planted-regression")
SEEDS = 3
"""Of a search on `NINE` or `WITH_CELLS`."""

GRIDS: dict[str, dict[str, list[Any]]] = {
    "fingerprint.forest": {
        "features": [["morgan"], ["morgan", "maccs"]],
        "max_features_regression": [0.1, 0.3],
        "min_leaf": [1, 2],
    },
    "fingerprint.boosting": {
        "features": [["morgan"], ["morgan", "maccs"]],
        "learning_rate": [0.05, 0.1],
        "leaves": [8, 16],
    },
    "fingerprint.linear": {
        "features": [["morgan"], ["morgan", "maccs"]],
        "strength": [3.0, 10.0, 30.0, 100.0],
    },
    "fingerprint.knn": {
        "features": [["morgan"], ["morgan", "maccs"]],
        "k": [10, 20, 40, 80, 160],
        "power": [3.0, 5.0, 8.0],
    },
    "fingerprint.gp": {
        "features": [["morgan"], ["morgan", "maccs"]],
        "noise": [0.1, 0.3, 1.0],
    },
    "fingerprint.mlp": {"shapes": [["512"], ["1024-1024-512"], ["512", "1024-1024-512"]]},
    "deepchem.multitask": {"learning_rate": [3e-4, 1e-3], "radius": [2, 4]},
    "cells.mlp": {
        "features": [["morgan", "maccs"]],
        "norm": ["layer", "none"],
        "batch_size": [32, 256],
        "input_dropout": [0.0, 0.3],
    },
    "cells.mlp.late": {
        "features": [["morgan", "maccs"]],
        "norm": ["layer", "none"],
        "batch_size": [32, 256],
        "components": [0, 8],
    },
    "cells.forest": {
        "features": [["morgan", "maccs"]],
        "components": [0, 8],
        "max_features": ["sqrt", 0.1],
    },
}


@dataclass(frozen=True)
class Task:
    """Training and validation rows of a dataset; nothing of its test rows is left."""

    name: str
    tasks: TaskInfo
    smiles: tuple[str, ...]
    train: np.ndarray
    valid: np.ndarray
    y: FloatArray
    cells: Mapping[str, Block]


def open_task(name: str) -> Task:
    """Return a dataset without its test rows."""
    spec = registry().dataset(name).spec
    dataset = open_dataset(spec, options_from_env())
    split = load_object(spec.split_rule)(dataset)
    kept = np.sort(np.concatenate([split.train, split.valid]))
    return Task(
        name=name,
        tasks=TaskInfo(spec.task_type, dataset.task_names, spec.metric),
        smiles=tuple(dataset.smiles[i] for i in kept),
        train=np.searchsorted(kept, split.train),
        valid=np.searchsorted(kept, split.valid),
        y=dataset.y[kept],
        cells={name: block.take(kept) for name, block in dataset.blocks.items()},
    )


def settings_of(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the grid."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def inputs_of(spec: ModelSpec, config: Any, task: Task, jobs: int) -> Inputs:
    """Return what the model may see of the molecules that are left."""
    blocks: dict[str, Block] = {n: block for n, block in task.cells.items() if n in spec.reads}
    for name, request in load_object(spec.factory).needs(config).items():
        feature = registry().feature(request.feature).spec
        blocks[name] = featurise(
            feature, request.settings, task.smiles, n_jobs=jobs, cache=feature_folder()
        )
    return Inputs(task.smiles, blocks)


def valid_score(
    model: str, settings: Mapping[str, Any], task: Task, jobs: int, seeds: int
) -> float:
    """Fit on the training rows and return the validation score, the mean over the seeds."""
    spec = registry().model(model).spec
    config = build_config(spec, settings)
    inputs = inputs_of(spec, config, task, jobs)
    train, valid = inputs.take(task.train), inputs.take(task.valid)
    y_valid = task.y[task.valid]
    scores = []
    for seed in range(seeds):
        fitted = load_object(spec.factory)(config)
        context = FitContext(tasks=task.tasks, seed=seed, n_jobs=jobs)
        fitted.fit(train, task.y[task.train], valid, y_valid, context)
        y_pred = fitted.predict(valid)
        score = macro(score_tasks(task.tasks.metric, task.tasks.task_names, y_valid, y_pred))
        if score is None:
            raise SystemExit(f"{task.name}: no task can be scored on its validation rows")
        scores.append(score)
    return float(np.mean(scores))


def skill(score: float, task: Task) -> float:
    """Return the score as a skill: 0 for knowing nothing, 1 for knowing all."""
    if task.tasks.metric == "roc_auc":
        return 2 * score - 1
    mean = np.nanmean(task.y[task.train], axis=0)
    plain = np.nanmean(np.abs(task.y[task.valid] - mean), axis=0).mean()
    return float(1 - score / plain)


def search(model: str, tasks: list[Task], jobs: int) -> list[dict[str, Any]]:
    """Return a row a setting: its validation scores and their mean skill, best first."""
    rows, (_, seeds) = [], extent_of(model)
    for settings in settings_of(GRIDS[model]):
        start = time.perf_counter()
        scores = {t.name: valid_score(model, settings, t, jobs, seeds) for t in tasks}
        mean = float(np.mean([skill(scores[t.name], t) for t in tasks]))
        rows.append({"settings": settings, "scores": scores, "skill": mean})
        print(f"{mean:.4f} {json.dumps(settings)} {time.perf_counter() - start:.1f} s", flush=True)
    return sorted(rows, key=lambda row: -row["skill"])


def extent_of(model: str) -> tuple[tuple[str, ...], int]:
    """Return the datasets a model is searched on unless told otherwise, and the seeds."""
    if registry().model(model).spec.reads:
        return WITH_CELLS, SEEDS
    return (NINE, SEEDS) if model == "fingerprint.mlp" else (DATASETS, 1)


def recipes_of(model: str) -> Path:
    """Return the folder of the recipes of a model's package."""
    package = registry().model(model).spec.factory.partition(".")[0]
    return Path(__file__).resolve().parents[1] / "baselines" / package / "recipes"


def write(model: str, rows: list[dict[str, Any]], tasks: list[Task]) -> None:
    """Write the recipe and, beside it, every score."""
    best, names = rows[0], [t.name for t in tasks]
    recipes, (datasets, seeds) = recipes_of(model), extent_of(model)
    asked = "" if tuple(names) == datasets else f" --datasets {','.join(names)}"
    lines = ["[settings]", *(f"{k} = {json.dumps(v)}" for k, v in best["settings"].items())]
    lines += [
        "",
        "[found]",
        f'command = "python benchmarks/recipe_search.py --model {model}{asked}"',
        'on = "validation rows; nothing was scored on test rows"',
        f"datasets = {json.dumps(names)}",
        f"skill = {best['skill']:.4f}",
        f"tried = {len(rows)}",
        *([f"seeds = {seeds}"] if seeds > 1 else []),
        f'table = "{model}.csv"',
        "",
        "[found.scores]",
        *(f"{name} = {best['scores'][name]:.4f}" for name in names),
    ]
    (recipes / f"{model}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (recipes / f"{model}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*GRIDS[model], *names, "skill"])
        for row in rows:
            settings = ["+".join(v) if isinstance(v, list) else v for v in row["settings"].values()]
            scores = [f"{row['scores'][name]:.4f}" for name in names]
            writer.writerow([*settings, *scores, f"{row['skill']:.4f}"])


def main() -> None:
    """Parse the command line, search, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, choices=sorted(GRIDS))
    parser.add_argument("--datasets", help="names with commas between them")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    asked = arguments.datasets
    names = asked.split(",") if asked else extent_of(arguments.model)[0]
    tasks = [open_task(name) for name in names]
    rows = search(arguments.model, tasks, arguments.jobs)
    write(arguments.model, rows, tasks)


if __name__ == "__main__":
    main()
