"""What a dataset promises: the counts, names, labels and splits that its spec states."""

from __future__ import annotations

import math

import numpy as np

from chmr_bench.contracts import Dataset, DatasetSpec, Split, part_digest
from chmr_bench.contracts.blocks import Block, GraphBlock
from chmr_bench.data.datasets import open_dataset
from chmr_bench.data.fetch import FetchOptions, options_from_env
from chmr_bench.errors import PluginError
from chmr_bench.features.checking import check_block
from chmr_bench.lazy import load_object
from chmr_bench.plugins import registry
from chmr_bench.splits import check_split
from chmr_bench.testing.blocks import check_unmeasured
from chmr_bench.types import PARTS


def check_dataset(
    dataset: str | DatasetSpec, options: FetchOptions | None = None, *, twice: bool = True
) -> None:
    """Check a dataset against what its spec states. Its files are fetched where need be.

    Parameters
    ----------
    dataset :
        A spec, or the name of a registered dataset.
    options :
        Where its files come from; by default as the environment says.
    twice :
        Load it a second time and compare; False saves that time.

    Raises
    ------
    PluginError
        The dataset breaks a promise; the message says which.
    FetchError
        Its files cannot be had, or are not the pinned ones.
    DataError
        Counts, task names, labels or modalities are not those of the spec.
    """
    spec = registry().dataset(dataset).spec if isinstance(dataset, str) else dataset
    options = options or options_from_env()
    where = f"dataset {spec.name!r}"
    data = open_dataset(spec, options)
    _check_labels(data, where)
    for name, block in data.blocks.items():
        check_block(block, len(data), f"{where}, block {name!r}")
        _check_measured(block, f"{where}, block {name!r}")
    if twice and open_dataset(spec, options).digest() != data.digest():
        raise PluginError(f"{where}: loaded twice, it has two contents; loading must be repeatable")
    if spec.split_rule:
        _check_reference_split(spec, load_object(spec.split_rule)(data), where)
    if spec.ceilings:
        _check_ceilings(load_object(spec.ceilings)(), where)


def _check_labels(data: Dataset, where: str) -> None:
    if data.y.dtype != np.float64:
        raise PluginError(f"{where}: labels are {data.y.dtype}, expected float64")
    empty = np.flatnonzero(np.isnan(data.y).all(axis=0))
    if len(empty):
        raise PluginError(f"{where}: task {data.task_names[empty[0]]!r} has no label at all")


def _check_measured(block: Block, where: str) -> None:
    """Refuse a dense matrix whose numbers are not where it says that they were measured."""
    if isinstance(block, GraphBlock) or not isinstance(block.values, np.ndarray):
        return
    check_unmeasured(block, where)
    finite = np.isfinite(block.values[block.observed])
    if block.in_part and not finite.all():
        raise PluginError(f"{where}: an entry that is observed holds no finite number")
    if not block.in_part and not finite.any(axis=1).all():
        raise PluginError(f"{where}: a row that is observed holds no number")


def _check_reference_split(spec: DatasetSpec, split: Split, where: str) -> None:
    check_split(split, spec.n_molecules)
    sizes = tuple(len(split.part(part)) for part in PARTS)
    if any(spec.split_sizes) and sizes != spec.split_sizes:
        raise PluginError(f"{where}: the split has sizes {sizes}, the spec says {spec.split_sizes}")
    for part, pinned in zip(PARTS, spec.split_digests, strict=False):
        if part_digest(split.part(part)) != pinned:
            raise PluginError(f"{where}: the {part} rows are not those that the spec pins")


def _check_ceilings(ceilings: object, where: str) -> None:
    if not isinstance(ceilings, dict) or not ceilings:
        raise PluginError(f"{where}: ceilings() gave {ceilings!r}, expected name -> number")
    for name, value in ceilings.items():
        if not isinstance(value, float) or not math.isfinite(value):
            raise PluginError(f"{where}: the ceiling {name!r} is {value!r}, expected a number")
