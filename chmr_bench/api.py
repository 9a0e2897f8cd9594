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

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, Unpack

from chmr_bench.cli.options import FetchGroup, OutputGroup, SplitGroup, TableGroup, WorkGroup
from chmr_bench.contracts import Dataset, Split
from chmr_bench.errors import DataError, UnknownNameError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from chmr_bench.data.requests import TableOptions
    from chmr_bench.records import RecordStore
    from chmr_bench.runner import Datasets, LoadedDataset
    from chmr_bench.sweep import Plan, Request, Summary

Names: TypeAlias = str | Iterable[str]
"""One name, or several."""
DEFAULT_OUT = "leaderboards"
Group = TypeVar("Group")


class DataOptions(TypedDict, total=False):
    """Where data come from, and how a user's table is read.

    Attributes
    ----------
    smiles
        SMILES column of a table.
    tasks
        One or more task columns.
    task_type
        ``classification`` or ``regression``; else seen from the labels.
    metric
        ``roc_auc``, ``average_precision``, ``mae``, ``rmse`` or ``r2``.
    on_invalid
        ``stop`` at unreadable rows, or ``drop`` and count them.
    delimiter
        Of a table's text; else seen from the file.
    decimal
        Decimal mark; else seen from the file.
    encoding
        Of a table's text; else seen from the file.
    censored
        What becomes of a value such as ``>10``: ``stop``, ``drop``, or its ``bound``.
    id
        Column of the molecules' names.
    mirror
        Folder or URL to take the data from.
    offline
        Use no network.
    jobs
        Cores; 0 = all.
    """

    smiles: str
    tasks: Names
    task_type: str
    metric: str
    on_invalid: str
    delimiter: str
    decimal: str
    encoding: str
    censored: str
    id: str
    mirror: str
    offline: bool
    jobs: int


class RunOptions(DataOptions, total=False):
    """The options of `run` and `ablate` beside models and data.

    Attributes
    ----------
    split
        ``reference``, ``scaffold``, ``strict``, ``random``, ``cv5x5`` or ``deepchem:NAME``.
    split_seeds
        Number of seeds of a drawn split: 0 to N-1.
    split_seed
        These seeds of a drawn split.
    seeds
        Number of seeds of the model: 0 to N-1.
    seed
        These seeds of the model.
    settings
        ``{"key": value}``, or ``{"model:key": value}`` for one model: ``--set``.
    device
        ``auto``, ``cpu`` or ``cuda``.
    precision
        ``float32`` or ``bfloat16``.
    time_limit
        Seconds that a job may take; else any time.
    memory_limit
        GB that a job may use; else 90 % of the machine's memory.
    keep_failed
        Leave failed jobs as they are; else they are tried again.
    quiet
        Show no plan and no progress.
    """

    split: str
    split_seeds: int
    split_seed: Sequence[int]
    seeds: int
    seed: Sequence[int]
    settings: Mapping[str, Any]
    device: str
    precision: str
    time_limit: float
    memory_limit: float
    keep_failed: bool
    quiet: bool


class MaskingOptions(RunOptions, total=False):
    """The options of `ablate` beside those of `run`.

    Attributes
    ----------
    modality
        Mask these modalities alone; else all.
    stage
        ``pretrain``, ``finetune``, ``test``, or ``world`` for all of them.
    mechanism
        ``random``, ``scaffold``, ``asymmetric`` or ``activity``.
    fill
        What the harness imputes: ``none``, ``zero``, ``mean``, ``neighbour`` or ``propagation``.
    control
        ``shuffled``: also with permuted profiles.
    hide_seed
        One draw for all runs; else each run's own seed.
    """

    modality: Names
    stage: Names
    mechanism: str
    fill: str
    control: Names
    hide_seed: int


