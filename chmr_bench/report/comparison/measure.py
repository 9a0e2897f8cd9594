"""The runs of one split as bootstrap replicates of scores, from stored predictions and labels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner import scoring
from chmr_bench.runner.opening import Datasets
from chmr_bench.runner.recorded import open_data
from chmr_bench.statistics import Runs

if TYPE_CHECKING:
    import pandas as pd


class Measure:
    """Makes the runs of one split of one dataset, each record resampled once.

    The first of `runs`, all of the split, says which dataset to open; DataError where its data
    cannot be had, or are not those of the records.
    """

    def __init__(self, store: RecordStore, datasets: Datasets, runs: pd.DataFrame) -> None:
        self.store = store
        record = self._record(runs["identity"].iloc[0])
        self.data = open_data(record, datasets)
        self.rows = store.predictions(record).rows
        self.clusters = scoring.clusters_of(self.data.keys_of(self.rows))
        self.n_clusters = len(np.unique(self.clusters))
        self._made: dict[str, Runs] = {}

    def runs(self, runs: pd.DataFrame) -> Runs:
        """Return runs of one model, one a seed."""
        made = [self._run(identity) for identity in runs["identity"]]
        return replace(
            made[0],
            scores=np.concatenate([run.scores for run in made]),
            replicates=np.concatenate([run.replicates for run in made]),
            seeds=tuple(run.seeds[0] for run in made),
        )

    def _run(self, identity: str) -> Runs:
        if identity in self._made:
            return self._made[identity]
        record = self._record(identity)
        predictions = self.store.predictions(record)
        if not np.array_equal(predictions.rows, self.rows):
            raise DataError(
                f"{self.store.path_of(record)}: predictions of other rows than those it is "
                "compared with; chmr-bench verify tells more"
            )
        spec, dataset = self.data.spec, self.data.dataset
        metrics, replicates = scoring.score(spec, dataset, predictions, self.clusters)
        self._made[identity] = Runs(
            np.array([math.nan if metrics.macro is None else metrics.macro]),
            replicates[None, :],
            (record.seed,),
            metrics.metric,
            n_units=self.n_clusters,
            n_effective=metrics.n_effective,
        )
        return self._made[identity]

    def _record(self, identity: str) -> Record:
        record = self.store.find(identity)
        if record is None:
            raise DataError(f"{self.store.folder}: record {identity[:12]} is gone or damaged")
        return record
