"""Open a registered dataset: fetch its files, load it, and hold it against what is registered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chmr_bench import foreign
from chmr_bench.contracts import Dataset, DatasetSpec, Progress, no_progress
from chmr_bench.data.fetch import FetchOptions, SourceFiles
from chmr_bench.data.requests import (
    FILE_ENDINGS,
    MEASURED_IN,
    MOLNET_PREFIX,
    DatasetRequest,
    TableOptions,
    settled_name,
    unusable_path,
)
from chmr_bench.errors import DataError, PluginError, UnknownNameError, UsageError, nearest
from chmr_bench.lazy import load_object
from chmr_bench.paths import is_utf8


def open_dataset(
    spec: DatasetSpec, options: FetchOptions, progress: Progress = no_progress
) -> Dataset:
    """Return the dataset's molecules and labels, checked against its spec.

    Raises
    ------
    FetchError
        A source file cannot be had, or is not the pinned one.
    DataError
        What was loaded differs from the spec in counts, task names or kind of label.
    PluginError
        The spec's `load` is not to be found, or returns no `Dataset`.
    """
    if foreign.is_foreign(spec.load):
        dataset = foreign.isolated(
            spec.load,
            f"{__name__}:load_here",
            spec,
            options,
            seconds=options.load_limit,
            receiver=_Progress(progress),
        )
    else:
        dataset = _loaded(spec, options, progress)
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"dataset {spec.name!r}: {spec.load} returned {type(dataset).__name__}, not a Dataset"
        )
    check_dataset(spec, dataset)
    return dataset


def _loaded(spec: DatasetSpec, options: FetchOptions, progress: Progress) -> Any:
    return load_object(spec.load)(spec, SourceFiles(spec, options, progress))


def load_here(spec: DatasetSpec, options: FetchOptions, send: Callable[..., None]) -> Any:
    """Return what the spec's `load` gives; runs in a worker process."""

    def progress(done: int, total: int, unit: str) -> None:
        send("progress", done, total, unit)

    return _loaded(spec, options, progress)


@dataclass(frozen=True)
class _Progress(foreign.Printed):
    """Passes on how far a worker process is."""

    progress: Progress

    def receive(self, name: str, *values: Any) -> None:
        if name == "progress":
            self.progress(*values)


def dataset_request(name: str, table: TableOptions, registered: Collection[str]) -> DatasetRequest:
    """Return the request for what ``--dataset`` names: a registered name before a file.

    Raises
    ------
    UnknownNameError
        It is neither; the nearest names are offered, those of MoleculeNet among them.
    UsageError
        It is a file whose columns are not named.
    """
    from chmr_bench.data.molnet import MOLNET

    if not name.strip():
        raise UsageError("--dataset ''; expected a registered name, a file, or molnet:NAME")
    whole, plus, _ = name.partition(MEASURED_IN)
    if name.startswith(MOLNET_PREFIX):
        return DatasetRequest(name=settled_name(name), on_invalid=table.on_invalid)
    if name in registered:
        return DatasetRequest(name=settled_name(name))
    if plus and whole not in registered and unusable_path(whole) is None:
        raise UsageError(
            f"--dataset {name}: {whole} is a file; --dataset {whole} --cells ATLAS attaches the "
            "profiles of its molecules, +ATLAS is for registered names"
        )
    if whole in registered and not Path(name).exists():
        return DatasetRequest(name=settled_name(name))
    if name.lower().endswith(FILE_ENDINGS) or "/" in name or Path(name).exists():
        return table.request(name)
    plain = name.lower()
    if plain in MOLNET:
        raise UnknownNameError("dataset", name, [MOLNET_PREFIX + plain])
    known = [*registered, *(MOLNET_PREFIX + m for m in MOLNET), *_near_files(name)]
    raise UnknownNameError("dataset", whole, known)


def _near_files(name: str) -> list[str]:
    """Return the tables beside us that are called much like that."""
    try:
        files = [path.name for path in Path().iterdir() if path.name.endswith(FILE_ENDINGS)]
    except OSError:
        return []
    return nearest(name, files)


def check_dataset(spec: DatasetSpec, dataset: Dataset) -> None:
    """Raise DataError where `dataset` is not what `spec` promises."""
    where = f"dataset {spec.name!r}"
    if len(dataset) != spec.n_molecules:
        raise DataError(
            f"{where}: {len(dataset)} molecules were loaded, {spec.n_molecules} are registered; "
            "a benchmark never loses or gains a row"
        )
    if dataset.task_names != spec.task_names:
        raise DataError(f"{where}: {_name_difference(dataset.task_names, spec.task_names)}")
    if dataset.keys and len(dataset.keys) != len(dataset):
        raise DataError(f"{where}: {len(dataset.keys)} keys for {len(dataset)} molecules")
    wrong = [s for s in dataset.smiles if not (isinstance(s, str) and is_utf8(s))]
    if wrong:
        raise DataError(f"{where}: {wrong[0]!r} is no SMILES; expected UTF-8 text")
    empty = next((i for i, smiles in enumerate(dataset.smiles) if not smiles.strip()), None)
    if empty is not None:
        raise DataError(f"{where}: row {empty} (from 0) has an empty SMILES")
    _check_labels(where, spec, dataset)
    _check_blocks(where, spec, dataset)


def _name_difference(loaded: tuple[str, ...], expected: tuple[str, ...]) -> str:
    if len(loaded) != len(expected):
        return f"{len(loaded)} tasks were loaded, {len(expected)} are registered"
    i = next(i for i, (a, b) in enumerate(zip(loaded, expected, strict=True)) if a != b)
    return f"task {i} (from 0) is called {loaded[i]!r}, registered as {expected[i]!r}"


def _check_labels(where: str, spec: DatasetSpec, dataset: Dataset) -> None:
    """Refuse infinite values, and in classification anything but 0, 1 and NaN."""
    y = dataset.y
    if y.dtype.kind not in "biuf":
        raise DataError(f"{where}: its labels are of type {y.dtype}; expected float64")
    wrong = np.isinf(y)
    expected = "a finite number or NaN"
    if spec.task_type == "classification":
        wrong = ~(np.isnan(y) | (y == 0) | (y == 1))
        expected = "0, 1 or NaN"
    if wrong.any():
        row, task = np.argwhere(wrong)[0]
        raise DataError(
            f"{where}: row {row} (from 0), task {dataset.task_names[task]!r}: "
            f"{y[row, task]!r} where {expected} is expected"
        )


def _check_blocks(where: str, spec: DatasetSpec, dataset: Dataset) -> None:
    expected = set(spec.modalities) - {"structure"}
    if set(dataset.blocks) != expected:
        raise DataError(
            f"{where}: loaded with the blocks {sorted(dataset.blocks)}, "
            f"registered with {sorted(expected)}"
        )
    for name, block in dataset.blocks.items():
        if len(block) != len(dataset):
            raise DataError(
                f"{where}: block {name!r} has {len(block)} rows for {len(dataset)} molecules"
            )