def run(
    model: Names,
    dataset: Names = (),
    *,
    suite: Names = (),
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[RunOptions],
) -> pd.DataFrame:
    """Run models on datasets; what is on record is not computed again.

    Parameters
    ----------
    model
        One or more models; ``chmr-bench list models`` shows them.
    dataset
        Registered names, files of tables, or ``molnet:NAME``.
    suite
        Datasets by suite: ``all``, ``demo``, ...
    out
        Folder of the records and tables.
    **options
        See `RunOptions`.

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

    from chmr_bench.report import results

    _check(options, RunOptions)
    request = _request(_listed(model), _listed(dataset), _listed(suite), options)
    plan, summary, store = _swept(request, Path(out), options)
    return pd.DataFrame(results.rows(_records(plan, summary), store))


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
    import dataclasses

    import pandas as pd

    from chmr_bench.cli import ablate as command
    from chmr_bench.report.curve_tables import as_rows
    from chmr_bench.report.curves import families_of

    _check(options, MaskingOptions)
    if "seeds" not in options and "seed" not in options:
        options["seeds"] = command.SEEDS
    suites = _listed(suite) if suite or dataset else [command.SUITE]
    request = _request(_listed(model) or [command.MODEL], _listed(dataset), suites, options)
    shares = [missing] if isinstance(missing, int | float) else missing
    kind = command.masking(
        _listed(options.get("stage", ())),
        _listed(options.get("modality", ())),
        options.get("mechanism", "random"),
        options.get("fill", "none"),
    )
    masked = command.masked_in_turn(
        request, kind, ",".join(map(str, shares)), _listed(options.get("control", ()))
    )
    request = dataclasses.replace(request, missing=masked, hide_seed=options.get("hide_seed"))
    plan, summary, store = _swept(request, Path(out), options)
    mine = {record.identity for record in _records(plan, summary) if record.missing}
    found = [f for f in families_of(store) if any(mine & set(c.identities) for c in f.curves)]
    return pd.DataFrame(as_rows(found))


def evaluate(
    y_pred: Any,
    dataset: str,
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
        Registered name, file of a table, or ``molnet:NAME``.
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
    import pandas as pd

    from chmr_bench.records import Predictions
    from chmr_bench.runner import scoring
    from chmr_bench.runner.clusters import connectivity_clusters

    data, parts = _loaded(dataset, split, split_seed, options)
    values = _values(y_pred, data, parts)
    predictions = Predictions(parts.test, values, data.dataset.task_names)
    clusters = connectivity_clusters(data, parts.test)
    metrics, _ = scoring.score(data.spec, data.dataset, predictions, clusters)
    mean = {"task": "mean of tasks", "score": metrics.macro, "low": metrics.low}
    mean |= {"high": metrics.high, "n": len(parts.test), "evaluable": metrics.n_evaluable > 0}
    frame = pd.DataFrame([mean, *(task.model_dump() for task in metrics.per_task)])
    return frame.assign(metric=metrics.metric)


def load_dataset(
    dataset: str,
    split: str = "",
    split_seed: int = 0,
    **options: Unpack[DataOptions],
) -> tuple[Dataset, Split]:
    """Return a dataset and which of its rows are train, valid and test.

    Parameters
    ----------
    dataset
        As in `evaluate`.
    split
        As in `evaluate`.
    split_seed
        As in `evaluate`.
    **options
        See `DataOptions`.

    Examples
    --------
    >>> from chmr_bench import load_dataset
    >>> data, parts = load_dataset("planted")  # doctest: +SKIP
    >>> len(data), len(parts.test)  # doctest: +SKIP
    (900, 600)
    """
    data, parts = _loaded(dataset, split, split_seed, options)
    return data.dataset, parts


def compare(
    baseline: str,
    *models: str,
    dataset: Names = (),
    suite: Names = (),
    split: str = "",
    out: str | Path = DEFAULT_OUT,
    **options: Unpack[DataOptions],
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
    out
        Folder of the records.
    **options
        See `DataOptions`.

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
    import pandas as pd

    from chmr_bench.plugins import registry
    from chmr_bench.records import RecordStore
    from chmr_bench.report import comparison

    _check(options, DataOptions)
    names = [n for s in _listed(suite) for n in registry().suite(s).datasets] + _listed(dataset)
    query = comparison.Query((baseline, *models), tuple(dict.fromkeys(names)), split)
    found = comparison.compare(RecordStore(Path(out)), _datasets(options), query)
    return pd.DataFrame(
        {"dataset": on["dataset"], "split": on["split"], "metric": on["metric"]}
        | {k: v for k, v in gain.items() if not isinstance(v, dict | list)}
        | {"gain" if k == "mean" else k: v for k, v in (gain["difference"] or {}).items()}
        for on in comparison.as_dict(found)["datasets"]
        for gain in on["gains"]
    )


def load_runs(out: str | Path = DEFAULT_OUT) -> pd.DataFrame:
    """Return every run of a folder of records, one a row.

    Parameters
    ----------
    out
        Folder of the records.

    Examples
    --------
    >>> from chmr_bench import load_runs
    >>> load_runs("leaderboards").groupby(["dataset", "model"])["score"].mean()  # doctest: +SKIP
    """
    from chmr_bench.records import RecordStore
    from chmr_bench.report.runs import runs_frame

    store = RecordStore(Path(out))
    if not Path(out).is_dir():
        raise UsageError(f"{out}: no such folder; name the folder of the records")
    return runs_frame(store)


# --------------------------------------------------------------------------- options to requests


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _check(options: Mapping[str, Any], kind: type) -> None:
    """Raise UnknownNameError for an unknown option: a typed dict checks nothing."""
    for name in options:
        if name not in kind.__annotations__:
            raise UnknownNameError("option", name, kind.__annotations__)


def _table(options: Mapping[str, Any]) -> TableOptions:
    return _group(TableGroup, options).options()


def _datasets(options: Mapping[str, Any]) -> Datasets:
    from chmr_bench.cli.requests import cores
    from chmr_bench.runner import Datasets

    return Datasets(_group(FetchGroup, options).options(), cores(options.get("jobs", 0)))


def _group(kind: type[Group], options: Mapping[str, Any]) -> Group:
    """Return a group of the command line's options with those that are given."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: options[name] for name in names if name in options})


