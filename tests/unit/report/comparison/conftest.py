"""Made-up records that can be compared without any data: replicates stand for predictions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chmr_bench.data.fetch import FetchOptions
from chmr_bench.records import RecordStore
from chmr_bench.report.comparison import Comparison, Query, compare
from chmr_bench.runner.opening import Datasets
from chmr_bench.statistics import Runs

if TYPE_CHECKING:
    import pandas as pd


class StoredReplicates:
    """Stands for `Measure`: takes the runs from the records instead of from the data."""

    def __init__(self, store: RecordStore, source: Datasets, runs: pd.DataFrame) -> None:
        self.store = store
        self.rows = np.arange(4)
        self.n_clusters = 4

    def runs(self, runs: pd.DataFrame) -> Runs:
        records = [r for i in runs["identity"] if (r := self.store.find(i)) is not None]
        return Runs(
            np.array([r.metrics.macro for r in records if r.metrics]),
            np.array([self.store.replicates(r) for r in records], dtype=np.float64),
            tuple(r.seed for r in records),
            records[0].dataset.metric,
        )


@pytest.fixture(autouse=True)
def without_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut may eat these records: to wait for the disk takes most of the time."""
    monkeypatch.setattr("chmr_bench.records.loose.flush", lambda folder: None)


@pytest.fixture
def compared_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """Compare made-up records of any store: ``compared_in(results, "a", "b", ...)``."""
    monkeypatch.setattr("chmr_bench.report.comparison.results.Measure", StoredReplicates)

    def run(
        results: Any,
        *models: str,
        datasets: tuple[str, ...] = (),
        split: str = "",
        protocol: str = "",
    ) -> Comparison:
        source = Datasets(FetchOptions(offline=True), 1)
        query = Query(models, datasets, split)
        return compare(results.store, source, query, protocol=protocol)

    return run


@pytest.fixture
def compared(results: Any, compared_in: Callable[..., Comparison]) -> Callable[..., Comparison]:
    """Compare made-up records: ``compared("a", "b", datasets=(...), protocol=...)``."""
    return functools.partial(compared_in, results)


@pytest.fixture
def splits(results: Any) -> Callable[..., None]:
    """Add a model's records on several splits: ``splits("a", "bace", [0.7, 0.8], "random")``."""

    def add(
        model: str, dataset: str, scores: Sequence[float | None], method: str, **more: Any
    ) -> None:
        for seed, score in enumerate(scores):
            score = None if score is None else float(score)
            results.add(model, dataset, score, drawn=(method, seed), **more)

    return add
