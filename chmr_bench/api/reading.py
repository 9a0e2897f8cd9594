"""What reads records: `compare` and `load_runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from chmr_bench.api.arguments import checked
from chmr_bench.api.options import DEFAULT_OUT, Names, SourceOptions

if TYPE_CHECKING:
    import pandas as pd


@checked(SourceOptions)
def compare(
    baseline: str,
    *models: str,
    dataset: Names = (),
    suite: Names = (),
    split: str = "",
    tasks: Names = (),
    protocol: str = "",
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[SourceOptions],
) -> pd.DataFrame:
    """Compare models with a baseline on the predictions that are on record.

    Parameters
    ----------
    baseline
        A model, or a row as the tables call it.
    *models
        What is compared with it.
    dataset
        Datasets to compare on; all that are on record where nothing is named.
    suite
        Suites to compare on.
    split
        Records on this split; ``reference`` where not said, or the only split there is.
    tasks
        Task columns of a user's table, where a folder holds several endpoints of one table.
    protocol
        ``cv5x5``: analysis of variance and Tukey over 25 folds.
    out
        Folder of the records.
    **options
        See `SourceOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a dataset and model: the paired gain over the baseline with its 95 % interval, p, p
        after Holm's correction over datasets, and the verdict.

    Examples
    --------
    >>> from chmr_bench import compare
    >>> compare("mean", "fingerprint.knn", out="runs")  # doctest: +SKIP
    """
    from chmr_bench.api.comparison import comparison_of, gains_frame

    given = {**options, "suite": suite, "dataset": dataset, "out": out}
    given |= {"split": split, "tasks": tasks, "protocol": protocol}
    return gains_frame(comparison_of((baseline, *models), given))


@checked()
def load_runs(out: str | Path = DEFAULT_OUT) -> pd.DataFrame:
    """Return every run of a folder of records, one a row; warn of what is damaged.

    A `UserWarning` names files that cannot be read and runs whose stored predictions are damaged,
    with the way out.

    Parameters
    ----------
    out
        Folder of the records.

    Returns
    -------
    pandas.DataFrame
        ``dataset``, ``split``, ``split_seed``, ``model`` and ``seed`` say which run it is (a
        ``seed`` of NaN: the model is deterministic); ``row`` is the model with its changed
        settings, as the tables call it. ``score`` is the unweighted mean over tasks in ``metric``,
        ``low`` and ``high`` the ends of its 95 % interval over test molecules; all NaN where
        ``failed``. ``missing`` is what was masked (None: nothing), ``identity`` the run's name in
        the records.

    Raises
    ------
    UsageError
        The folder is not there.

    Examples
    --------
    >>> from chmr_bench import load_runs
    >>> load_runs("leaderboards").groupby(["dataset", "model"])["score"].mean()  # doctest: +SKIP
    """
    import warnings

    from chmr_bench.display.damage import damage_notes
    from chmr_bench.records import RecordStore, no_records
    from chmr_bench.report.runs import runs_frame

    store = RecordStore(Path(out))
    if not Path(out).is_dir():
        raise no_records(Path(out))
    if damaged := damage_notes(store):
        warnings.warn("\n".join(damaged), stacklevel=2)
    return runs_frame(store)
