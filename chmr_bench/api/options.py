"""The options that the Python door and the command line share, and what they become."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from chmr_bench.api.arguments import in_words
from chmr_bench.data.fetch import FetchOptions, options_from_env
from chmr_bench.data.requests import TableOptions
from chmr_bench.errors import SettingError, UsageError
from chmr_bench.isolation import Limits

if TYPE_CHECKING:
    from chmr_bench.records import RecordStore
    from chmr_bench.runner import Datasets, RunOptions

DEFAULT_OUT = "leaderboards"
"""Folder of records and tables where none is named."""
Names: TypeAlias = str | Path | Iterable[str | Path]
"""One name, or several."""
Options: TypeAlias = Mapping[str, Any]
"""Option -> value; what is not in it has its default."""
LEAST_MEMORY = 0.2
"""GB of a worker process that has computed nothing yet."""
MEMORY_SHARE = 0.9
"""Of the memory that machine and control groups leave: what a job may use where nothing is said."""


class SourceOptions(TypedDict, total=False):
    """Where data come from, and on how many cores.

    Attributes
    ----------
    mirror
        Folder or URL to take the data from.
    offline
        Use no network.
    jobs
        Cores; 0 = all.
    """

    mirror: str | Path
    offline: bool
    jobs: int


class WorkOptions(SourceOptions, total=False):
    """How models are set and where they run, beside `SourceOptions`.

    Attributes
    ----------
    settings
        ``{"key": value}``, or ``{"model:key": value}`` for one model: ``--set``.
    device
        ``auto``, ``cpu`` or ``cuda``.
    precision
        ``float32`` or ``bfloat16``.
    time_limit
        Seconds that a job, or a model on an atlas, may take; else any time.
    memory_limit
        GB that it may use; else 90 % of the machine's memory.
    """

    settings: Mapping[str, Any]
    device: str
    precision: str
    time_limit: float
    memory_limit: float


class DataOptions(SourceOptions, total=False):
    """How a user's table is read, beside `SourceOptions`.

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
    parts
        Column of ``train``, ``valid`` or ``test``: a split of the table's own, by time for one.
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
    parts: str


class SweepOptions(DataOptions, WorkOptions, total=False):
    """The options of `run` and `ablate`, beside `DataOptions` and `WorkOptions`.

    Attributes
    ----------
    split
        ``reference``, ``scaffold``, ``strict``, ``random``, ``cv5x5`` or ``deepchem:NAME``.
    split_seeds
        Number of seeds of a drawn split: 0 to N-1.
    split_seed
        This seed of a drawn split, or these.
    seeds
        Number of seeds of the model: 0 to N-1.
    seed
        This seed of the model, or these.
    cells
        Atlases whose profiles of the dataset's own molecules are attached; models that read cells
        are given them.
    keep_failed
        Leave failed jobs as they are; else they are tried again.
    quiet
        Show no progress.
    """

    split: str
    split_seeds: int
    split_seed: int | Sequence[int]
    seeds: int
    seed: int | Sequence[int]
    cells: Names
    keep_failed: bool
    quiet: bool


class MaskingOptions(SweepOptions, total=False):
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
        ``shuffled``: also with permuted profiles; ``replaced``: a fitted model is also given the
        profiles of matched other molecules.
    hide_seed
        One draw for all runs; else each run's own seed.
    """

    modality: Names
    stage: Names
    mechanism: str
    fill: str
    control: Names
    hide_seed: int


class MatchOptions(WorkOptions, total=False):
    """The options of `match`, beside `WorkOptions`.

    Attributes
    ----------
    seed
        Of the model and of the folds, 0 to 4.
    control
        ``shuffled``: also fitted on permuted profiles.
    """

    seed: int
    control: Names


def as_list(names: Names | None) -> list[str]:
    """Return one name, several, or none as a list."""
    return [str(n) for n in ([names] if isinstance(names, str | Path) else names or ())]


def with_named(options: Options, **named: Any) -> dict[str, Any]:
    """Return the options of Python as the command line gives them, what is named among them.

    SettingError where JSON has no such value as that of a setting.
    """
    settings = options.get("settings", {})
    try:
        words = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"settings={in_words(settings)}: expected numbers, texts, True, False, None, and lists "
            f"or dicts of them ({error})"
        ) from error
    return {**options, **named, "setting": words}


def table_options(options: Options) -> TableOptions:
    """Return how a user's table is read, checked."""
    names = {field.name for field in dataclasses.fields(TableOptions)} - {"tasks"}
    words = {name: options[name] for name in names if name in options}
    return TableOptions.of_words(options.get("tasks"), **words)


def fetch_options(options: Options) -> FetchOptions:
    """Return where data come from; paths as seen from where the command began."""
    mirror = options.get("mirror")
    if mirror and "://" not in mirror:
        mirror = str(Path(mirror).expanduser().resolve())
    fetch = options_from_env(mirror, options.get("offline", False))
    return dataclasses.replace(fetch, load_limit=options.get("time_limit"))


def datasets_of(options: Options) -> Datasets:
    """Return the place that loads datasets, as the options want it."""
    from chmr_bench.runner import Datasets

    return Datasets(fetch_options(options), cores(options.get("jobs", 0)))


def store_of(out: str | Path) -> RecordStore:
    """Return the records of a folder; UsageError where there is none."""
    from chmr_bench.records import RecordStore, no_records

    store = RecordStore(Path(out))
    if not store.exists():
        raise no_records(store.root)
    return store


def run_options(options: Options) -> RunOptions:
    """Return what holds for all jobs of a run."""
    from chmr_bench.runner import RunOptions

    command = options.get("command") or ("python", Path(sys.argv[0]).name)
    return RunOptions(
        fetch_options(options), cores(options.get("jobs", 0)), _limits(options), command
    )


def _limits(options: Options) -> Limits:
    """Return what a job may take."""
    seconds, memory = options.get("time_limit"), options.get("memory_limit")
    for option, value in (("time", seconds), ("memory", memory)):
        if value is not None and not value > 0:
            raise UsageError(f"--{option}-limit {value:g}: expected a number above 0")
    if memory is not None and memory < LEAST_MEMORY:
        raise UsageError(
            f"--memory-limit {memory:g}: a job's process alone takes up to {LEAST_MEMORY:g} GB; "
            "expected that at least"
        )
    return Limits(seconds, memory or _most_memory())


def _most_memory() -> float:
    import psutil

    most = min([psutil.virtual_memory().total, *group_limits()])
    return round(MEMORY_SHARE * most / 1e9, 1)


def group_limits(root: Path = Path("/")) -> Iterator[int]:
    """Yield the bytes that control groups leave this process: a scheduler's job, a container."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    groups = root / "sys/fs/cgroup"
    for line in lines:
        _, kinds, place = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base, name = (groups, "memory.max")
        if kinds:  # version 1 of control groups, a tree a kind
            base, name = groups / "memory", "memory.limit_in_bytes"
        group = base / place.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(base) and (folder / name).is_file():
                text = (folder / name).read_text(encoding="ascii").strip()
                if text.isdecimal():  # "max" = no limit
                    yield int(text)


def cores(jobs: int) -> int:
    """Return the number of cores that ``--jobs`` asks for."""
    if jobs < 0:
        raise UsageError(f"--jobs {jobs}: expected the number of cores, or 0 for all")
    if jobs:
        return jobs
    import joblib

    return int(joblib.cpu_count())
