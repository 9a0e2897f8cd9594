"""`fingerprint.forest` on ToxCast against the plain way: one scikit-learn forest a task.

    python benchmarks/forest.py [--tasks 50 | --all] [--trees 250] [--seed 0]

Both grow the same number of trees with the same settings on the same bits, on all cores, and take
turns, so that other work on the machine bears on both alike. Their mean ROC-AUC over the test rows
must agree: a fast wrong forest does not count. The tasks are evenly spaced among those with ten
test molecules of each class at least: the ROC-AUC of fewer moves by more than the tolerance from
one seed to the next, whichever forest it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
from results import result, use_mirror

from chmr_bench.contracts import FitContext, Inputs, TaskInfo
from chmr_bench.data.fetch import options_from_env
from chmr_bench.errors import ChmrBenchError
from chmr_bench.features.bits import bits_of
from chmr_bench.features.cache import available_cores
from chmr_bench.metrics import macro, score_tasks
from chmr_bench.plugins import registry
from chmr_bench.runner import DatasetRequest, Datasets, SplitRequest
from chmr_bench.types import FloatArray
from chmr_bench_fingerprints.forest import Forest, ForestConfig

RATIO_TARGET, AUC_TOLERANCE = 3.0, 0.005
DATASET = "toxcast"
MINORITY = 10
GROUP = 10
"""Tasks that our forest gets at a time, between the turns of the plain loop."""


@dataclass(frozen=True)
class Data:
    """ToxCast's training and test rows."""

    train: Inputs
    test: Inputs
    y_train: FloatArray
    y_test: FloatArray
    task_names: tuple[str, ...]


def load(config: ForestConfig, jobs: int) -> Data:
    """Return the data on the reference split; the features come from the cache if they can."""
    use_mirror()
    datasets = Datasets(options_from_env(), jobs)
    opened = datasets.load(DatasetRequest(name=DATASET))
    split = opened.split(SplitRequest("reference"))
    spec = registry().model("fingerprint.forest").spec
    inputs = opened.inputs(spec, Forest.needs(config))
    y = opened.dataset.y
    return Data(
        inputs.take(split.train),
        inputs.take(split.test),
        y[split.train],
        y[split.test],
        opened.dataset.task_names,
    )


def ours(data: Data, tasks: list[int], config: ForestConfig, seed: int, jobs: int) -> FloatArray:
    """Return our forest's predictions for some tasks, (n_test, k)."""
    info = TaskInfo("classification", tuple(data.task_names[j] for j in tasks), "roc_auc")
    forest = Forest(config)
    y = data.y_train[:, tasks]
    forest.fit(data.train, y, data.test.take(np.arange(0)), y[:0], FitContext(info, seed, jobs))
    return forest.predict(data.test)


def plain(data: Data, tasks: list[int], config: ForestConfig, seed: int, jobs: int) -> FloatArray:
    """Return the predictions of one scikit-learn forest a task, (n_test, k)."""
    from sklearn.ensemble import RandomForestClassifier

    bits = bits_of(data.train, config).toarray()
    test_bits = bits_of(data.test, config).toarray()
    columns = []
    for task in tasks:
        labels = data.y_train[:, task]
        rows = np.flatnonzero(np.isfinite(labels))
        model = RandomForestClassifier(config.n_trees, n_jobs=jobs, random_state=seed)
        shares = model.fit(bits[rows], labels[rows]).predict_proba(test_bits)
        columns.append(
            shares[:, -1] if shares.shape[1] == 2 else labels[rows][0] + 0 * shares[:, 0]
        )
    return np.column_stack(columns)


def auc(data: Data, tasks: list[int], y_pred: FloatArray) -> float:
    """Return the mean ROC-AUC over the tasks that have two classes in test."""
    names = [data.task_names[j] for j in tasks]
    value = macro(score_tasks("roc_auc", names, data.y_test[:, tasks], y_pred))
    return float("nan") if value is None else value


def compare(
    data: Data, tasks: list[int], config: ForestConfig, seed: int, jobs: int
) -> list[float]:
    """Return (seconds of ours, seconds of plain, AUC of ours, AUC of plain)."""
    seconds = {ours: 0.0, plain: 0.0}
    parts: dict[object, list[FloatArray]] = {ours: [], plain: []}
    for begin in range(0, len(tasks), GROUP):
        group = tasks[begin : begin + GROUP]
        for way in (ours, plain):
            begun = time.perf_counter()
            parts[way].append(way(data, group, config, seed, jobs))
            seconds[way] += time.perf_counter() - begun
        print(
            f"{begin + len(group):4d} of {len(tasks)} tasks: ours {seconds[ours]:.1f} s, "
            f"plain {seconds[plain]:.1f} s",
            flush=True,
        )
    scores = [auc(data, tasks, np.hstack(parts[way])) for way in (ours, plain)]
    return [seconds[ours], seconds[plain], *scores]


def main() -> int:
    """Parse the arguments, measure, report; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tasks", type=int, default=50, help="evenly spaced tasks")
    parser.add_argument("--all", action="store_true", help="all 617 tasks")
    parser.add_argument("--trees", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=available_cores())
    arguments = parser.parse_args()
    config = ForestConfig.model_validate({"n_trees": arguments.trees})
    try:
        data = load(config, arguments.jobs)
    except ChmrBenchError as error:
        print(f"skipped: ToxCast is not here ({error})")
        return 0
    tasks = spaced(data, None if arguments.all else arguments.tasks)
    one_tree = ForestConfig.model_validate({"n_trees": 1})
    ours(data, tasks[:1], one_tree, 0, 1)  # compile, once for all runs to come
    results = compare(data, tasks, config, arguments.seed, arguments.jobs)
    return report(results, len(tasks), config.n_trees)


def spaced(data: Data, count: int | None) -> list[int]:
    """Return `count` evenly spaced tasks with enough of both classes in test, or all tasks."""
    t = len(data.task_names)
    if count is None:
        return list(range(t))
    of_class = [(data.y_test == label).sum(axis=0) for label in (0, 1)]
    enough = np.flatnonzero(np.minimum(*of_class) >= MINORITY)
    steps = np.linspace(0, len(enough) - 1, count).astype(int)
    return [int(j) for j in np.unique(enough[steps])]


def report(results: list[float], n_tasks: int, n_trees: int) -> int:
    """Print the comparison, also as `run.py` reads it; return 1 where a target is missed."""
    seconds, plain_seconds, score, plain_score = results
    ratio, gap = plain_seconds / seconds, abs(score - plain_score)
    print(f"\n{n_tasks} tasks of ToxCast, {n_trees} trees each")
    print(f"fingerprint.forest      {seconds:8.1f} s   mean ROC-AUC {score:.4f}")
    print(f"one sklearn forest a task {plain_seconds:6.1f} s   mean ROC-AUC {plain_score:.4f}")
    what = "forest on ToxCast"
    fast = result(f"{what}, times one sklearn forest a task", ratio, at_least=RATIO_TARGET)
    same = result(f"{what}, difference in ROC-AUC", gap, at_most=AUC_TOLERANCE)
    return int(not (fast and same))


if __name__ == "__main__":
    sys.exit(main())
