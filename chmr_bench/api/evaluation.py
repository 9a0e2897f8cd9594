"""A dataset by name with its split, and predictions of it that were made anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chmr_bench.api.arguments import in_words
from chmr_bench.api.options import Options, datasets_of
from chmr_bench.contracts import Split
from chmr_bench.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from chmr_bench.runner import LoadedDataset


def loaded(
    dataset: str | Path, split: str, split_seed: int, options: Options
) -> tuple[LoadedDataset, Split]:
    """Return a dataset, and which of its rows are train, valid and test."""
    from chmr_bench.api.requests import data_requests
    from chmr_bench.display.console import print_note
    from chmr_bench.display.remarks import unused_seeds
    from chmr_bench.runner import SplitRequest

    (request,) = data_requests({**options, "dataset": dataset})
    data = datasets_of(options).load(request)
    method = split or data.spec.split
    for remark in unused_seeds({method}, (split_seed,)):
        print_note(f"note: {remark}")
    return data, data.split(SplitRequest(method, split_seed))


def scored(y_pred: Any, data: LoadedDataset, parts: Split) -> pd.DataFrame:
    """Return the mean over the tasks that can be evaluated, then a row a task."""
    import pandas as pd

    from chmr_bench.records import Predictions
    from chmr_bench.runner import scoring
    from chmr_bench.runner.clusters import connectivity_clusters

    predictions = Predictions(parts.test, _values(y_pred, data, parts), data.dataset.task_names)
    clusters = connectivity_clusters(data, parts.test)
    metrics, _ = scoring.score(data.spec, data.dataset, predictions, clusters)
    mean = {"task": "mean of tasks", "score": metrics.macro, "low": metrics.low}
    mean |= {"high": metrics.high, "n": len(parts.test), "evaluable": metrics.n_evaluable > 0}
    frame = pd.DataFrame([mean, *(task.model_dump() for task in metrics.per_task)])
    return frame.assign(metric=metrics.metric)


def _values(y_pred: Any, data: LoadedDataset, parts: Split) -> Any:
    """Return predictions (n_test, t), checked, in the order of the dataset's tasks."""
    import numpy as np
    import pandas as pd

    from chmr_bench.runner.checking import check_predictions

    tasks = data.dataset.task_names
    if isinstance(y_pred, pd.DataFrame):
        absent = [task for task in tasks if task not in y_pred.columns]
        if absent:
            raise DataError(
                f"the predictions have no column {absent[0]!r}; expected a column a task: "
                f"{', '.join(tasks[:10])}{', ...' * (len(tasks) > 10)}"
            )
        y_pred = y_pred[list(tasks)].to_numpy()
    try:
        values = np.asarray(y_pred, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(())
    if values.ndim == 0:
        raise UsageError(
            f"evaluate: y_pred={in_words(y_pred)}: expected numbers, a row a test molecule"
        )
    values = values[:, None] if values.ndim == 1 else values
    if len(values) == len(data.dataset) and len(values) != len(parts.test):
        values = values[parts.test]
    shape = (len(parts.test), len(tasks))
    if values.shape != shape:
        raise DataError(
            f"the predictions have shape {values.shape}; expected {shape}, a row a test molecule "
            f"and a column a task, or {(len(data.dataset), len(tasks))}, all molecules"
        )
    return check_predictions(values, shape, data.spec.task_type == "classification")