def _request(
    models: list[str], datasets: list[str], suites: list[str], options: Mapping[str, Any]
) -> Request:
    import json

    from chmr_bench.cli import requests

    seeds = requests.chosen_seeds(options.get("seeds"), list(options.get("seed", ())))
    settings = [f"{k}={json.dumps(v)}" for k, v in options.get("settings", {}).items()]
    request = requests.make_request(models, suites, datasets, _table(options), seeds, settings)
    split, work = _group(SplitGroup, options), _group(WorkGroup, options)
    return requests.with_choices(request, split, work, options.get("keep_failed", False))


def _swept(
    request: Request, out: Path, options: Mapping[str, Any]
) -> tuple[Plan, Summary, RecordStore]:
    """Do what is to be done, as the command line does it, and return what came of it."""
    from chmr_bench.cli import execution

    done: list[tuple[Plan, Summary, RecordStore]] = []

    def keep(plan: Plan, summary: Summary, store: RecordStore, output: OutputGroup) -> None:
        done.append((plan, summary, store))

    run_options = _group(WorkGroup, options).run_options(_group(FetchGroup, options))
    output = OutputGroup(out=out, quiet=options.get("quiet", False))
    execution.sweep(request, run_options, output, keep)
    (result,) = done
    if result[1].interrupted:
        raise KeyboardInterrupt
    return result


def _records(plan: Plan, summary: Summary) -> list[Any]:
    from chmr_bench.cli import execution

    return execution.records(plan, summary)


def _loaded(
    dataset: str, split: str, split_seed: int, options: Mapping[str, Any]
) -> tuple[LoadedDataset, Split]:
    from chmr_bench.cli import requests
    from chmr_bench.runner import SplitRequest

    _check(options, DataOptions)
    (request,) = requests.data_requests(None, [dataset], _table(options))
    data = _datasets(options).load(request)
    return data, data.split(SplitRequest(split or data.spec.split, split_seed))


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
    values = np.asarray(y_pred, dtype=float)
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
