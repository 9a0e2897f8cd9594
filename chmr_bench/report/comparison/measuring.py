"""Stored predictions and the datasets' labels -> runs whose resamples are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from chmr_bench.errors import DataError
from chmr_bench.metrics import METRICS
from chmr_bench.records import Record, RecordStore
from chmr_bench.runner.clusters import connectivity_clusters
from chmr_bench.runner.scoring import score
from chmr_bench.runner.workspace import DatasetRequest, Opened, Workspace
from chmr_bench.statistics import Runs, effective_sample_size, molecule_counts
from chmr_bench.types import IntArray


class Measure:
    """Makes the runs of one split of one dataset, each record resampled once.

    Parameters
    ----------
    record : any of them; says which dataset to open.

    Raises
    ------
    DataError : the data cannot be had, or are not those of the records.
    """

    def __init__(self, store: RecordStore, workspace: Workspace, record: Record) -> None:
        self.store, self.workspace = store, workspace
        self.opened = _opened(workspace, record)
        self.rows: IntArray = store.predictions(record).rows
        self.clusters = connectivity_clusters(workspace, self.opened, self.rows)
        self._made: dict[str, Runs] = {}

    @property
    def n_clusters(self) -> int:
        """Return how many different molecules the test part has."""
        return len(set(self.clusters.tolist()))

    @cached_property
    def n_effective(self) -> float:
        """Return on how many of them the score rests."""
        by_class = METRICS[self.opened.spec.metric].task_type == "classification"
        y = self.opened.dataset.y[self.rows]
        counts = molecule_counts(y, self.clusters, by_class=by_class)
        return effective_sample_size([n for n in counts if n])

    def runs(self, records: Sequence[Record]) -> Runs:
        """Return runs of one model, one a seed."""
        made = [self._run(record) for record in records]
        return Runs(
            scores=np.array([run.scores[0] for run in made]),
            replicates=np.concatenate([run.replicates for run in made]),
            seeds=tuple(record.seed for record in records),
            metric=self.opened.spec.metric,
            n_units=self.n_clusters,
            n_effective=self.n_effective,
        )

    def _run(self, record: Record) -> Runs:
        if record.identity not in self._made:
            predictions = self.store.predictions(record)
            if not np.array_equal(predictions.rows, self.rows):
                raise DataError(
                    f"{self.store.path_of(record)}: predictions of other rows than those it is "
                    "compared with; chmr-bench verify tells more"
                )
            metrics, replicates = score(
                self.opened.spec, self.opened.dataset, predictions, self.clusters
            )
            macro = math.nan if metrics.macro is None else metrics.macro
            self._made[record.identity] = Runs(
                np.array([macro]), replicates[None, :], (record.seed,), metrics.metric
            )
        return self._made[record.identity]


def _opened(workspace: Workspace, record: Record) -> Opened:
    opened = workspace.open(DatasetRequest.of_record(record))
    if opened.digest != record.dataset.digest:
        raise DataError(
            f"dataset {record.dataset.name!r}: digest {opened.digest[:12]} here, "
            f"{record.dataset.digest[:12]} on record; the labels are not those of the records"
        )
    return opened
