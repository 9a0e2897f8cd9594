"""The Python door: what the command line does, from a script or a notebook, with frames returned.

Options are those of the command line, with the same names and defaults (``--split-seeds 5`` is
``split_seeds=5``); what can be given repeatedly there is a name or a list of names here.

Examples
--------
>>> from chmr_bench import run, compare
>>> run("fingerprint.knn", suite="demo", out="runs")  # doctest: +SKIP
>>> compare("mean", "fingerprint.knn", out="runs")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from chmr_bench.api.arguments import checked
from chmr_bench.api.options import (
    DataOptions,
    MaskingOptions,
    MatchOptions,
    Names,
    SourceOptions,
    SweepOptions,
    setting_words,
    with_named,
)
from chmr_bench.contracts import Dataset, Split

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_OUT = "leaderboards"


@checked(SweepOptions)
def run(
    model: Names,
    dataset: Names = (),
    *,
    suite: Names = (),
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[SweepOptions],
) -> pd.DataFrame:
    """Run models on datasets; what is on record is not computed again.

    Parameters
    ----------
    model
        One or more models; ``chmr-bench list models`` shows them.
    dataset
        Registered names, files of tables, or ``molnet:NAME``; ``NAME+ATLAS`` for the molecules of
        a dataset that an atlas has measured.
    suite
        Datasets by suite: ``all``, ``demo``, ...
    out
        Folder of the records and tables; for a table of your own one without boards, for it then
        holds your molecules.
    **options
        See `SweepOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, dataset and split: mean and s.d. over seeds, and the 95 % interval.

    Raises
    ------
    ChmrBenchError
        What the command line would say; a job that fails is counted in ``n_failed`` instead.

    Examples
    --------
    >>> from chmr_bench import run
    >>> frame = run(["mean", "fingerprint.knn"], "planted", out="runs")  # doctest: +SKIP
    >>> frame[["model", "mean", "low", "high"]]  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.requests import make_request
    from chmr_bench.api.sweeps import done
    from chmr_bench.report import results

    given = with_named(options, model=model, dataset=dataset, suite=suite, out=out)
    work = done(make_request(given), given)
    return pd.DataFrame(results.rows(work.records(), work.store))


@checked(MaskingOptions)
def ablate(
    missing: float | Sequence[float] = 0.5,
    *,
    model: Names = (),
    dataset: Names = (),
    suite: Names = (),
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[MaskingOptions],
) -> pd.DataFrame:
    """Mask a share of the cell read-outs, and measure what each model loses.

    Parameters
    ----------
    missing
        Shares that are masked, 0 to 1; 0 is always run.
    model
        As in `run`; ``chmr`` where none is named.
    dataset
        As in `run`.
    suite
        As in `run`; ``cells`` where no data is named.
    out
        Folder of the records and tables.
    **options
        See `MaskingOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, dataset, setting and share: the paired change with its 95 % interval.

    Examples
    --------
    >>> from chmr_bench import ablate
    >>> ablate([0.5, 1], model="cells.forest", dataset="planted", seeds=3)  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.requests import make_masked_request
    from chmr_bench.api.sweeps import done
    from chmr_bench.report.curve_tables import as_rows

    given = with_named(options, model=model, dataset=dataset, suite=suite, out=out)
    shares = [missing] if isinstance(missing, int | float) else missing
    given["missing"] = ",".join(map(str, shares))
    families = done(make_masked_request(given), given).families()
    curves = [curve for family in families for curve in family.curves]
    atlases = [curve.facts["own_profiles"] for curve in curves for _ in curve.points]
    return pd.DataFrame(as_rows(families)).assign(own_profiles=atlases)


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


@checked(SourceOptions)
def compare(
    baseline: str,
    *models: str,
    dataset: Names = (),
    suite: Names = (),
    split: str = "",
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
        Records on this split; ``reference`` where not said.
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
    given |= {"split": split, "protocol": protocol}
    return gains_frame(comparison_of((baseline, *models), given))


@checked(MatchOptions)
def match(
    model: Names, atlas: Names, *, out: str | Path | None = None, **options: Unpack[MatchOptions]
) -> pd.DataFrame:
    """Rank held-out profiles for a molecule, and molecules for a profile.

    Parameters
    ----------
    model
        One or more models; those that cannot match are left out, unless none can.
    atlas
        Atlases whose pairs are matched, by name or ``folder:PATH``.
    out
        Folder for a page and a JSON file with every rank; none where it is not said.
    **options
        See `MatchOptions`.

    Returns
    -------
    pandas.DataFrame
        A row a model, block of the atlas, way and measure: the score with its 95 % interval, what
        chance gives, and whether the interval is above it, below it, or includes it.

    Raises
    ------
    UsageError
        No named model can match.
    DataError
        An atlas cannot be had, or has too few pairs.

    Examples
    --------
    >>> from chmr_bench import match
    >>> match("infoalign", "planted")  # doctest: +SKIP
    """
    import pandas as pd

    from chmr_bench.api.matching import matchings_of
    from chmr_bench.isolation import NoReceiver
    from chmr_bench.report.matching import match_rows, write_matchings

    given = {**options, "model": model, "atlas": atlas}
    given["setting"] = setting_words(options)
    matchings = matchings_of(given, lambda job: NoReceiver())
    if out is not None:
        write_matchings(matchings, Path(out))
    return pd.DataFrame(match_rows(matchings))


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
