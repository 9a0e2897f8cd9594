"""The data that a stored run was made on, opened again."""

from __future__ import annotations

import numpy as np

from chmr_bench.contracts import Split
from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import ChmrBenchError, DataError
from chmr_bench.records import Record
from chmr_bench.runner.loading import LoadedDataset, SplitRequest
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.pretraining import atlas_specs
from chmr_bench.types import BoolArray


def requests_of(record: Record) -> tuple[DatasetRequest, SplitRequest]:
    """Return what has to be asked for to have a record's dataset and split again."""
    return DatasetRequest.of_record(record), SplitRequest(record.split.name, record.split.seed)


def open_data(record: Record, datasets: Datasets) -> LoadedDataset:
    """Return the dataset of a record.

    Raises
    ------
    DataError
        It cannot be had, or its content is not that on record.
    """
    loaded = datasets.load(requests_of(record)[0])
    if loaded.digest != record.dataset.digest:
        raise DataError(
            f"dataset {record.dataset.name!r}: the labels are not those of the records; "
            + other_data(record, loaded)
        )
    return loaded


def data_parts(record: Record, datasets: Datasets) -> tuple[str, ...]:
    """Return the hashes of all that a record's data are made of; no atlas is opened for it.

    Of molecules that atlases measured: of the whole dataset, of the atlases, and of their link.

    Raises
    ------
    UnknownNameError, SettingError, DataError
        What the loaders raise.
    """
    from chmr_bench.cells import linking, sources

    request = requests_of(record)[0]
    whole = datasets.load(request.whole).digest
    atlases = atlas_specs(request.atlases)
    return (whole, sources.digest(atlases), linking.LINK_VERSION) if atlases else (whole,)


def open_split(record: Record, datasets: Datasets) -> tuple[LoadedDataset, Split]:
    """Return the dataset and the split of a record.

    Raises
    ------
    DataError
        Either cannot be had, or is not the one on record.
    """
    loaded = open_data(record, datasets)
    split = loaded.split(requests_of(record)[1])
    if different := other_split(record, split):
        raise DataError(different)
    return loaded, split


def other_data(record: Record, loaded: LoadedDataset) -> str:
    """Return what is said where the data are not those of the record."""
    digests = f"{record.dataset.digest[:12]} on record, {loaded.digest[:12]} here"
    origin = record.dataset.origin
    if origin.kind == "registered":
        return f"dataset digest: {digests}"
    return (
        f"{origin.file} is not the table of this run: its content was changed or replaced since "
        f"(dataset digest: {digests}); put the old table back, or run these models again on the "
        "new one and remove the old runs (chmr-bench records rm)"
    )


def other_split(record: Record, split: Split) -> str:
    """Return what is said where a split is not that of the record, else an empty text."""
    if split.digest() == record.split.digest:
        return ""
    return f"split digest: {record.split.digest[:12]} on record, {split.digest()[:12]} here"


class LabelledCells:
    """Which test cells of a stored run have a label: no other prediction need be kept.

    Attributes
    ----------
    missing :
        Names of datasets whose labels could not be had, or are of another content.
    """

    def __init__(self, datasets: Datasets) -> None:
        self.datasets = datasets
        self.missing: set[str] = set()

    def __call__(self, record: Record) -> BoolArray | None:
        """Return (n_test, t) which cells have a label, None where that is not known."""
        try:
            loaded, split = open_split(record, self.datasets)
        except ChmrBenchError:
            self.missing.add(record.dataset.name)
            return None
        known: BoolArray = ~np.isnan(loaded.dataset.y[split.test])
        return known
