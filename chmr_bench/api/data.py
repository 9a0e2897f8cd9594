"""Datasets and their splits, and the score of predictions made anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from chmr_bench.api.arguments import checked, in_words
from chmr_bench.api.options import DataOptions, Names, Options, datasets_of, fetch_options
from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from chmr_bench.runner import LoadedDataset


@checked(DataOptions)
def load_dataset(
    dataset: str | Path,
    split: str = "",
    split_seed: int = 0,
    cells: Names = (),
    **options: Unpack[DataOptions],
) -> tuple[Dataset, Split]:
    """Load a dataset, and say which of its rows are train, valid and test.

    Parameters
    ----------
    dataset
        As in `evaluate`.
    split
        As in `evaluate`.
    split_seed
        As in `evaluate`.
    cells
        Atlases whose profiles of these molecules become blocks of the dataset.
    **options
        See `DataOptions`.

    Returns
    -------
    data : Dataset
        n molecules: ``data.smiles``, ``data.y`` (n, t) with NaN = not measured,
        ``data.task_names``, and ``data.blocks``, cell profiles of n rows each.
    parts : Split
        ``parts.train``, ``parts.valid`` and ``parts.test``: disjoint, ascending row numbers from 0.

    Raises
    ------
    UnknownNameError
        No dataset, split method or atlas has that name.
    DataError
        The table cannot be read, or the data cannot be had.

    Examples
    --------
    >>> from chmr_bench import load_dataset
    >>> data, parts = load_dataset("planted")  # doctest: +SKIP
    >>> len(data), len(parts.test)  # doctest: +SKIP
    (900, 600)
    """
    from chmr_bench.api.requests import cell_atlases
    from chmr_bench.runner.own_profiles import attached

    atlases = cell_atlases(cells)
    data, parts = _loaded(dataset, split, split_seed, options)
    if atlases:
        data = attached(data, atlases, fetch_options(options))
    return data.dataset, parts


@checked(DataOptions)
def evaluate(
    y_pred: Any,
    dataset: str | Path,
    split: str = "",
    split_seed: int = 0,
    **options: Unpack[DataOptions],
) -> pd.DataFrame:
    """Score predictions made anywhere, as the harness scores its own.

    Parameters
    ----------
    y_pred : array or DataFrame, (n_test, t) or (n, t)
        Probabilities of class 1, or values in the unit of the labels. A row a test molecule in the
        dataset's order, or a row a molecule of the dataset. A frame's columns are task names.
    dataset
        Registered name, file of a table, ``molnet:NAME``, or ``NAME+ATLAS``: the molecules that the
        atlas has measured.
    split
        ``reference``, ``scaffold``, ``strict``, ``random``, ``cv5x5`` or ``deepchem:NAME``; the
        dataset's own where not said.
    split_seed
        Seed of a drawn split.
    **options
        See `DataOptions`.

    Returns
    -------
    pandas.DataFrame
        The first row is the unweighted mean over tasks that can be evaluated, the others are one a
        task: score, 95 % interval over test molecules, labelled molecules.

    Raises
    ------
    DataError
        The predictions have another shape.
    PredictionError
        They are not finite, or no probabilities.

    Examples
    --------
    >>> from chmr_bench import evaluate, load_dataset
    >>> data, parts = load_dataset("planted")  # doctest: +SKIP
    >>> y_pred = my_model.predict([data.smiles[i] for i in parts.test])  # doctest: +SKIP
    >>> evaluate(y_pred, "planted").iloc[0]  # doctest: +SKIP
    """
    return _scored(y_pred, *_loaded(dataset, split, split_seed, options))


def _loaded(
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
    return data, data.split(SplitRequest.of(method, split_seed))


def _scored(y_pred: Any, data: LoadedDataset, parts: Split) -> pd.DataFrame:
    """Return the mean over the tasks that can be evaluated, then a row a task."""
    import pandas as pd

    from chmr_bench.records import Predictions
    from chmr_bench.runner import scoring

    predictions = Predictions(parts.test, _values(y_pred, data, parts), data.dataset.task_names)
    clusters = scoring.clusters_of(data.keys_of(parts.test))
    metrics, _ = scoring.score(data.spec, data.dataset, predictions, clusters)
    mean = {"task": "mean of tasks", "score": metrics.macro, "low": metrics.low}
    mean |= {"high": metrics.high, "n": len(parts.test), "evaluable": metrics.n_evaluable > 0}
    frame = pd.DataFrame([mean, *(task.model_dump() for task in metrics.per_task)])
    return frame.assign(metric=metrics.metric)


def _values(y_pred: Any, data: LoadedDataset, parts: Split) -> Any:
    """Return predictions (n_test, t), checked, in the order of the dataset's tasks."""
    import numpy as np
    import pandas as pd

    from chmr_bench.runner.checking import NUMBERS, check_predictions

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
        given = np.asanyarray(y_pred)
        is_plain = given.dtype.kind in NUMBERS and not np.ma.is_masked(given)
        values = np.asarray(given, dtype=float) if is_plain else np.empty(())
    except (TypeError, ValueError, RuntimeError):  # rows of other lengths, a tensor with a gradient
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
