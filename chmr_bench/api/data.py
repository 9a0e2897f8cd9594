"""Datasets and their splits, and the score of predictions made anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from chmr_bench.api.arguments import checked
from chmr_bench.api.options import DataOptions, Names
from chmr_bench.contracts import Dataset, Split

if TYPE_CHECKING:
    import pandas as pd


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
    from chmr_bench.api.evaluation import loaded
    from chmr_bench.api.options import fetch_options
    from chmr_bench.api.requests import cell_atlases
    from chmr_bench.runner.own_profiles import attached

    atlases = cell_atlases(cells)
    data, parts = loaded(dataset, split, split_seed, options)
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
    from chmr_bench.api.evaluation import loaded, scored

    return scored(y_pred, *loaded(dataset, split, split_seed, options))
