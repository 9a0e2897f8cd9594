"""Stored predictions and the datasets' labels -> runs whose resamples are paired."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench.data.requests import DatasetRequest
from chmr_bench.errors import DataError
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.loading import Datasets, LoadedDataset
from chmr_bench.runner.scoring import score
from chmr_bench.statistics import Runs

if TYPE_CHECKING:
    import pandas as pd


class Measure:
    """Makes the runs of one split of one dataset, each record resampled once.

    Parameters
    ----------
    store : RecordStore
        Where the predictions are.
    datasets : Datasets
        Opens the dataset.
    runs : pandas.DataFrame
        Runs of the split; the first says which dataset to open.

    Raises
    ------
    DataError
        The data cannot be had, or are not those of the records.
    """

    def __init__(self, store: RecordStore, datasets: Datasets, runs: pd.DataFrame) -> None:
        self.store = store
        record = self._record(runs["identity"].iloc[0])
        self.data = _loaded(datasets, record)
        self.rows = store.predictions(record).rows
        self.clusters = connectivity_clusters(self.data, self.rows)
        self._made: dict[str, Runs] = {}

    @property
    def n_clusters(self) -> int:
        """Return how many different molecules the test part has."""
        return len(np.unique(self.clusters))

    def runs(self, runs: pd.DataFrame) -> Runs:
        """Return runs of one model, one a seed."""
        made = [self._run(identity) for identity in runs["identity"]]
        return Runs(
            scores=np.array([run.scores[0] for run in made]),
            replicates=np.concatenate([run.replicates for run in made]),
            seeds=tuple(run.seeds[0] for run in made),
            metric=made[0].metric,
            n_units=self.n_clusters,
            n_effective=made[0].n_effective,
        )

    def _run(self, identity: str) -> Runs:
        if identity not in self._made:
            record = self._record(identity)
            predictions = self.store.predictions(record)
            if not np.array_equal(predictions.rows, self.rows):
                raise DataError(
                    f"{self.store.path_of(record)}: predictions of other rows than those it is "
                    "compared with; chmr-bench verify tells more"
                )
            data = self.data
            metrics, replicates = score(data.spec, data.dataset, predictions, self.clusters)
            self._made[identity] = Runs(
                np.array([math.nan if metrics.macro is None else metrics.macro]),
                replicates[None, :],
                (record.seed,),
                metrics.metric,
                n_effective=metrics.n_effective,
            )
        return self._made[identity]

    def _record(self, identity: str) -> Record:
        record = self.store.find(identity)
        if record is None:
            raise DataError(f"{self.store.folder}: record {identity[:12]} is gone or damaged")
        return record


def _loaded(datasets: Datasets, record: Record) -> LoadedDataset:
    data = datasets.load(DatasetRequest.of_record(record))
    if data.digest != record.dataset.digest:
        raise DataError(
            f"dataset {record.dataset.name!r}: digest {data.digest[:12]} here, "
            f"{record.dataset.digest[:12]} on record; the labels are not those of the records"
        )
    return data
